"""Leaving a turn with a GPTBots agent: no call stops it, so its connection closes, and nothing else is sent."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress

import pytest

from remote_chatbots import AsyncBotClient, BotClient, GPTBotsAgent, Question, Settings, TextDelta
from remote_chatbots.emulator import Emulator
from tests.contract.scripted import CHUNKED, KEY, LAST_CHUNK, Driver, Scripted, Wait, chunk

Serve = Callable[..., Scripted]

SLOW = "[[slow]] Tell me a long story."
CREATED = b'{"conversation_id":"c-1"}'
OPENED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n" + CREATED


def frame(code: int, data: object = None) -> bytes:
    return chunk(b"data:" + json.dumps({"code": code, "data": data}).encode() + b"\n\n")


def agent(server: Scripted, **settings: float) -> GPTBotsAgent:
    return GPTBotsAgent(KEY, server.url, settings=Settings(**settings))  # type: ignore[arg-type]


def paths(server: Scripted) -> list[str]:
    return [received.line.split()[1] for received in server.received]


def eventually(holds: Callable[[], bool]) -> bool:
    """Return whether it holds within five seconds; the server learns a little later that a client has left."""
    until = time.monotonic() + 5
    while not holds() and time.monotonic() < until:
        time.sleep(0.005)
    return holds()


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def talking(serve: Serve) -> Scripted:
    """A server that says one word of an answer, and then goes on for five seconds, or until nobody listens."""
    going_on = [Wait(0.02), frame(3, "lo")] * 250
    return serve([OPENED], [CHUNKED, frame(11, {"message_id": "m-1"}), frame(3, "Hel"), *going_on])


def left_behind(server: Scripted) -> None:
    """Check that no connection stays open, and nothing was sent beside the two requests of the turn."""
    assert eventually(lambda: server.closed_by_client == server.connections > 0)
    assert paths(server) == ["/v1/conversation", "/v2/conversation/message"]


def test_a_break_closes_the_connection_and_sends_nothing(talking: Scripted) -> None:
    with BotClient(agent(talking), user="ann") as client:
        for event in client.stream("Hello?"):
            if isinstance(event, TextDelta):
                break
        gc.collect()
    left_behind(talking)


def test_close_keeps_what_was_said_and_its_ids(talking: Scripted) -> None:
    with BotClient(agent(talking), user="ann") as client:
        run = client.stream("Hello?")
        while not isinstance(next(run), TextDelta):
            pass
        began = time.monotonic()
        run.close()
        run.close()
        assert time.monotonic() - began < 1  # there is nothing to wait for: a bound, no measurement
        assert list(run) == []
        assert run.answer.text.startswith("Hel")
        assert (run.answer.conversation_id, run.answer.message_id) == ("c-1", "m-1")
        assert run.answer.finish_reason is None
    left_behind(talking)


async def test_aclose_closes_the_connection_and_sends_nothing(talking: Scripted) -> None:
    async with AsyncBotClient(agent(talking), user="ann") as client:
        async with aclosing(client.stream("Hello?")) as run:
            async for event in run:
                if isinstance(event, TextDelta):
                    break
        assert run.answer.text.startswith("Hel")
    left_behind(talking)


async def test_a_cancelled_task_is_left_at_once(talking: Scripted) -> None:
    heard = asyncio.Event()

    async def listen() -> None:
        async for event in AsyncBotClient(agent(talking), user="ann").stream("Hello?"):
            if isinstance(event, TextDelta):
                heard.set()

    task = asyncio.create_task(listen())
    await heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left_behind(talking)


def test_an_error_in_the_callers_loop_closes_the_connection(talking: Scripted) -> None:
    with (
        BotClient(agent(talking), user="ann") as client,
        suppress(ZeroDivisionError),
        client.stream("Hello?") as run,
    ):
        for event in run:
            if isinstance(event, TextDelta):
                1 / 0  # noqa: B018
    left_behind(talking)


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_the_server_sees_the_client_leave_while_it_still_talks(emulator: Emulator, colour: str) -> None:
    bot = GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url)

    async def leave() -> None:
        async with AsyncBotClient(bot, user="ann").stream(SLOW) as run:
            async for event in run:
                if isinstance(event, TextDelta):
                    break

    before = threading.active_count()
    if colour == "sync":
        with BotClient(bot, user="ann") as client, client.stream(SLOW) as run:
            for event in run:
                if isinstance(event, TextDelta):
                    break
    else:
        asyncio.run(leave())
    assert [request.path for request in emulator.requests] == [
        "/gptbots/v1/conversation",
        "/gptbots/v2/conversation/message",
    ]
    assert threading.active_count() == before


def test_leaving_before_anything_was_asked_for_sends_nothing(driver: Driver, talking: Scripted) -> None:
    async def never() -> None:
        async with AsyncBotClient(agent(talking), user="ann").stream("Hello?"):
            pass

    if driver.name == "requests":
        BotClient(agent(talking), user="ann").stream("Hello?").close()
    else:
        asyncio.run(never())
    assert talking.received == []


def test_a_stop_sequence_ends_the_turn_within_stop_wait_s(driver: Driver, talking: Scripted) -> None:
    began = time.monotonic()
    question = Question("Hello?", user="ann", stop=["el"])
    (turn,) = driver.ask_bot(agent(talking, stop_wait_s=0.2), question)
    assert (turn.error, turn.answer.text, turn.answer.finish_reason) == (None, "H", "stop")
    assert time.monotonic() - began < 3  # not five: a bound, no measurement
    left_behind(talking)


@pytest.mark.parametrize(
    "last",
    [frame(50000), frame(0), chunk(b"no JSON\n"), chunk(b"x" * 5000)],
    ids=["error", "end", "no JSON", "endless"],
)
def test_a_turn_that_is_over_leaves_no_connection_open_though_the_server_talks_on(
    driver: Driver, serve: Serve, last: bytes
) -> None:
    going_on = [Wait(0.02), chunk(b": still here\n")] * 250
    server = serve([OPENED], [CHUNKED, frame(3, "Hel"), last, *going_on])
    (turn,) = driver.ask_bot(agent(server, max_event_bytes=4096), Question("Hello?", user="ann"))
    assert turn.answer.text == "Hel"
    assert (turn.error is None) == (last == frame(0))
    left_behind(server)


def test_two_turns_share_their_connection(driver: Driver, serve: Serve) -> None:
    answer = [CHUNKED, frame(3, "Yes."), frame(0), LAST_CHUNK]
    server = serve([OPENED], answer, [OPENED], answer)
    turns = driver.ask_bot(agent(server), *[Question("Hello?", user="ann")] * 2)
    assert [turn.error for turn in turns] == [None, None]
    assert (len(server.received), server.connections) == (4, 1)
    assert eventually(lambda: server.closed_by_client == 1)
