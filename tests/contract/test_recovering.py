"""A turn that breaks off, and its answer fetched from where the server keeps it, over a socket, in both colours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from remote_chatbots import Answer, AsyncBotClient, BotClient, BotError, BotUsageError, GPTBotsAgent
from remote_chatbots.emulator import Cut, Emulator
from remote_chatbots.protocol import BotProtocol

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


def test_gptbots_has_no_forms_and_says_it(agent: GPTBotsAgent) -> None:
    paused = Answer(workflow_run_id="r", input_required=({"form_token": "t", "actions": [], "inputs": []},))
    with BotClient(agent, user="anna") as client, pytest.raises(BotUsageError) as refused:
        client.submit(paused, "approve")
    assert refused.value.message.startswith("gptbots: there is no call for 'submit'")
