"""Leaving a turn early is a message to the server: it is told to stop, read to its end, and keeps what it said."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress
from functools import partial

import pytest

from remote_chatbots import AsyncBotClient, BotClient, DifyApp, Event, Settings, TextDelta
from remote_chatbots.emulator import Emulator
from remote_chatbots.flow import Abandoned, Errand, Flow
from tests.asked import kept, stops
from tests.contract.scripted import CHUNKED, KEY, Reset, Scripted, Until, chunk, text

SLOW = "[[slow]] Tell me a long story."
KINDS = ("chat", "agent-chat", "advanced-chat")


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(held_open_s=0.2) as running:
        yield running


def app(emulator: Emulator, kind: str) -> DifyApp:
    return DifyApp(emulator.key(kind), emulator.dify_url)


@pytest.mark.parametrize("kind", KINDS)
def test_a_break_keeps_the_partial_answer_on_the_server(emulator: Emulator, kind: str) -> None:
    before, said = stops(emulator), ""
    for event in BotClient(app(emulator, kind), user=f"breaker-{kind}").stream(SLOW):
        if isinstance(event, TextDelta):
            said = event.text
            break
    gc.collect()
    assert stops(emulator) == before + 1
    assert kept(emulator, kind, f"breaker-{kind}").startswith(said)


@pytest.mark.parametrize("kind", KINDS)
async def test_aclose_keeps_the_partial_answer_on_the_server(emulator: Emulator, kind: str) -> None:
    before = stops(emulator)
    async with aclosing(AsyncBotClient(app(emulator, kind), user=f"closer-{kind}").stream(SLOW)) as run:
        async for event in run:
            if isinstance(event, TextDelta):
                break
    assert stops(emulator) == before + 1
    assert kept(emulator, kind, f"closer-{kind}")


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_an_errand_is_done_though_leaving_has_taken_all_its_time(emulator: Emulator, colour: str) -> None:
    done: list[str] = []

    def flow() -> Flow[None]:
        try:
            yield TextDelta("a")
        except Abandoned:
            yield Errand(partial(time.sleep, 0.2))
            yield Errand(partial(done.append, "a claim is given back"))
            raise

    bot = DifyApp(emulator.dify_key, emulator.dify_url, settings=Settings(stop_wait_s=0.05))
    if colour == "sync":
        with BotClient(bot).run(flow()) as run:
            next(run)
    else:
        async with AsyncBotClient(bot).run(flow()) as turn:
            await anext(turn)
    assert done == ["a claim is given back"]


async def test_a_cancelled_task_has_told_the_server_when_it_is_done(emulator: Emulator) -> None:
    before = stops(emulator)
    talking = asyncio.Event()

    async def listen() -> None:
        async for event in AsyncBotClient(app(emulator, "chat"), user="canceller").stream(SLOW):
            if isinstance(event, TextDelta):
                talking.set()

    task = asyncio.create_task(listen())
    await talking.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stops(emulator) == before + 1
    assert kept(emulator, "chat", "canceller")


async def test_even_repeated_cancellation_does_not_cut_the_clean_up(emulator: Emulator) -> None:
    before = stops(emulator)
    talking = asyncio.Event()

    async def listen() -> None:
        async for event in AsyncBotClient(app(emulator, "chat"), user="insister").stream(SLOW):
            if isinstance(event, TextDelta):
                talking.set()

    task = asyncio.create_task(listen())
    await talking.wait()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0.001)
    assert task.cancelled()
    assert stops(emulator) == before + 1
    assert kept(emulator, "chat", "insister")


async def test_a_time_limit_of_the_callers_stops_the_server(emulator: Emulator) -> None:
    before = stops(emulator)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await AsyncBotClient(app(emulator, "chat"), user="hasty").ask(SLOW)
    assert stops(emulator) == before + 1


def test_a_bare_break_at_the_end_of_asyncio_run_still_stops_the_server(emulator: Emulator) -> None:
    before = stops(emulator)

    async def leave() -> None:
        async for event in AsyncBotClient(app(emulator, "chat"), user="dropper").stream(SLOW):
            if isinstance(event, TextDelta):
                break

    asyncio.run(leave())
    assert stops(emulator) == before + 1
    assert kept(emulator, "chat", "dropper")


def test_an_exhausted_turn_stops_nothing(emulator: Emulator) -> None:
    before = stops(emulator)
    run = BotClient(app(emulator, "chat"), user="patient").stream("Hello")
    assert list(run)
    run.close()
    assert stops(emulator) == before


def test_the_caller_may_close_twice_and_read_on_in_vain(emulator: Emulator) -> None:
    run = BotClient(app(emulator, "chat"), user="twice").stream(SLOW)
    next(run)
    run.close()
    run.close()
    assert list(run) == []


def test_leaving_takes_no_longer_than_stop_wait_s(serve: Callable[..., Scripted]) -> None:
    released = threading.Event()
    server = serve([CHUNKED, chunk(text("Hel")), Until(released)])  # the stop call gets no answer either
    run = BotClient(DifyApp(KEY, server.url, settings=Settings(stop_wait_s=0.3)), user="anna").stream("Hello?")
    while not isinstance(next(run), TextDelta):
        pass
    began = time.monotonic()
    run.close()
    assert time.monotonic() - began < 2  # not ten: a bound, no measurement
    released.set()


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_failing_stop_call_is_not_raised(serve: Callable[..., Scripted], colour: str) -> None:
    released = threading.Event()
    server = serve([CHUNKED, chunk(text("Hel")), Until(released)], [Reset])
    dify = DifyApp(KEY, server.url, settings=Settings(stop_wait_s=0.3))

    async def leave() -> None:
        async with AsyncBotClient(dify, user="anna").stream("Hello?") as run:
            async for event in run:
                if isinstance(event, TextDelta):
                    break

    if colour == "sync":
        with BotClient(dify, user="anna").stream("Hello?") as run:
            next(run)
    else:
        asyncio.run(leave())
    released.set()
    assert server.received[1].line.endswith("/chat-messages/t-1/stop HTTP/1.1")
    assert json.loads(server.received[1].body) == {"user": "anna"}


def test_an_error_in_the_callers_loop_stops_the_server(emulator: Emulator) -> None:
    before = stops(emulator)
    with suppress(ZeroDivisionError), BotClient(app(emulator, "chat"), user="clumsy").stream(SLOW) as run:
        for event in run:
            if isinstance(event, TextDelta):
                1 / 0  # noqa: B018
    assert stops(emulator) == before + 1


def test_a_thread_that_waits_is_sent_away_by_another_and_the_server_keeps_the_partial_answer(
    emulator: Emulator,
) -> None:
    before, run = stops(emulator), BotClient(app(emulator, "chat"), user="sent-away").stream(SLOW)
    begun, reader = read_in_a_thread(run)
    assert begun.wait(5)
    run.close()
    reader.join(5)
    assert not reader.is_alive()
    assert stops(emulator) == before + 1
    assert kept(emulator, "chat", "sent-away")


def test_a_thread_that_waits_for_a_silent_server_is_sent_away_in_time(serve: Callable[..., Scripted]) -> None:
    over = threading.Event()
    server = serve([CHUNKED, chunk(text("Hel")), Until(over)], [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"])
    run = BotClient(DifyApp(KEY, server.url, settings=Settings(stop_wait_s=0.3)), user="anna").stream("Hello?")
    begun, reader = read_in_a_thread(run)
    assert begun.wait(5)
    time.sleep(0.1)
    began = time.monotonic()
    run.close()
    assert time.monotonic() - began < 2
    reader.join(5)
    over.set()
    assert not reader.is_alive()
    assert [request.line.split()[1].rsplit("/", 1)[1] for request in server.received] == ["chat-messages", "stop"]


def read_in_a_thread(run: Iterator[Event]) -> tuple[threading.Event, threading.Thread]:
    """Read `run` in another thread; return what says that text came, and the thread. An error there is a warning."""
    begun = threading.Event()

    def read() -> None:
        for event in run:
            if isinstance(event, TextDelta):
                begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    return begun, reader
