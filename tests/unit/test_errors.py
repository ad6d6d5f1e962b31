"""The errors: what is whose kind, what they carry, and that they travel."""

from __future__ import annotations

import copy
import errno
import pickle
from typing import Any

import pytest
import requests

import remote_chatbots
from remote_chatbots import (
    BotAuthError,
    BotConnectError,
    BotError,
    BotFormatError,
    BotNotFoundError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
    BotTimeoutError,
    BotTransportError,
    BotTruncatedError,
    BotUsageError,
)
from remote_chatbots.errors import copy_of
from remote_chatbots.transports.faults import no_connection

PARENTS: dict[type[BotError], tuple[type[BaseException], ...]] = {
    BotError: (Exception,),
    BotUsageError: (BotError, ValueError),
    BotTransportError: (BotError,),
    BotConnectError: (BotTransportError,),
    BotTimeoutError: (BotTransportError, TimeoutError),
    BotTruncatedError: (BotTransportError,),
    BotProtocolError: (BotError,),
    BotFormatError: (BotProtocolError,),
    BotReplyError: (BotError,),
    BotAuthError: (BotReplyError,),
    BotNotFoundError: (BotReplyError,),
    BotRejectedError: (BotReplyError,),
    BotRateLimitError: (BotReplyError,),
    BotQuotaError: (BotReplyError,),
    BotServerError: (BotReplyError,),
}
ALL = sorted(PARENTS, key=lambda kind: kind.__name__)
RETRYABLE = {BotConnectError, BotRateLimitError}
KNOWN = {
    "platform": "dify",
    "retryable": True,
    "partial_text": "上海有雨 🌧️",
    "conversation_id": "c-1",
    "message_id": "m-1",
    "task_id": "t-1",
    "workflow_run_id": "r-1",
}
TOLD = {"http_status": 429, "code": "x", "request_id": "q-1", "retry_after_s": 2.5, "in_stream": True}
MESSAGE = "dify: 429 x: no. Wait."


def everything(kind: type[BotError]) -> dict[str, Any]:
    if issubclass(kind, BotTimeoutError):
        return {**KNOWN, "phase": "total"}
    return {**KNOWN, **TOLD} if issubclass(kind, BotReplyError) else KNOWN


def test_these_are_all_the_errors_there_are() -> None:
    named = {getattr(remote_chatbots, name) for name in remote_chatbots.__all__ if name.endswith("Error")}

    assert named == set(PARENTS)


@pytest.mark.parametrize("kind", ALL)
def test_an_error_is_what_its_parents_are(kind: type[BotError]) -> None:
    error = kind("x")

    assert all(isinstance(error, parent) for parent in PARENTS[kind])


@pytest.mark.parametrize("kind", ALL)
def test_an_error_is_none_of_its_siblings(kind: type[BotError]) -> None:
    ours = {other for other in PARENTS if issubclass(kind, other)}

    expected = {kind}
    for _ in range(3):
        expected |= {parent for one in expected for parent in PARENTS[one] if parent in PARENTS}
    assert ours == expected


@pytest.mark.parametrize("kind", ALL)
def test_only_what_is_safe_to_post_again_is_retryable(kind: type[BotError]) -> None:
    assert kind("x").retryable is (kind in RETRYABLE)
    assert kind("x", retryable=False).retryable is False
    assert kind("x", retryable=True).retryable is True


@pytest.mark.parametrize(("phase", "retryable"), [("connect", True), ("silence", False), ("total", False)])
def test_of_the_clocks_only_the_one_before_sending_is_retryable(phase: Any, retryable: bool) -> None:
    assert BotTimeoutError("x", phase=phase).retryable is retryable
    assert BotTimeoutError("x", phase=phase, retryable=not retryable).retryable is not retryable


@pytest.mark.parametrize("kind", ALL)
def test_an_error_is_told_by_its_message(kind: type[BotError]) -> None:
    error = kind(MESSAGE, **everything(kind))

    assert (str(error), error.message) == (MESSAGE, MESSAGE)
    assert repr(error) == f"{kind.__name__}({MESSAGE!r})"


@pytest.mark.parametrize("kind", ALL)
def test_an_error_of_a_platform_begins_with_it(kind: type[BotError]) -> None:
    known = everything(kind)
    error = kind.of(known["platform"], "429 x: no. Wait.", **{k: v for k, v in known.items() if k != "platform"})

    assert vars(error) == vars(kind(MESSAGE, **everything(kind)))
    assert (kind.of("", "no. Wait.").message, kind.of("", "no. Wait.").platform) == ("no. Wait.", "")


@pytest.mark.parametrize("kind", ALL)
def test_an_error_knows_nothing_that_it_was_not_told(kind: type[BotError]) -> None:
    error = kind("x")

    nothing: dict[str, Any] = dict.fromkeys([name for name in KNOWN if name != "retryable"], "")
    if isinstance(error, BotReplyError):
        nothing |= {"http_status": 0, "code": "", "request_id": "", "retry_after_s": None, "in_stream": False}
    assert {name: getattr(error, name) for name in nothing} == nothing


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ALL)
def test_a_pickled_error_comes_back_whole(kind: type[BotError], protocol: int) -> None:
    error = kind(MESSAGE, **everything(kind))

    back = pickle.loads(pickle.dumps(error, protocol))

    assert type(back) is kind
    assert vars(back) == vars(error) == {"message": MESSAGE, **everything(kind)}
    assert str(back) == MESSAGE


@pytest.mark.parametrize("kind", ALL)
def test_a_copied_error_comes_back_whole(kind: type[BotError]) -> None:
    error = kind(MESSAGE, **everything(kind))

    assert vars(copy.copy(error)) == vars(error)
    assert vars(copy.deepcopy(error)) == vars(error)


@pytest.mark.parametrize("kind", ALL)
def test_what_others_set_on_an_error_travels_with_it(kind: type[BotError]) -> None:
    error = kind(MESSAGE, **everything(kind))
    error.add_note("seen while testing")
    error.foo = 1  # type: ignore[attr-defined]

    back = pickle.loads(pickle.dumps(error))

    assert vars(back) == vars(copy.copy(error)) == vars(error)
    assert (back.foo, back.__notes__) == (1, ["seen while testing"])
    assert vars(copy_of(error)) == vars(error)


def test_more_can_be_told_about_an_error_and_its_cause_stays() -> None:
    cause = OSError("reset")
    error = BotTruncatedError("dify: broken.", platform="dify", message_id="m-1")
    error.__cause__ = cause

    known = copy_of(error, partial_text="Rain ")

    assert type(known) is BotTruncatedError
    assert (known.partial_text, known.message_id, str(known)) == ("Rain ", "m-1", "dify: broken.")
    assert known.__cause__ is cause
    assert error.partial_text == ""


def test_an_error_that_leaves_a_flow_keeps_its_cause(app: Any, drive: Any) -> None:
    cause = OSError("reset")
    broken = BotTruncatedError("dify: broken.", platform="dify")
    broken.__cause__ = cause

    played = drive(app.ask(remote_chatbots.Question("Rain?", user="ann")), [broken])

    assert played.error.__cause__ is cause


@pytest.mark.parametrize("kind", ALL)
def test_an_error_has_no_response(kind: type[BotError]) -> None:
    assert not hasattr(kind("x"), "response")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_process_without_files_left_to_open_is_no_fault_of_the_network(number: int) -> None:
    try:
        try:
            raise OSError(number, "Too many open files")
        except OSError as error:
            raise requests.ConnectionError("wrapped") from error
    except requests.ConnectionError as error:
        told = str(no_connection("dify", "dify.example.com", error))
    assert told.startswith("dify: no connection: this process has no files left to open.")
    assert "ulimit -n" in told
