"""A turn that breaks off, and its answer fetched from where the server keeps it, over a socket, in both colours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from remote_chatbots import (
    Answer,
    AsyncBotClient,
    BotClient,
    BotError,
    BotNotFoundError,
    BotTruncatedError,
    BotUsageError,
    DifyApp,
    GPTBotsAgent,
    LostAnswer,
    Question,
)
from remote_chatbots.emulator import Cut, Emulator
from remote_chatbots.protocol import BotProtocol
from tests.contract.scripted import CHUNKED, Close, Driver, Scripted, chunk, text

Call = Callable[..., Any]
QUESTION = "When does the ferry leave?"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0.005, held_open_s=0.05) as running:
        yield running


@pytest.fixture
def agent(emulator: Emulator) -> GPTBotsAgent:
    return GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url)


@pytest.fixture(params=["requests", "aiohttp"])
def call(request: pytest.FixtureRequest) -> Call:
    """Make one call of a client of either colour, and return what it comes to, be it an error."""

    def sync(bot: BotProtocol, name: str, *arguments: Any, **named: Any) -> Any:
        with BotClient(bot, user="anna") as client:
            return getattr(client, name)(*arguments, **named)

    async def called(bot: BotProtocol, name: str, *arguments: Any, **named: Any) -> Any:
        async with AsyncBotClient(bot, user="anna") as client:
            return await getattr(client, name)(*arguments, **named)

    def either(*arguments: Any, **named: Any) -> Any:
        try:
            if request.param == "requests":
                return sync(*arguments, **named)
            return asyncio.run(called(*arguments, **named))
        except BotError as error:
            return error

    return either


def posts(emulator: Emulator) -> list[str]:
    return [request.path for request in emulator.requests if request.method == "POST"]


def test_a_gptbots_answer_is_recovered_from_the_history_without_a_second_post(
    emulator: Emulator, agent: GPTBotsAgent, call: Call
) -> None:
    emulator.faults.add(Cut(after_bytes=700), path="/gptbots/*/message")
    error = call(agent, "ask", QUESTION)
    assert isinstance(error, BotError)
    posted = posts(emulator)

    answer = call(agent, "recover", error, question=QUESTION)

    assert isinstance(answer, Answer)
    assert answer.text.startswith("Turn 1. From ferry.md")
    assert (answer.conversation_id, answer.finish_reason) == (error.conversation_id, "stop")
    assert posts(emulator) == posted


def test_the_run_of_a_chatflow_goes_on_without_its_client_and_is_waited_for(emulator: Emulator, call: Call) -> None:
    app = DifyApp(emulator.key("advanced-chat"), emulator.dify_url)
    emulator.faults.add(Cut(after_bytes=5000), path="/v1/chat-messages")
    error = call(app, "ask", "Go on [[long]]")
    assert isinstance(error, BotError)
    assert 0 < len(error.partial_text) < 200

    recovered = call(app, "recover", error)
    again = call(app, "recover", error)

    assert recovered.text == again.text == " ".join(["This is a long answer."] * 67)
    assert recovered.message_id == again.message_id == error.message_id
    assert recovered.usage is not None
    assert posts(emulator) == ["/v1/chat-messages"]


def test_an_agents_answer_is_put_together_from_what_its_steps_said(emulator: Emulator, call: Call) -> None:
    app = DifyApp(emulator.key("agent-chat"), emulator.dify_url)
    whole = call(app, "ask", QUESTION).text
    emulator.faults.add(Cut(after_bytes=1500), path="/v1/chat-messages")
    error = call(app, "ask", QUESTION)
    recovered = call(app, "recover", error)
    assert error.partial_text < recovered.text == whole
    assert recovered.message_id == error.message_id
    assert posts(emulator) == ["/v1/chat-messages"] * 2


@pytest.mark.parametrize("kind", ["agent-chat", "advanced-chat"])
def test_an_answer_is_mended_and_recovered_without_the_steps_that_are_not_wanted(
    emulator: Emulator, call: Call, kind: str
) -> None:
    app = DifyApp(emulator.key(kind), emulator.dify_url)
    wanted = call(app, "ask", Question(QUESTION, user="anna", steps=False))
    emulator.faults.add(Cut(after_bytes=1500), path="/v1/chat-messages")
    mended = call(app, "ask", Question(QUESTION, user="anna", steps=False, on_break="recover"))
    ids = {"conversation_id": mended.conversation_id, "message_id": mended.message_id}
    lost = LostAnswer(**ids, workflow_run_id=mended.workflow_run_id, steps=False)
    for answer in (wanted, mended, call(app, "recover", lost)):
        assert (answer.text, answer.steps) == (wanted.text, ())
    told, untold = (call(app, "history", mended.conversation_id, steps=on)[-1] for on in (True, False))
    assert (bool(told.steps), untold.steps, untold.text) == (kind == "agent-chat", (), told.text)


def test_what_a_dify_chatbot_has_lost_is_said_to_be_lost(emulator: Emulator, call: Call) -> None:
    app = DifyApp(emulator.key("chat"), emulator.dify_url)
    emulator.faults.add(Cut(after_bytes=1500), path="/v1/chat-messages")
    error = call(app, "ask", "Go on [[long]]")
    lost = call(app, "recover", error)
    assert isinstance(lost, BotNotFoundError)
    assert lost.message.startswith("dify: the server has no text of this answer")
    assert (lost.partial_text, lost.message_id) == (error.partial_text, error.message_id)


def test_a_chatbots_answer_that_was_done_when_the_connection_broke_is_recovered(emulator: Emulator, call: Call) -> None:
    app = DifyApp(emulator.key("chat"), emulator.dify_url)
    answer = call(app, "ask", QUESTION)
    recovered = call(app, "recover", LostAnswer(answer.conversation_id, question=QUESTION))
    assert (recovered.text, recovered.message_id) == (answer.text, answer.message_id)
    assert [source.title for source in recovered.sources] == [source.title for source in answer.sources]


def test_gptbots_has_no_forms_and_says_it(agent: GPTBotsAgent) -> None:
    paused = Answer(workflow_run_id="r", input_required=({"form_token": "t", "actions": [], "inputs": []},))
    with BotClient(agent, user="anna") as client, pytest.raises(BotUsageError) as refused:
        client.submit(paused, "approve")
    assert refused.value.message.startswith("gptbots: there is no call for 'submit'")


def test_half_an_answer_in_the_history_is_not_the_whole_one(serve: Callable[..., Scripted], driver: Driver) -> None:
    kept = json.dumps({"data": [{"id": "m-1", "conversation_id": "c-1", "query": "Hello?", "answer": "Hel"}]}).encode()
    history = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(kept) + kept
    server = serve([CHUNKED, chunk(text("Hel", "lo, An")), Close], [history])
    turn = driver.ask(server.url, Question("Hello?", user="anna", on_break="recover"))[0]
    assert isinstance(turn.error, BotTruncatedError)
    assert turn.error.partial_text == "Hello, An"
    assert [request.line.split()[0] for request in server.received] == ["POST", "GET"]
