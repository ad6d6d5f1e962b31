"""The small calls beside a bot's answers, over a socket, in both colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from remote_chatbots import BotClient, BotNotFoundError, BotUsageError, DifyApp, GPTBotsAgent
from remote_chatbots.emulator import Emulator

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


@pytest.fixture
def agent(emulator: Emulator) -> GPTBotsAgent:
    return GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url)


def test_the_history_of_a_conversation_is_oldest_first_and_ends_with_the_answer(
    agent: GPTBotsAgent, call: Call
) -> None:
    first = call(agent, "ask", "When does the ferry leave?")
    second = call(agent, "ask", "And on Sundays?", conversation_id=first.conversation_id)

    told = call(agent, "history", first.conversation_id)

    assert [(one.role, one.text) for one in told] == [
        ("user", "When does the ferry leave?"),
        ("assistant", first.text),
        ("user", "And on Sundays?"),
        ("assistant", second.text),
    ]
    assert told[1].message_id == first.message_id
    assert told[1].parent_message_id == told[0].message_id
    assert all(one.conversation_id == first.conversation_id and one.created_at for one in told)
    assert call(agent, "history", first.conversation_id, limit=1) == told[-1:]


def test_an_answers_thoughts_are_apart_from_its_text_as_they_were_live(agent: GPTBotsAgent, call: Call) -> None:
    said = "[[echo]]Yes.<think>Hm.</think> No."
    live = call(agent, "ask", said)
    asked, told = call(agent, "history", live.conversation_id)
    assert (told.text, told.reasoning) == (live.text, live.reasoning)
    assert (asked.text, asked.reasoning) == (said, "")
    assert "Yes.<think>Hm.</think> No." in call(agent, "history", live.conversation_id, reasoning=False)[-1].text


def test_a_history_longer_than_a_page_is_whole(agent: GPTBotsAgent) -> None:
    with BotClient(agent, user="long") as client:
        conversation_id = client.ask("0").conversation_id
        for number in range(1, 55):
            client.ask(str(number), conversation_id=conversation_id)
        told = client.history(conversation_id)

    assert [one.text for one in told if one.role == "user"] == [str(number) for number in range(55)]


def test_the_history_of_an_unknown_conversation_is_an_error(agent: GPTBotsAgent, call: Call) -> None:
    with pytest.raises(BotNotFoundError, match="Begin a new conversation"):
        call(agent, "history", "0" * 24)


def test_the_conversations_of_a_user_are_newest_first_and_nobody_elses(agent: GPTBotsAgent, call: Call) -> None:
    users = ("u1", "u2")
    begun = [call(agent, "ask", "Hi", user=user).conversation_id for user in (*users, *users)]

    told = call(agent, "conversations", user="u2")

    assert [one.conversation_id for one in told][:2] == [begun[3], begun[1]]
    assert {one.user for one in told} == {"u2"}
    assert told[0].message_count == 2
    assert len(call(agent, "conversations", user="u2", limit=1)) == 1


def test_a_rating_is_kept_and_taken_back(agent: GPTBotsAgent, call: Call) -> None:
    answer = call(agent, "ask", "Hi")

    def rated() -> Any:
        return call(agent, "history", answer.conversation_id)[-1].rating

    for rating in ("like", "dislike", None):
        call(agent, "feedback", answer.message_id, rating)
        assert rated() == rating


def test_a_rating_of_no_answer_is_an_error(agent: GPTBotsAgent, call: Call) -> None:
    with pytest.raises(BotNotFoundError, match="no such answer"):
        call(agent, "feedback", "0" * 24, "like")
    with pytest.raises(BotNotFoundError, match="no such answer"):
        call(agent, "quality", "0" * 24, "UNRESOLVED")


def test_a_rating_that_is_none_is_refused_before_anything_is_sent(
    agent: GPTBotsAgent, emulator: Emulator, call: Call
) -> None:
    before = len(emulator.requests)
    for name, arguments, named in (
        ("feedback", ("m", "great"), {}),
        ("feedback", ("m", "like"), {"comment": "thanks"}),
        ("quality", ("m", "GOOD"), {}),
    ):
        with pytest.raises(BotUsageError, match=r"^gptbots: "):
            call(agent, name, *arguments, **named)
    assert len(emulator.requests) == before


def test_a_grade_suggestions_and_citations_of_an_answer(agent: GPTBotsAgent, call: Call) -> None:
    answer = call(agent, "ask", "When does the ferry leave?")

    call(agent, "quality", answer.message_id, "FULLY_RESOLVED")
    assert all(isinstance(one, str) for one in call(agent, "suggestions", answer.message_id))
    cited = call(agent, "citations", answer.message_id)
    assert {one.title for one in cited} == {"ferry.md"}  # what was found; the answer rests on the first
    assert cited[0].content in answer.text
    assert isinstance(cited[0].score, float)


@pytest.mark.parametrize(
    ("name", "arguments"), [("delete", ("c",)), ("rename", ("c", "name")), ("stop", ("t",))], ids=lambda one: str(one)
)
def test_what_gptbots_does_not_offer_is_refused_by_name(
    agent: GPTBotsAgent, call: Call, name: str, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(BotUsageError, match=rf"^gptbots: there is no call for '{name}'"):
        call(agent, name, *arguments)


def test_what_dify_does_not_offer_is_refused_by_name(emulator: Emulator, call: Call) -> None:
    app = DifyApp(emulator.dify_key, emulator.dify_url)
    with pytest.raises(BotUsageError, match=r"^dify: there is no call for 'quality'"):
        call(app, "quality", "m", "NONE")


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"limit": -1}, "limit must"),
        ({"limit": "3"}, "limit must"),
        ({"limit": True}, "limit must"),
        ({"user": 5}, "user"),
    ],
)
@pytest.mark.parametrize("name", ["dify", "gptbots"])
def test_a_limit_or_a_user_that_is_none_is_refused_before_anything_is_sent(
    emulator: Emulator, agent: GPTBotsAgent, call: Call, name: str, wrong: dict[str, Any], complaint: str
) -> None:
    bot = agent if name == "gptbots" else DifyApp(emulator.dify_key, emulator.dify_url)
    before = len(emulator.requests)
    with pytest.raises(BotUsageError, match=rf"^{name}: {complaint}"):
        call(bot, "conversations", **wrong)
    assert len(emulator.requests) == before
