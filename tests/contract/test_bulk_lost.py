"""Questions whose turns were lost on their way: what bulk finds of them in the server's history, and when."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_chatbots import BotClient, DifyApp, GPTBotsAgent, Question
from remote_chatbots.bulk import ask_all, run
from remote_chatbots.bulk.journal import Journal
from remote_chatbots.bulk.questions import items
from remote_chatbots.emulator import Cut, Emulator, HtmlPage
from tests.asked import asked

LOST = "When does the ferry leave?"


@pytest.fixture
def slow() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0.02, held_open_s=0.05) as running:
        yield running


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0) as running:
        yield running


def chatflow(emulator: Emulator) -> DifyApp:
    return DifyApp(emulator.key("advanced-chat"), emulator.dify_url)


def test_a_turn_that_still_ran_when_it_was_lost_is_looked_for_again_before_the_run_ends(
    slow: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(run, "SETTLED_AFTER_S", 2.0)
    slow.faults.add(Cut(after_bytes=0), user="bert")
    rows = [{"question": f"[[echo]]{user}", "user": user} for user in ("anna", "carl")]
    rows.insert(1, {"question": LOST, "user": "bert"})
    for earlier in (False, True):
        outcomes = list(ask_all(chatflow(slow), rows, concurrency=1, journal=tmp_path / "journal"))
        lost = next(one for one in outcomes if one.question.text == LOST)
        assert (lost.status, lost.recovered, lost.earlier) == ("answered", True, earlier)
        assert lost.answer is not None
        assert "The ferry to Gull Island leaves from pier 3" in lost.answer.text
    assert Counter(text for text, _ in asked(slow)) == Counter(row["question"] for row in rows)


def test_a_run_does_not_wait_for_an_answer_that_was_lost_long_ago(emulator: Emulator, tmp_path: Path) -> None:
    journaled(tmp_path / "journal", emulator, since=time.time() - run.SETTLED_AFTER_S)
    begun = time.monotonic()
    (outcome,) = ask_all(chatflow(emulator), [LOST], user="anna", journal=tmp_path / "journal")
    assert (outcome.status, outcome.earlier) == ("unknown", True)
    assert time.monotonic() - begun < run.SETTLED_AFTER_S / 2


def test_a_question_that_was_lost_long_ago_is_found_behind_all_that_was_asked_since(
    emulator: Emulator, tmp_path: Path
) -> None:
    client = BotClient(chatflow(emulator), user="anna")
    since = client.ask("Hello").created_at
    journaled(tmp_path / "journal", emulator, since=since or 0)
    answer = client.ask(LOST)
    list(ask_all(client, [f"[[echo]]{number}" for number in range(120)], concurrency=20))
    (outcome,) = ask_all(client, [LOST], journal=tmp_path / "journal", concurrency=1)
    assert (outcome.status, outcome.recovered, outcome.earlier) == ("answered", True, True)
    assert outcome.answer is not None
    assert (outcome.answer.text, outcome.answer.message_id) == (answer.text, answer.message_id)
    assert [text for text, _ in asked(emulator)].count(LOST) == 1


@pytest.mark.parametrize("kind", ["advanced-chat", "gptbots"])
@pytest.mark.parametrize("said_before", [[], [LOST]], ids=["of a new user", "asked before"])
def test_what_was_lost_before_the_server_told_its_time_is_found_by_its_clock_and_not_by_ours(
    slow: Emulator, monkeypatch: pytest.MonkeyPatch, kind: str, said_before: list[str]
) -> None:
    monkeypatch.setattr(run, "SETTLED_AFTER_S", 2.0)
    bot = GPTBotsAgent(slow.gptbots_key, slow.gptbots_url) if kind == "gptbots" else chatflow(slow)
    earlier = [BotClient(bot, user="anna").ask(text) for text in said_before]
    slow.faults.add(Cut(after_bytes=0))  # the emulator's clock stands in the first days of 2026
    (outcome,) = ask_all(bot, [LOST], user="anna")
    assert (outcome.status, outcome.recovered) == ("answered", True)
    assert outcome.answer is not None
    assert outcome.answer.conversation_id not in {one.conversation_id for one in earlier}
    assert len(asked(slow)) == len(said_before) + 1


def test_an_older_answer_to_the_same_question_is_not_taken_for_one_that_was_lost(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SETTLED_AFTER_S", 0.1)
    client = BotClient(DifyApp(emulator.dify_key, emulator.dify_url), user="anna")
    client.ask(LOST)
    emulator.faults.add(HtmlPage(502))
    (outcome,) = ask_all(client, [LOST])
    assert outcome.status == "unknown"


def journaled(path: Path, emulator: Emulator, since: float) -> None:
    """Write the journal of a run that was killed as it posted its only question."""
    journal = Journal(path, chatflow(emulator).bot_id)
    (item,) = items([LOST], lambda text: Question(text, user="anna"))
    asyncio.run(journal.asked(item, since))
    journal.close()
