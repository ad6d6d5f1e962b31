"""What the turns of one client share, and what they never do: connections, loops, threads, processes."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
import time
import warnings
from collections.abc import Callable

import pytest

from remote_chatbots import (
    AsyncBotClient,
    BotClient,
    BotTruncatedError,
    DifyApp,
    Question,
    Settings,
    TextDelta,
)
from tests.contract.scripted import (
    CHUNKED,
    END,
    KEY,
    LAST_CHUNK,
    Close,
    Driver,
    Reset,
    Scripted,
    Until,
    Wait,
    chunk,
    text,
)

Serve = Callable[..., Scripted]
WHOLE = [CHUNKED, chunk(text("Hel", "lo")), chunk(END), LAST_CHUNK]
HELLO = Question("Hello?", user="anna")


def test_the_next_turn_of_the_client_works_after_a_broken_one(serve: Serve, driver: Driver) -> None:
    server = serve([CHUNKED, chunk(text("Hel")), Reset], WHOLE)
    broken, whole = driver.ask(server.url, HELLO, HELLO)
    assert isinstance(broken.error, BotTruncatedError)
    assert whole.answer.text == "Hello"


def test_a_run_that_was_never_asked_for_an_event_sends_nothing(serve: Serve) -> None:
    server = serve(WHOLE)
    BotClient(DifyApp(KEY, server.url)).stream(HELLO).close()

    async def unused() -> None:
        await AsyncBotClient(DifyApp(KEY, server.url)).stream(HELLO).aclose()

    asyncio.run(unused())
    assert server.received == []


def test_one_async_client_serves_one_event_loop_after_the_other(serve: Serve) -> None:
    server = serve(WHOLE)
    client = AsyncBotClient(DifyApp(KEY, server.url))

    async def twice() -> list[str]:
        return [(await client.ask(HELLO)).text, (await client.ask(HELLO)).text]

    assert asyncio.run(twice()) == asyncio.run(twice()) == ["Hello", "Hello"]
    assert server.connections == 2  # one for each loop
    assert client._transport.sessions.loops == 0


def test_clients_in_threads_do_not_share_connections(serve: Serve) -> None:
    server = serve(WHOLE)
    client = BotClient(DifyApp(KEY, server.url))
    answers: list[str] = []

    def ask() -> None:
        answers.extend(client.ask(HELLO).text for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["Hello"] * 30
    assert server.connections == 6


def test_a_connection_idle_for_too_long_is_not_used_again(serve: Serve) -> None:
    server = serve(WHOLE)
    app = DifyApp(KEY, server.url, settings=Settings(idle_s=0.05))
    client = BotClient(app)

    async def twice() -> None:
        patient = AsyncBotClient(app)
        await patient.ask(HELLO)
        await asyncio.sleep(0.3)
        await patient.ask(HELLO)

    client.ask(HELLO)
    time.sleep(0.3)
    client.ask(HELLO)
    assert server.connections == 2
    asyncio.run(twice())
    assert server.connections == 4


def test_a_connection_that_the_server_closed_while_it_lay_idle_is_not_posted_on(serve: Serve) -> None:
    server = serve([*WHOLE, Close])
    client = BotClient(DifyApp(KEY, server.url))

    async def twice() -> list[str]:
        patient = AsyncBotClient(DifyApp(KEY, server.url))
        first = await patient.ask(HELLO)
        time.sleep(0.2)  # the loop stands still, and the server's farewell waits unseen
        return [first.text, (await patient.ask(HELLO)).text]

    first = client.ask(HELLO)
    time.sleep(0.2)
    assert [first.text, client.ask(HELLO).text] == ["Hello", "Hello"]
    assert asyncio.run(twice()) == ["Hello", "Hello"]
    assert len(server.received) == 4


async def test_a_server_that_speaks_of_itself_is_not_listened_to(serve: Serve) -> None:
    server = serve([*WHOLE, Wait(0.05), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"])
    client = AsyncBotClient(DifyApp(KEY, server.url))
    first = await client.ask(HELLO)
    time.sleep(0.2)  # the loop stands still: the bytes that nobody asked for wait unseen
    assert [first.text, (await client.ask(HELLO)).text] == ["Hello", "Hello"]
    assert server.connections == 2


@pytest.mark.whole
@pytest.mark.parametrize("ending", [[Close], [Reset]], ids=["closed", "reset"])
def test_behind_a_proxy_too_a_message_whose_fate_is_unknown_is_posted_once(
    serve: Serve, driver: Driver, monkeypatch: pytest.MonkeyPatch, ending: list[object]
) -> None:
    proxy = serve(ending)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    error = driver.one("http://dify.invalid").error
    assert isinstance(error, BotTruncatedError)
    assert not error.retryable
    assert len(proxy.received) == 1


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"]
)
def test_an_interim_head_never_hands_one_users_answer_to_another(serve: Serve, driver: Driver, interim: bytes) -> None:
    of_anna = [interim, CHUNKED, chunk(text("for Anna") + END), LAST_CHUNK]
    of_bob = [CHUNKED, chunk(text("for Bob") + END), LAST_CHUNK]
    server = serve(of_anna, of_bob)
    anna, bob = driver.ask(server.url, Question("Hello?", user="anna"), Question("Hello?", user="bob"))
    assert bob.answer.text == "for Bob"
    assert anna.answer.text == "for Anna"


async def test_text_that_arrived_before_the_connection_died_is_not_lost_on_a_slow_reader(serve: Serve) -> None:
    server = serve([CHUNKED, chunk(text("A")), chunk(text("B")), chunk(text("C") + END), Reset])
    app = DifyApp(KEY, server.url)
    said = []
    async for one in AsyncBotClient(app).stream(HELLO):
        if isinstance(one, TextDelta):
            said.append(one.text)
            await asyncio.sleep(0.2)  # meanwhile all the rest has come, and the connection is gone
    assert "".join(said) == "ABC"


async def test_a_reader_far_slower_than_the_server_gets_every_word(serve: Serve) -> None:
    pieces = [f"{number} " * 100 for number in range(10_000)]  # some megabytes: the library stops reading for a while
    told = [chunk(text(*pieces[at : at + 10])) for at in range(0, len(pieces), 10)]
    server = serve([CHUNKED, b"".join(told), chunk(END), LAST_CHUNK])
    said: list[str] = []
    async with asyncio.timeout(30), AsyncBotClient(DifyApp(KEY, server.url)).stream(HELLO) as run:
        async for event in run:
            if isinstance(event, TextDelta):
                said.append(event.text)
                await asyncio.sleep(0.005)

    assert "".join(said) == "".join(pieces)


def test_a_child_process_leaves_the_parents_turn_alone(serve: Serve) -> None:
    more = threading.Event()
    server = serve([CHUNKED, chunk(text("Hel")), Until(more), chunk(text("lo") + END), LAST_CHUNK])
    run = BotClient(DifyApp(KEY, server.url)).stream(HELLO)
    while not isinstance(next(run), TextDelta):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        child = os.fork()
    if child == 0:
        run.close()
        os._exit(0)
    os.waitpid(child, 0)
    more.set()
    assert "".join(one.text for one in run if isinstance(one, TextDelta)) == "lo"
    assert len(server.received) == 1


def test_a_client_comes_back_from_a_pickle_without_its_connections(serve: Serve) -> None:
    server = serve(WHOLE)
    client = BotClient(DifyApp(KEY, server.url), user="anna", timeout=7)
    assert client.ask("Hello?").text == "Hello"
    again = pickle.loads(pickle.dumps(client))
    assert (again.bot, again.user, again.timeouts) == (client.bot, client.user, client.timeouts)
    assert again.ask("Hello?").text == "Hello"
    twin = pickle.loads(pickle.dumps(AsyncBotClient(DifyApp(KEY, server.url), user="anna")))
    assert asyncio.run(twin.ask("Hello?")).text == "Hello"
