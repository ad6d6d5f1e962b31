"""A stream that begins with silence is looked into, so that what cannot be answered fails in seconds."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from remote_chatbots import BotNotFoundError, BotRejectedError, Question
from remote_chatbots.emulator import Emulator
from tests.contract.scripted import CHUNKED, END, KEY, LAST_CHUNK, Driver, Reset, Scripted, Until, chunk, text

PING = b"event: ping\n\n"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
Serve = Callable[..., Scripted]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, idle_limit_s=60) as running:
        yield running


def asked(driver: Driver, emulator: Emulator, kind: str, question: Question) -> Exception | None:
    return driver.ask(emulator.dify_url, question, key=emulator.key(kind), timeout=(5, 30), probe_after_s=0.1)[0].error


def test_an_unknown_conversation_of_a_chatflow_is_not_found(emulator: Emulator, driver: Driver) -> None:
    question = Question("Hello?", user="anna", conversation_id=UNKNOWN)
    error = asked(driver, emulator, "advanced-chat", question)
    assert isinstance(error, BotNotFoundError)
    assert (error.http_status, error.code) == (404, "not_found")


def test_another_users_conversation_of_a_chatflow_is_not_found(emulator: Emulator, driver: Driver) -> None:
    key = emulator.key("advanced-chat")
    (turn,) = driver.ask(emulator.dify_url, Question("Hello?", user="owner"), key=key)
    question = Question("Hello?", user="thief", conversation_id=turn.answer.conversation_id)
    assert isinstance(asked(driver, emulator, "advanced-chat", question), BotNotFoundError)


def test_a_missing_input_of_a_chatflow_is_named(emulator: Emulator, driver: Driver) -> None:
    error = asked(driver, emulator, "advanced-chat-required", Question("Hello?", user="anna"))
    assert isinstance(error, BotRejectedError)
    assert "city is required in input form" in str(error)
    assert error.code == "invalid_param"


def test_a_bot_that_is_merely_slow_is_waited_for(serve: Serve, driver: Driver) -> None:
    looked = threading.Event()
    answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"]
    slow = [CHUNKED, chunk(PING), Until(looked), chunk(text("Hello") + END), LAST_CHUNK]
    server = serve(slow, [looked, *answer])
    turn = driver.one(server.url, probe_after_s=0.1)
    assert turn.error is None
    assert turn.answer.text == "Hello"
    assert [request.line.split()[1] for request in server.received] == ["/v1/chat-messages", "/v1/parameters"]


@pytest.mark.parametrize("broken", [[Reset], [b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"]], ids=["reset", "500"])
def test_a_look_that_fails_says_nothing_of_the_question(serve: Serve, driver: Driver, broken: list[object]) -> None:
    looked = threading.Event()
    slow = [CHUNKED, chunk(PING), Until(looked), chunk(text("Hello") + END), LAST_CHUNK]
    turn = driver.one(serve(slow, [looked, *broken]).url, probe_after_s=0.1)
    assert (turn.error, turn.answer.text) == (None, "Hello")


def test_a_bot_that_speaks_at_once_is_not_looked_into(serve: Serve, driver: Driver) -> None:
    released = threading.Event()
    threading.Timer(0.4, released.set).start()
    server = serve([CHUNKED, chunk(text("Hel")), Until(released), chunk(text("lo") + END), LAST_CHUNK])
    assert driver.one(server.url, probe_after_s=0.1).answer.text == "Hello"
    assert len(server.received) == 1


def test_the_look_asks_for_the_conversation_as_its_user(serve: Serve, driver: Driver) -> None:
    gone = json.dumps({"code": "not_found", "message": "Conversation Not Exists.", "status": 404}).encode()
    refused = [f"HTTP/1.1 404 Not Found\r\nContent-Length: {len(gone)}\r\n\r\n".encode() + gone]
    never = threading.Event()
    server = serve([CHUNKED, chunk(PING), Until(never)], refused)
    question = Question("Hello?", user="anna & co", conversation_id="c-9")
    error = driver.ask(server.url, question, probe_after_s=0.1)[0].error
    never.set()
    assert isinstance(error, BotNotFoundError)
    url = urlsplit(server.received[1].line.split()[1])
    assert (url.path, parse_qs(url.query)) == (
        "/v1/messages", {"conversation_id": ["c-9"], "user": ["anna & co"], "limit": ["1"]},
    )  # fmt: skip
    assert server.received[1].headers["authorization"] == f"Bearer {KEY}"
