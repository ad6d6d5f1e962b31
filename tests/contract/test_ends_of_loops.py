"""Leaving at the edges: many at once, from another task, by Ctrl-C, when a loop or the interpreter ends."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import textwrap
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from remote_chatbots import AsyncBotClient, BotClient, BotTimeoutError, DifyApp, Settings, TextDelta, Timeouts
from remote_chatbots.emulator import Emulator
from tests.asked import kept, stops
from tests.contract.scripted import CHUNKED, END, KEY, LAST_CHUNK, Scripted, Until, chunk, text
from tests.forks import Forks, forks_of

Serve = Callable[..., Scripted]
SLOW = "[[slow]] Tell me a long story."


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(held_open_s=0.2) as running:
        yield running


async def test_at_the_limit_of_connections_every_cancelled_turn_is_stopped(emulator: Emulator) -> None:
    app = DifyApp(emulator.key("chat"), emulator.dify_url, settings=Settings(max_connections=10))
    before, talking = stops(emulator), 0
    async with AsyncBotClient(app) as client:

        async def listen(user: str) -> None:
            nonlocal talking
            async for event in client.stream(SLOW, user=user):
                if isinstance(event, TextDelta):
                    talking += 1

        tasks = [asyncio.create_task(listen(f"one of many {n}")) for n in range(10)]
        while talking < 10:
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert stops(emulator) == before + 10


async def test_at_the_limit_of_connections_a_silent_stream_is_looked_into(serve: Serve) -> None:
    looked = threading.Event()
    answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"]
    server = serve([CHUNKED, Until(looked), chunk(text("Hello") + END), LAST_CHUNK], [looked, *answer])
    app = DifyApp(KEY, server.url, settings=Settings(max_connections=1, probe_after_s=0.1))
    async with AsyncBotClient(app) as client:
        assert (await client.ask("Hello?", user="anna")).text == "Hello"


async def test_waiting_in_vain_for_a_connection_names_the_limit(serve: Serve) -> None:
    released = threading.Event()
    server = serve([CHUNKED, chunk(text("Hel")), Until(released), chunk(END), LAST_CHUNK])
    app = DifyApp(KEY, server.url, settings=Settings(max_connections=1, max_retries=0, stop_wait_s=0.1))
    async with AsyncBotClient(app, timeout=Timeouts(0.1, 0.2)) as client:
        first = client.stream("Hello?", user="anna")
        await anext(first)
        with pytest.raises(BotTimeoutError, match="max_connections=1") as caught:
            await client.ask("Hello?", user="bob")
        released.set()
        await first.aclose()
    assert (caught.value.phase, caught.value.retryable) == ("connect", True)
    assert "Nothing was sent" in str(caught.value)
    assert sum(request.line.split()[1] == "/v1/chat-messages" for request in server.received) == 1


async def test_turns_beyond_the_limit_wait_for_those_before_them(serve: Serve) -> None:
    server = serve([CHUNKED, chunk(text("Hello") + END), LAST_CHUNK])
    app = DifyApp(KEY, server.url, settings=Settings(max_connections=2))
    async with AsyncBotClient(app) as client:
        answers = await asyncio.gather(*(client.ask("Hello?", user=f"user {n}") for n in range(20)))
    assert [answer.text for answer in answers] == ["Hello"] * 20
    assert server.connections <= 2


async def test_leaving_from_another_task_keeps_the_answer_and_ends_the_readers_loop(emulator: Emulator) -> None:
    before, talking = stops(emulator), asyncio.Event()
    run = AsyncBotClient(DifyApp(emulator.key("chat"), emulator.dify_url), user="two tasks").stream(SLOW)

    async def read() -> str:
        async for event in run:
            if isinstance(event, TextDelta):
                talking.set()
        return "the loop ended"

    reader = asyncio.create_task(read())
    await talking.wait()
    await asyncio.sleep(0.02)  # it waits for more
    await run.aclose()
    assert await reader == "the loop ended"
    assert reader.cancelling() == 0
    assert stops(emulator) == before + 1
    assert kept(emulator, "chat", "two tasks")


async def test_a_reader_that_is_cancelled_while_another_task_leaves_is_cancelled(emulator: Emulator) -> None:
    talking = asyncio.Event()
    run = AsyncBotClient(DifyApp(emulator.key("chat"), emulator.dify_url), user="both at once").stream(SLOW)

    async def read() -> None:
        async for event in run:
            if isinstance(event, TextDelta):
                talking.set()

    reader = asyncio.create_task(read())
    await talking.wait()
    await asyncio.sleep(0.02)
    leaving = asyncio.create_task(run.aclose())
    await asyncio.sleep(0)
    reader.cancel()
    await leaving
    with pytest.raises(asyncio.CancelledError):
        await reader


class Box:
    """Something in a cycle with what it holds."""

    def __init__(self, run: object) -> None:
        self.run, self.myself = run, self


def test_a_run_that_the_garbage_collector_meets_in_a_cycle_is_left(emulator: Emulator) -> None:
    before = stops(emulator)
    run = BotClient(DifyApp(emulator.key("chat"), emulator.dify_url), user="cyclic").stream(SLOW)
    while not isinstance(next(run), TextDelta):
        pass
    box = Box(run)
    del box, run
    gc.collect()
    assert stops(emulator) == before + 1
    assert kept(emulator, "chat", "cyclic")


async def test_an_async_run_that_is_dropped_is_left_without_the_garbage_collector(emulator: Emulator) -> None:
    before = stops(emulator)
    run = AsyncBotClient(DifyApp(emulator.key("chat"), emulator.dify_url), user="dropped").stream(SLOW)
    while not isinstance(await anext(run), TextDelta):
        pass
    gc.disable()
    try:
        del run
        await asyncio.sleep(0.3)
        assert stops(emulator) == before + 1
    finally:
        gc.enable()


async def test_an_async_run_that_the_garbage_collector_meets_in_a_cycle_is_left(emulator: Emulator) -> None:
    before = stops(emulator)
    run = AsyncBotClient(DifyApp(emulator.key("chat"), emulator.dify_url), user="cyclic and async").stream(SLOW)
    while not isinstance(await anext(run), TextDelta):
        pass
    box = Box(run)
    del box, run
    gc.collect()
    for _ in range(200):
        await asyncio.sleep(0.01)
        if stops(emulator) > before:
            break
    await asyncio.sleep(0.3)
    assert stops(emulator) == before + 1
    assert kept(emulator, "chat", "cyclic and async")


@pytest.fixture
def terminal() -> Iterator[None]:
    """Have Ctrl-C raise, as at a terminal: whoever starts the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("terminal")
def test_ctrl_c_stops_the_server_which_keeps_the_partial_answer(emulator: Emulator) -> None:
    before = stops(emulator)
    run = BotClient(DifyApp(emulator.key("chat"), emulator.dify_url), user="interrupter").stream(SLOW)
    said = 0

    def listen() -> None:
        nonlocal said
        for event in run:
            if isinstance(event, TextDelta):
                said += 1
                if said == 2:
                    threading.Timer(0.03, signal.raise_signal, [signal.SIGINT]).start()

    with pytest.raises(KeyboardInterrupt):
        listen()
    assert stops(emulator) == before + 1
    assert kept(emulator, "chat", "interrupter")


@pytest.mark.usefixtures("terminal")
def test_ctrl_c_in_a_silence_stops_the_server(serve: Serve) -> None:
    stopped = threading.Event()
    silent = [CHUNKED, chunk(text("Hel")), Until(stopped), chunk(text("lo") + END), LAST_CHUNK]
    server = serve(silent, [stopped, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"])
    client = BotClient(DifyApp(KEY, server.url), user="anna")
    run = client.stream("Hello?")
    while not isinstance(next(run), TextDelta):
        pass
    threading.Timer(0.1, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        next(run)
    assert server.received[1].line == "POST /v1/chat-messages/t-1/stop HTTP/1.1"
    assert len(server.received) == 2


@pytest.fixture(scope="module")
def drivers(frameworks: Forks) -> Iterator[Forks]:
    """Interpreters that have imported ours and its drivers: what is asked here is how they end."""
    with forks_of("remote_chatbots.transports.aiohttp_driver", "remote_chatbots.transports.requests_driver",
                  on=frameworks) as forks:  # fmt: skip
        yield forks


def run_script(drivers: Forks, emulator: Emulator, body: str) -> str:
    """Run `body` in an interpreter of its own, and return what it writes to stderr."""
    code = f"""
        import asyncio, gc, sys, warnings
        from remote_chatbots import AsyncBotClient, BotClient, DifyApp, TextDelta
        app = DifyApp({json.dumps(emulator.key("chat"))}, {json.dumps(emulator.dify_url)})
        async def begun(client):
            run = client.stream({json.dumps(SLOW)})
            async for event in run:
                if isinstance(event, TextDelta):
                    return run
    """
    script = textwrap.dedent(code) + textwrap.dedent(body)
    return drivers.run(script, timeout_s=20).stderr.decode()


ENDINGS = {
    "a loop closed without asyncio.run": """
        for _ in range(3):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(AsyncBotClient(app, user="a").ask("Hello"))
            loop.close()
    """,
    "a loop closed in the midst of a turn": """
        loop = asyncio.new_event_loop()
        run = loop.run_until_complete(begun(AsyncBotClient(app, user="a")))
        loop.close()
        del run
        gc.collect()
    """,
    "a loop that is never closed": """
        loop = asyncio.new_event_loop()
        loop.run_until_complete(AsyncBotClient(app, user="a").ask("Hello"))
    """,
    "one client in many loops and threads": """
        import threading
        client = AsyncBotClient(app, user="a")
        def many():
            for _ in range(5):
                asyncio.run(client.ask("Hello"))
        threads = [threading.Thread(target=many) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    """,
}
LEFT = {
    "a run kept beyond asyncio.run": """
        run = asyncio.run(begun(AsyncBotClient(app, user="a")))
    """,
    "sys.exit in a loop": """
        async def main():
            run = await begun(AsyncBotClient(app, user="a"))
            sys.exit(0)
        asyncio.run(main())
    """,
    "a generator over a run kept beyond asyncio.run": """
        async def told():
            async for event in AsyncBotClient(app, user="a").stream("[[slow]] A long story."):
                yield event
        async def main():
            global generator
            generator = told()
            async for event in generator:
                if isinstance(event, TextDelta):
                    return
        asyncio.run(main())
    """,
    "a sync run at the interpreter's end": """
        run = BotClient(app, user="a").stream("[[slow]] A long story.")
        while not isinstance(next(run), TextDelta):
            pass
    """,
    "sys.exit in a sync loop": """
        for event in BotClient(app, user="a").stream("[[slow]] A long story."):
            if isinstance(event, TextDelta):
                sys.exit(0)
    """,
}


NONE_HIDDEN = """
        warnings.simplefilter("default")
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_end_without_ceremony_prints_nothing(drivers: Forks, emulator: Emulator, ending: str) -> None:
    assert run_script(drivers, emulator, ENDINGS[ending]) == ""


@pytest.mark.parametrize("ending", LEFT)
def test_a_turn_that_is_under_way_at_the_end_is_stopped_in_silence(
    drivers: Forks, emulator: Emulator, ending: str
) -> None:
    before, began = stops(emulator), time.monotonic()
    assert run_script(drivers, emulator, NONE_HIDDEN + LEFT[ending]) == ""
    assert stops(emulator) == before + 1
    assert time.monotonic() - began < 10
