"""When an opening is tried again, after what wait, and when it never is."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from remote_chatbots import (
    BotConnectError,
    BotError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
    BotTimeoutError,
    BotTruncatedError,
    DifyApp,
    Question,
    Settings,
)
from remote_chatbots.retry import RetryPolicy, retry_after_s
from remote_chatbots.wire import ResponseHead

Drive = Callable[..., Any]

REFUSED = BotConnectError("dify: no connection.")

# The policy


@pytest.mark.parametrize(
    "error",
    [
        BotServerError("x", http_status=500),
        BotServerError("x", http_status=500, retry_after_s=1.0),
        BotTimeoutError("x", phase="silence"),
        BotTimeoutError("x", phase="total"),
        BotTruncatedError("x"),
        BotProtocolError("x"),
        BotRejectedError("x"),
        BotQuotaError("x"),
        BotConnectError("x", retryable=False),
    ],
    ids=lambda error: f"{type(error).__name__} {getattr(error, 'phase', '')}".strip(),
)
def test_what_may_have_arrived_is_never_tried_again(error: BotError) -> None:
    assert RetryPolicy(max_retries=5).delay_s(0, error) is None


@pytest.mark.parametrize(
    "error",
    [
        BotConnectError("x"),
        BotTimeoutError("x", phase="connect"),
        BotRateLimitError("x"),
        BotServerError("x", http_status=503, retryable=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_have_arrived_or_was_put_off_is_tried_again(error: BotError) -> None:
    assert RetryPolicy().delay_s(0, error) is not None


@pytest.mark.parametrize("max_retries", [0, 1, 2, 5])
def test_there_are_no_more_tries_than_allowed(max_retries: int) -> None:
    policy = RetryPolicy(max_retries=max_retries)

    tried = [policy.delay_s(attempt, REFUSED) is not None for attempt in range(7)]

    assert tried == [True] * max_retries + [False] * (7 - max_retries)


@pytest.mark.parametrize(
    ("attempt", "longest"), [(0, 0.5), (1, 1.0), (2, 2.0), (3, 4.0), (6, 30.0), (20, 30.0)], ids=str
)
def test_a_wait_lies_in_the_upper_half_of_what_doubles_with_each_try(attempt: int, longest: float) -> None:
    policy = RetryPolicy(max_retries=100, random=random.Random(7))

    waits = [policy.delay_s(attempt, REFUSED) or 0.0 for _ in range(500)]

    assert longest / 2 <= min(waits) < longest * 0.55
    assert longest * 0.95 < max(waits) <= longest


def test_without_a_word_there_are_two_more_tries() -> None:
    assert [RetryPolicy().delay_s(attempt, REFUSED) is None for attempt in range(3)] == [False, False, True]


def test_waits_are_set_by_the_policy() -> None:
    policy = RetryPolicy(first_delay_s=8.0, longest_delay_s=10.0, random=random.Random(7))

    assert 4.0 <= (policy.delay_s(0, REFUSED) or 0.0) <= 8.0
    assert 5.0 <= (policy.delay_s(1, REFUSED) or 0.0) <= 10.0


def test_the_same_seed_gives_the_same_waits() -> None:
    one, two = (RetryPolicy(random=random.Random(3)) for _ in range(2))

    assert [one.delay_s(at, REFUSED) for at in (0, 1)] == [two.delay_s(at, REFUSED) for at in (0, 1)]


@pytest.mark.parametrize("asked_s", [0.0, 0.25, 7.0, 30.0])
def test_a_server_that_says_when_to_come_back_is_taken_at_its_word(asked_s: float) -> None:
    assert RetryPolicy().delay_s(0, BotRateLimitError("x", retry_after_s=asked_s)) == asked_s


def test_a_wait_longer_than_the_longest_is_not_waited_for() -> None:
    assert RetryPolicy().delay_s(0, BotRateLimitError("x", retry_after_s=30.5)) is None
    assert RetryPolicy(longest_delay_s=60).delay_s(0, BotRateLimitError("x", retry_after_s=30.5)) == 30.5


# The header

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("120", 120.0, id="seconds"),
        pytest.param(" 1.5 ", 1.5, id="half seconds"),
        pytest.param("-3", 0.0, id="seconds that have passed"),
        pytest.param("Thu, 01 Jan 2026 12:01:30 GMT", 90.0, id="a date"),
        pytest.param("Thu, 01 Jan 2026 13:01:30 +0100", 90.0, id="a date of another zone"),
        pytest.param("Thu, 01 Jan 2026 12:01:30 -0000", 90.0, id="a date of no zone"),
        pytest.param("Thu, 01 Jan 2026 11:00:00 GMT", 0.0, id="a date that has passed"),
        pytest.param("", None, id="nothing"),
        pytest.param("soon", None, id="a word"),
        pytest.param("nan", None, id="nan"),
        pytest.param("inf", None, id="infinity"),
        pytest.param("1e999", None, id="more than a number holds"),
        pytest.param("Thu, 41 Jan 2026 12:01:30 GMT", None, id="no day"),
        pytest.param("Thu, 01 Jan 99999 12:01:30 GMT", None, id="a year too far"),
        pytest.param("Thu, 01 Jan 99999999999999999999 12:01:30 GMT", None, id="a year beyond all numbers"),
    ],
)
def test_retry_after_is_read_in_both_forms_and_never_fails(value: str, seconds: float | None) -> None:
    assert retry_after_s(value, NOW) == seconds


# In a turn


def asked(**settings: Any) -> Any:
    app = DifyApp("app-key", settings=Settings(**settings))
    return app.ask(Question("Will it rain?", user="ann"))


def refused(status: int, body: bytes = b"", **headers: str) -> tuple[ResponseHead, bytes]:
    return ResponseHead(status, {name.replace("_", "-"): value for name, value in headers.items()}), body


@pytest.fixture
def answered(framed: Any) -> list[bytes]:
    return [framed({"event": "message", "answer": "Rain."}), framed({"event": "message_end"})]


TOO_MANY = b'{"code":"invalid_param","message":"Too many requests. Please try again later.","status":400}'
PUT_OFF = {
    "no connection": REFUSED,
    "a connection in time": BotTimeoutError("dify: no connection.", phase="connect"),
    "429": refused(429),
    "400 for too many": refused(400, TOO_MANY),
    "503 with a time": refused(503, retry_after="1"),
}


@pytest.mark.parametrize("first", PUT_OFF.values(), ids=PUT_OFF)
def test_what_was_not_taken_is_posted_again_unchanged(drive: Drive, answered: list[bytes], first: Any) -> None:
    played = drive(asked(), first, answered)

    assert (played.error, played.answer.text) == (None, "Rain.")
    one, two = played.requests
    assert one == two
    assert len(played.slept) == 1


@pytest.mark.parametrize("max_retries", [0, 1, 2, 4])
def test_what_is_never_taken_is_posted_as_often_as_settings_say(drive: Drive, max_retries: int) -> None:
    played = drive(asked(max_retries=max_retries), *[REFUSED] * 9)

    assert type(played.error) is BotConnectError
    assert len(played.requests) == max_retries + 1
    assert len(played.slept) == max_retries


def test_the_last_try_is_what_is_told(drive: Drive) -> None:
    played = drive(asked(max_retries=1), REFUSED, refused(401))

    assert (type(played.error).__name__, len(played.requests)) == ("BotAuthError", 2)


def test_waits_grow_between_tries(drive: Drive) -> None:
    played = drive(asked(max_retries=3), *[REFUSED] * 4)

    assert [longest / 2 <= wait <= longest for wait, longest in zip(played.slept, (0.5, 1.0, 2.0), strict=True)] == [
        True,
        True,
        True,
    ]


def test_the_servers_time_is_waited_for(drive: Drive, answered: list[bytes]) -> None:
    assert drive(asked(), refused(429, retry_after="2.5"), answered).slept == [2.5]


def test_a_server_that_wants_too_long_a_wait_is_not_waited_for(drive: Drive) -> None:
    played = drive(asked(), refused(429, retry_after="3600"))

    assert type(played.error) is BotRateLimitError
    assert (played.error.retry_after_s, played.error.retryable) == (3600.0, True)
    assert (len(played.requests), played.slept) == (1, [])


NEVER = {
    "silence": BotTimeoutError("dify: not a byte.", phase="silence"),
    "out of all time": BotTimeoutError("dify: too long.", phase="total"),
    "a broken connection": BotTruncatedError("dify: broken."),
    "500": refused(500),
    "500 with a time": refused(500, retry_after="1"),
    "502": refused(502, b"<html>"),
    "503 without a time": refused(503),
    "504": refused(504),
    "400": refused(400),
    "401": refused(401),
    "404": refused(404),
    "429 for want of quota": refused(429, b'{"code":"rate_limit_error","message":"Quota.","status":429}'),
    "no trust": BotConnectError("dify: no TLS.", retryable=False),
}


@pytest.mark.parametrize("first", NEVER.values(), ids=NEVER)
def test_what_may_have_been_taken_or_will_not_be_is_posted_once(drive: Drive, first: Any) -> None:
    played = drive(asked(), first)

    assert played.error is not None
    assert (len(played.requests), played.slept) == (1, [])


@pytest.mark.whole
@pytest.mark.parametrize(
    "broken",
    [
        BotTruncatedError("dify: broken."),
        BotTimeoutError("dify: not a byte.", phase="silence"),
        BotConnectError("dify: no connection."),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("said", [True, False], ids=["after text", "before any"])
def test_once_a_reply_began_nothing_is_posted_again(drive: Drive, framed: Any, broken: BotError, said: bool) -> None:
    chunks = [framed({"event": "message", "answer": "Rain "})] if said else []

    played = drive(asked(), [*chunks, broken])

    assert type(played.error) is type(broken)
    assert len(played.requests) == 1


def test_a_refusal_in_mid_stream_is_not_posted_again(drive: Drive, framed: Any) -> None:
    error = {"event": "error", "code": "too_many_requests", "status": 429, "message": "Slow down."}

    played = drive(asked(), [framed({"event": "message", "answer": "Rain "}, error)])

    assert isinstance(played.error, BotReplyError)
    assert len(played.requests) == 1
