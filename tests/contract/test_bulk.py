"""Bulk asking against a server that counts what it is asked."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from langchain_chatbots import ChatDify
from llama_index_chatbots import GPTBots
from remote_chatbots import (
    AsyncBotClient,
    BotAuthError,
    BotClient,
    BotConnectError,
    BotQuotaError,
    BotRateLimitError,
    BotUsageError,
    DifyApp,
    GPTBotsAgent,
    Question,
)
from remote_chatbots.bulk import Outcome, Progress, aask_all, ask_all, run, write_rows
from remote_chatbots.emulator import Cut, Emulator, ErrorEvent, HtmlPage, RateLimit, TooManyRequests
from tests.asked import asked, stops
from tests.soaking import many


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.05) as running:
        yield running


@pytest.fixture
def app(emulator: Emulator) -> DifyApp:
    return DifyApp(emulator.dify_key, emulator.dify_url)


@pytest.fixture
def chatflow(emulator: Emulator) -> DifyApp:
    return DifyApp(emulator.key("advanced-chat"), emulator.dify_url)


def echoes(count: int, of: str) -> list[str]:
    return [f"[[echo]]{of} {number}" for number in range(count)]


def posts(emulator: Emulator, of: str) -> Counter[str]:
    """Return how often each question with these words was posted."""
    return Counter(text for text, _ in asked(emulator) if of in text)


def test_each_question_is_posted_once_and_answered(emulator: Emulator, app: DifyApp) -> None:
    outcomes = list(ask_all(app, echoes(30, "once"), user="anna"))
    assert sorted(one.index for one in outcomes) == list(range(30))
    for one in outcomes:
        assert one.status == "answered"
        assert one.answer is not None
        assert f"once {one.index}" in one.answer.text
        assert one.id == str(one.index)
        assert one.elapsed_s is not None
        assert one.first_text_s is not None
        assert one.first_text_s <= one.elapsed_s
    assert posts(emulator, "once") == Counter(echoes(30, "once"))


@pytest.mark.parametrize("outcomes", [None, 7])
def test_rows_of_no_outcomes_leave_the_file_as_it_was(outcomes: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("earlier\n", "utf-8")
    with pytest.raises(BotUsageError, match="outcomes must be what ask_all gives"):
        write_rows(outcomes, tmp_path / "rows.jsonl")
    assert (tmp_path / "rows.jsonl").read_text("utf-8") == "earlier\n"


async def test_rows_of_a_run_in_an_event_loop_are_refused_by_its_name(app: DifyApp, tmp_path: Path) -> None:
    run: Any
    async with aask_all(app, ["Hello"], user="anna") as run:
        with pytest.raises(BotUsageError, match="an async iterator"):
            write_rows(run, tmp_path / "rows.jsonl")


def test_rows_have_ids_users_and_inputs_of_their_own_and_come_out_as_rows(
    emulator: Emulator, app: DifyApp, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "q-7", "question": "[[inputs]] rows", "inputs": {"guest": "Gull Island"}, "user": "bert"},
        {"id": 8, "question": "When does the ferry leave? rows", "user": None},
    ]
    assert write_rows(ask_all(app, rows, user="anna"), tmp_path / "rows.jsonl") == 2
    found = {row["id"]: row for row in map(json.loads, (tmp_path / "rows.jsonl").read_text("utf-8").splitlines())}
    assert {id_: row["user"] for id_, row in found.items()} == {"q-7": "bert", "8": "anna"}
    assert "Gull Island" in found["q-7"]["answer"]
    assert found["8"]["sources"] > 0
    assert "ferry.md" in found["8"]["source_titles"]
    assert found["8"]["total_tokens"] == found["8"]["prompt_tokens"] + found["8"]["completion_tokens"]
    assert found["q-7"].keys() == found["8"].keys()
    assert all(
        value is None or isinstance(value, (str, int, float)) for row in found.values() for value in row.values()
    )


def test_a_client_and_the_models_of_both_frameworks_are_asked_alike(emulator: Emulator, app: DifyApp) -> None:
    langchain = ChatDify(api_key=app.api_key, base_url=app.base_url, user="anna", inputs={"guest": "Gull"})
    llama_index = GPTBots(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, user="bert")
    for bot in (BotClient(app, user="carl"), AsyncBotClient(app, user="dora"), langchain, llama_index):
        since = len(emulator.requests)
        (outcome,) = ask_all(bot, [{"question": "[[inputs]] alike", "inputs": {"notes": "Sunday"}}])
        assert outcome.status == "answered"
        assert outcome.question.user == bot.user
        assert len(asked(emulator, since)) == 1
    (outcome,) = ask_all(langchain, [{"question": "[[inputs]] alike", "inputs": {"notes": "Sunday"}}])
    assert outcome.answer is not None
    assert "Gull" in outcome.answer.text
    assert "Sunday" in outcome.answer.text


def test_questions_in_one_conversation_go_one_after_the_other(emulator: Emulator, app: DifyApp) -> None:
    conversation = BotClient(app, user="anna").ask("Hello").conversation_id
    questions = [Question(text, conversation_id=conversation) for text in echoes(6, "in turn")]
    assert {one.status for one in ask_all(app, questions, user="anna", concurrency=6)} == {"answered"}
    stored = BotClient(app, user="anna").history(conversation)
    assert [one.text for one in stored if one.role == "user"][1:] == echoes(6, "in turn")


def test_what_the_server_puts_off_waits_as_it_says_and_all_others_with_it(emulator: Emulator, app: DifyApp) -> None:
    emulator.faults.add(TooManyRequests(retry_after_s=1), user="patient")
    begun = time.monotonic()
    outcomes = list(ask_all(app, echoes(2, "put off"), user="patient", concurrency=1))
    assert time.monotonic() - begun >= 1
    assert [one.status for one in outcomes] == ["answered"] * 2
    assert sorted(posts(emulator, "put off").values()) == [1, 2]  # once refused, once taken


def test_a_server_that_takes_so_many_a_minute_answers_all_in_the_end() -> None:
    with Emulator(token_delay_s=0) as emulator:
        emulator.faults.add(RateLimit(per_minute=6, window_s=0.5), times=None)
        agent = GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url)
        outcomes = list(ask_all(agent, echoes(9, "limited"), user="anna", concurrency=10))
    assert Counter(one.status for one in outcomes) == {"answered": 9}


def test_a_question_that_is_put_off_too_often_is_refused_with_the_servers_word(
    emulator: Emulator, app: DifyApp
) -> None:
    emulator.faults.add(TooManyRequests(retry_after_s=0), times=3, user="weary")
    (outcome,) = ask_all(app, ["[[echo]] weary"], user="weary", max_retries=2)
    assert outcome.status == "refused"
    assert isinstance(outcome.error, BotRateLimitError)
    assert outcome.row()["http_status"] == 429


def test_no_more_are_posted_in_a_second_than_was_said(emulator: Emulator, app: DifyApp) -> None:
    begun = time.monotonic()
    assert len(list(ask_all(app, echoes(6, "paced"), user="anna", per_second=10))) == 6
    assert time.monotonic() - begun >= 0.5


def test_an_answer_whose_stream_broke_is_fetched_and_its_question_not_posted_again(
    emulator: Emulator, chatflow: DifyApp
) -> None:
    emulator.faults.add(Cut(after_bytes=900), user="cut-off")
    (outcome,) = ask_all(chatflow, ["When does the ferry leave?"], user="cut-off")
    assert (outcome.status, outcome.recovered) == ("answered", True)
    assert outcome.answer is not None
    assert "The ferry to Gull Island leaves from pier 3" in outcome.answer.text
    assert [r.path for r in emulator.requests if r.body and r.body.get("user") == "cut-off"] == ["/v1/chat-messages"]


def test_an_answer_that_the_server_lost_is_unknown_and_its_question_not_posted_again(
    emulator: Emulator, app: DifyApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SETTLED_AFTER_S", 0.1)
    emulator.faults.add(Cut(after_bytes=400), user="unlucky")
    for earlier in (False, True):
        (outcome,) = ask_all(app, ["[[long]] lost?"], user="unlucky", journal=tmp_path / "journal")
        assert (outcome.status, outcome.earlier) == ("unknown", earlier)
        assert outcome.error is not None
        assert outcome.error.conversation_id
    assert posts(emulator, "lost?").total() == 1
    (outcome,) = ask_all(app, ["[[long]] lost?"], user="unlucky", journal=tmp_path / "journal", repeat_unknown=True)
    assert outcome.status == "answered"
    assert posts(emulator, "lost?").total() == 2


def test_a_turn_that_failed_at_the_server_is_posted_again_on_the_callers_word_alone(
    emulator: Emulator, app: DifyApp, tmp_path: Path
) -> None:
    emulator.faults.add(ErrorEvent(), user="failing")
    for _ in range(2):
        (outcome,) = ask_all(app, ["[[echo]] failing"], user="failing", journal=tmp_path / "journal")
        assert outcome.status == "failed"
        assert outcome.error is not None
    assert posts(emulator, "failing").total() == 1
    (outcome,) = ask_all(app, ["[[echo]] failing"], user="failing", journal=tmp_path / "journal", repeat_failed=True)
    assert outcome.status == "answered"


def test_a_web_page_in_the_answers_place_is_a_result_and_ends_nothing(
    emulator: Emulator, app: DifyApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SETTLED_AFTER_S", 0.1)
    emulator.faults.add(HtmlPage(502), user="behind a proxy")
    outcomes = list(ask_all(app, echoes(3, "proxied"), user="behind a proxy", concurrency=1))
    assert [one.status for one in outcomes] == ["answered", "answered", "unknown"]
    assert max(posts(emulator, "proxied").values()) == 1


def test_the_next_run_goes_on_where_one_was_left(emulator: Emulator, app: DifyApp, tmp_path: Path) -> None:
    questions = echoes(20, "left")
    first: dict[str, Outcome] = {}
    for one in ask_all(app, questions, user="anna", concurrency=3, journal=tmp_path / "journal"):
        first[one.id] = one
        if len(first) == 8:
            break
    again = {one.id: one for one in ask_all(app, questions, user="anna", journal=tmp_path / "journal")}
    assert again.keys() == {str(number) for number in range(20)}
    for id_, one in first.items():
        assert again[id_].earlier
        assert (again[id_].answer, again[id_].elapsed_s) == (one.answer, one.elapsed_s)
    assert set(posts(emulator, "left ").values()) == {1}
    assert {one.question.text for one in again.values() if one.answer} <= posts(emulator, "left ").keys()


async def test_leaving_stops_the_turns_that_are_under_way(emulator: Emulator, app: DifyApp, tmp_path: Path) -> None:
    since = len(emulator.requests)
    slow = [f"[[slow]] Story {number}" for number in range(4)]
    with Emulator() as slowly:
        teller = DifyApp(slowly.dify_key, slowly.dify_url)
        async with aask_all(teller, slow, user="anna", journal=tmp_path / "journal") as outcomes:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.7):
                    await anext(outcomes)
        assert stops(slowly) == 4
        again = [one async for one in aask_all(teller, slow, user="anna", journal=tmp_path / "journal")]
        assert [one.status for one in again] == ["failed"] * 4
        assert "repeat_failed" in str(again[0].error)
    assert len(emulator.requests) == since


async def test_an_async_reader_that_is_slow_slows_the_run_down(emulator: Emulator, app: DifyApp) -> None:
    async with aclosing(aask_all(app, echoes(20, "slowly"), user="anna", concurrency=2)) as outcomes:
        await anext(outcomes)
        await asyncio.sleep(0.2)
    assert posts(emulator, "slowly").total() <= 3


def test_a_key_that_is_refused_ends_the_run_and_the_rest_is_not_asked(emulator: Emulator, app: DifyApp) -> None:
    wrong = DifyApp("app-wrong", app.base_url)
    since, told = len(emulator.requests), []
    run = ask_all(wrong, echoes(50, "wrong key"), user="anna", concurrency=2, progress=told.append)
    with pytest.raises(BotAuthError):
        list(run)
    assert told[-1].counts == {"refused": len(told)}
    assert len(told) == len(asked(emulator, since)) <= 3
    assert len(list(ask_all(wrong, echoes(5, "wrong key"), user="anna", give_up_on=()))) == 5


def test_a_spent_quota_ends_the_run(emulator: Emulator) -> None:
    agent = GPTBotsAgent(emulator.key("gptbots-no-credits"), emulator.gptbots_url)
    with pytest.raises(BotQuotaError):
        list(ask_all(agent, echoes(9, "poor"), user="anna", concurrency=1))


def test_a_server_that_is_not_there_ends_the_run() -> None:
    with pytest.raises(BotConnectError):
        list(ask_all(DifyApp("app-x", "http://127.0.0.1:9"), ["Anybody?"], user="anna", max_retries=0))


def test_progress_is_told_for_each_outcome(emulator: Emulator, app: DifyApp) -> None:
    told: list[Progress] = []
    list(ask_all(app, echoes(4, "told"), user="anna", progress=told.append))
    assert [one.done for one in told] == [1, 2, 3, 4]
    assert {one.total for one in told} == {4}
    assert told[-1].counts == {"answered": 4}


def test_a_bar_shows_how_far_it_is(emulator: Emulator, app: DifyApp, capsys: pytest.CaptureFixture[str]) -> None:
    list(ask_all(app, echoes(4, "barred"), user="anna", progress=True))
    assert "4/4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("questions", "named"),
    [
        (["fine", ""], "Question 1: The question is empty"),
        (["fine", 7], "Question 1: it is int"),
        ([{"id": 1}], "no text under 'question'"),
        ([{"question": "a", "expected": "b"}], "'expected'"),
        ([{"id": "a", "question": "a"}, {"id": "a", "question": "b"}], "'a' is another's"),
        ([Question("a", user="anna", options={"traceid": "x"})], "Question 0: .*trace"),
    ],
)
def test_a_list_with_a_wrong_question_is_refused_before_anything_is_posted(
    emulator: Emulator, app: DifyApp, questions: list[Any], named: str
) -> None:
    since = len(emulator.requests)
    with pytest.raises(BotUsageError, match=named):
        ask_all(app, questions, user="anna")
    assert len(emulator.requests) == since


class Table:
    """Iterates over its columns, as pandas' does."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows[0])

    def to_dict(self, _: str) -> list[dict[str, Any]]:
        return self.rows


ROW = {"id": "q-1", "question": "When does the ferry leave?"}


@pytest.mark.parametrize(
    "questions", [ROW["question"], b"Ferry?", ROW, Question("a", user="b"), Table([ROW]), None, 5, str]
)
def test_what_is_not_several_questions_is_not_taken_apart_and_posted(
    emulator: Emulator, app: DifyApp, questions: Any
) -> None:
    since = len(emulator.requests)
    for ask in (ask_all, aask_all):
        with pytest.raises(BotUsageError, match=r"^questions must be .*\. (Put|Give) "):
            ask(app, questions, user="anna")
    assert len(emulator.requests) == since
    assert [one.status for one in ask_all(app, Table([ROW]).to_dict("records"), user="anna")] == ["answered"]


@pytest.mark.parametrize(
    ("given", "named"),
    [({"concurrency": 0}, "concurrency"), ({"per_second": -1}, "per_second"), ({"max_retries": True}, "max_retries")],
)
def test_a_wrong_setting_is_refused_by_name(app: DifyApp, given: dict[str, Any], named: str) -> None:
    with pytest.raises(BotUsageError, match=named):
        ask_all(app, ["a"], user="anna", **given)


def test_help_shows_the_same_arguments_for_both_ways_in() -> None:
    assert signature(ask_all).parameters == signature(aask_all).parameters
    assert str(signature(ask_all)).endswith("-> 'Iterator[Outcome]'")


def test_a_question_without_a_user_is_refused_before_anything_is_posted(app: DifyApp) -> None:
    with pytest.raises(BotUsageError, match="user"):
        ask_all(app, ["a"])


@pytest.mark.soak
def test_thousands_of_questions_are_posted_once_each_and_told_again_from_the_journal(
    emulator: Emulator, app: DifyApp, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"user": "anna", "concurrency": 50, "journal": tmp_path / "journal"}
    questions = echoes(many(1_000, 10_000), "of very many")
    for _ in range(2):
        assert Counter(one.status for one in ask_all(app, questions, **given)) == {"answered": len(questions)}
        assert posts(emulator, "of very many") == Counter(questions)
