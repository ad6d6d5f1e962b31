"""Replies that break HTTP's own rules, and failures of the library below: both drivers say the same of them."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Callable

import pytest

from remote_chatbots import BotConnectError, BotError
from tests.contract.scripted import CHUNKED, KEY, Close, Driver, Reset, Scripted, Step, chunk, text

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


def _check_hides_key(error: BotError) -> None:
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    # The frames of this test and its helpers hold the key by right.
    outside = "\n".join(part for part in shown.split("  File ") if "/tests/" not in part.split("\n")[0])
    assert "Bearer" not in outside
    assert KEY not in outside
