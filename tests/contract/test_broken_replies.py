"""Replies that break HTTP's own rules, and failures of the library below: both drivers say the same of them."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable

import pytest

from remote_chatbots import BotConnectError, BotError, BotTruncatedError, DifyApp, Question
from tests.contract.scripted import (
    CHUNKED,
    END,
    HEAD,
    KEY,
    LAST_CHUNK,
    Close,
    Driver,
    Reset,
    Scripted,
    Step,
    Until,
    Wait,
    chunk,
    event,
    text,
)
from tests.tracebacks import with_locals

Serve = Callable[..., Scripted]


@pytest.mark.parametrize(
    "script",
    [[Close], [Reset], [b"no HTTP\r\n\r\n", Close], [CHUNKED + chunk(text("Hel")), Reset]],
    ids=["nothing", "reset", "no head", "broken off"],
)
def test_no_frame_of_a_library_that_failed_shows_the_key(serve: Serve, driver: Driver, script: list[Step]) -> None:
    error = driver.one(serve(script).url).error
    assert isinstance(error, BotError)
    assert error.__cause__ is not None
    _check_hides_key(error)


def test_no_frame_shows_the_key_where_nobody_listens(driver: Driver) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        error = driver.one(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1", max_retries=0).error
    assert isinstance(error, BotConnectError)
    _check_hides_key(error)


def test_a_server_that_goes_away_in_the_midst_of_tls_greeting_may_be_tried_again(driver: Driver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)

        thread = threading.Thread(target=hang_up)
        thread.start()
        error = driver.one(f"https://127.0.0.1:{listener.getsockname()[1]}/v1", max_retries=0).error
        thread.join()
    assert isinstance(error, BotConnectError)
    assert error.retryable


@pytest.mark.parametrize("pause", [0, 0.1], ids=["in one read", "in two"])
@pytest.mark.parametrize("said", ["", "Hel"])
@pytest.mark.parametrize("fault", [b"zz\r\n", b"\r\n", b"-5\r\n"])
def test_what_is_no_length_of_a_chunk_ends_the_turn_at_once_and_takes_no_text_along(
    serve: Serve, driver: Driver, fault: bytes, said: str, pause: float
) -> None:
    before, over = CHUNKED + (chunk(text(said)) if said else b""), threading.Event()
    began = time.monotonic()
    error = driver.one(serve([*([before, Wait(pause), fault] if pause else [before + fault]), Until(over)]).url).error
    over.set()
    assert isinstance(error, BotTruncatedError)
    assert error.partial_text == said
    assert time.monotonic() - began < 3


def test_text_up_to_a_length_that_was_told_too_short_is_kept(serve: Serve, driver: Driver) -> None:
    said = text("Hel")
    error = driver.one(serve([HEAD + b"Content-Length: %d\r\n\r\n" % len(said) + said + END]).url).error
    assert isinstance(error, BotTruncatedError)
    assert error.partial_text == "Hel"


def test_a_whole_answer_is_not_lost_to_a_fault_behind_it(serve: Serve, driver: Driver) -> None:
    turn = driver.one(serve([CHUNKED + chunk(text("Hello") + END) + b"zz\r\n"]).url)
    assert (turn.error, turn.answer.text) == (None, "Hello")


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: -5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        "X-Größe: 1\r\n".encode(),
    ],
    ids=["a negative length", "two lengths", "a length and chunks", "an unknown coding", "a name that is none"],
)
def test_a_head_that_cannot_be_believed_is_no_head(serve: Serve, driver: Driver, lines: bytes) -> None:
    server = serve([HEAD + lines + b"\r\n" + text("Hel", "lo") + END])
    error = driver.one(server.url).error
    assert isinstance(error, BotTruncatedError)
    assert (error.partial_text, error.retryable, len(server.received)) == ("", False, 1)


@pytest.mark.parametrize("last", [b"", b"0", b"0\r", b"0\r\n", b"0\r\n\r", LAST_CHUNK], ids=repr)
def test_a_body_is_whole_with_the_last_byte_of_its_end(serve: Serve, driver: Driver, last: bytes) -> None:
    # Of 2023, whose streams are over when their body is.
    old = b'data: {"id":"m-1","answer":"Hello","created_at":1}\n\n'
    turn = driver.one(serve([CHUNKED + chunk(old) + last, Close]).url)
    assert turn.answer.text == "Hello"
    assert (turn.error is None) == (last == LAST_CHUNK)


HEADER = "a-header-that-must-not-show"
ECHO = f"You sent Bearer {KEY} and {HEADER}."
REFUSAL = json.dumps({"code": "c", "message": ECHO}).encode()
ECHOES: dict[str, list[Step]] = {
    "a refusal": [
        b"HTTP/1.1 400 No\r\nX-Request-Id: %s\r\n\r\n" % HEADER.encode()
        + json.dumps({"code": "c", "message": ECHO}).encode(),
        Close,
    ],
    "a redirect": [f"HTTP/1.1 302 No\r\nLocation: /{KEY}?{HEADER}\r\nContent-Length: 0\r\n\r\n".encode()],
    "a page": [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + ECHO.encode(), Close],
    "an answer that is none": [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{" + ECHO.encode(), Close],
    "an event that is none": [CHUNKED + chunk(b"data: " + ECHO.encode() + b"\n\n")],
    "an error event": [CHUNKED + chunk(event("error", code=KEY, message=ECHO))],
}


@pytest.mark.parametrize("script", ECHOES.values(), ids=ECHOES)
def test_a_server_that_repeats_what_it_got_gets_it_into_no_error_and_no_traceback(
    serve: Serve, driver: Driver, script: list[Step]
) -> None:
    app = DifyApp(KEY, serve(script).url, headers={"X-Mine": HEADER})
    error = driver.ask_bot(app, Question("Hello?", user="anna"))[0].error
    assert isinstance(error, BotError)
    _check_hides_key(error)
    assert error.__context__ is None
    assert HEADER not in repr(error.details())


def _check_hides_key(error: BotError) -> None:
    outside = with_locals(error)
    assert "Authorization" not in outside
    assert KEY not in outside
    assert HEADER not in outside
