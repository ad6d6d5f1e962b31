"""The small calls beside a bot's answers, over a socket, in both colours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from remote_chatbots import (
    AsyncBotClient,
    BotClient,
    BotNotFoundError,
    BotUsageError,
    DifyApp,
    GPTBotsAgent,
)
from remote_chatbots.emulator import Emulator
from remote_chatbots.protocol import BotProtocol

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


@pytest.fixture
def agent(emulator: Emulator) -> GPTBotsAgent:
    return GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url)


@pytest.fixture(params=["requests", "aiohttp"])
def call(request: pytest.FixtureRequest) -> Call:
    """Make one call of a client of either colour: `call(bot, "ask", …)`."""

    def sync(bot: BotProtocol, name: str, *arguments: Any, **named: Any) -> Any:
        with BotClient(bot, user="anna") as client:
            return getattr(client, name)(*arguments, **named)

    def through_a_loop(bot: BotProtocol, name: str, *arguments: Any, **named: Any) -> Any:
        async def called() -> Any:
            async with AsyncBotClient(bot, user="anna") as client:
                return await getattr(client, name)(*arguments, **named)

        return asyncio.run(called())

    return sync if request.param == "requests" else through_a_loop


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


@pytest.fixture
def app(emulator: Emulator) -> DifyApp:
    return DifyApp(emulator.dify_key, emulator.dify_url)


def test_the_history_of_a_dify_conversation_has_each_question_and_its_answer(app: DifyApp, call: Call) -> None:
    first = call(app, "ask", "When does the ferry leave?")
    second = call(app, "ask", "And on Sundays?", conversation_id=first.conversation_id)

    told = call(app, "history", first.conversation_id)

    assert [(one.role, one.text) for one in told] == [
        ("user", "When does the ferry leave?"),
        ("assistant", first.text),
        ("user", "And on Sundays?"),
        ("assistant", second.text),
    ]
    assert [one.message_id for one in told] == [first.message_id] * 2 + [second.message_id] * 2
    assert [one.title for one in told[1].sources] == [one.title for one in first.sources]
    assert call(app, "history", first.conversation_id, limit=1) == told[-1:]


def test_a_dify_history_longer_than_a_page_is_whole_though_its_turns_share_a_second(app: DifyApp) -> None:
    with BotClient(app, user="long") as client:
        conversation_id = client.ask("0").conversation_id
        for number in range(1, 125):
            client.ask(str(number), conversation_id=conversation_id)
        told = client.history(conversation_id)
        newest = client.history(conversation_id, limit=7)

    assert [one.text for one in told if one.role == "user"] == [str(number) for number in range(125)]
    assert newest == told[-7:]


def test_dify_conversations_are_listed_newest_first(app: DifyApp, call: Call) -> None:
    begun = [call(app, "ask", f"Question {number}", user="lister").conversation_id for number in range(3)]

    told = call(app, "conversations", user="lister")

    assert {one.conversation_id for one in told} >= set(begun)
    assert [one.updated_at for one in told] == sorted((one.updated_at for one in told), reverse=True)
    assert len(call(app, "conversations", user="lister", limit=2)) == 2


def test_a_dify_answer_is_rated_and_the_rating_taken_back_twice(app: DifyApp, call: Call) -> None:
    answer = call(app, "ask", "Hi")

    for rating in ("like", "dislike", None, None):
        call(app, "feedback", answer.message_id, rating)
        assert call(app, "history", answer.conversation_id)[-1].rating == rating


def test_a_dify_answer_of_nobody_is_an_error(app: DifyApp, call: Call) -> None:
    with pytest.raises(BotNotFoundError):
        call(app, "history", "0b8e2b9e-0000-4000-8000-000000000000")
    with pytest.raises(BotNotFoundError):
        call(app, "feedback", "0b8e2b9e-0000-4000-8000-000000000000", "like")


def test_a_call_without_a_user_is_refused(app: DifyApp) -> None:
    with BotClient(app) as client, pytest.raises(BotUsageError, match=r"^dify: a user is needed"):
        client.conversations()
