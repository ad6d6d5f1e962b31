"""The errors as LangChain knows them: each one of ours and one of LangChain's at once."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain_core import exceptions as lc

from langchain_chatbots import errors as twins
from langchain_chatbots.errors import ToolsRefusedError, as_model_errors, twin_of
from remote_chatbots import errors as ours

KNOWN = {
    "platform": "dify",
    "partial_text": "Rain ",
    "conversation_id": "c-1",
    "message_id": "m-1",
    "task_id": "t-1",
    "workflow_run_id": "r-1",
}
TOLD = {"code": "x", "request_id": "q-1", "retry_after_s": 2.5, "in_stream": True}

PAIRS: list[tuple[ours.BotError, type, type]] = [
    (ours.BotUsageError("m"), twins.ChatbotUsageError, lc.ModelInvalidRequestError),
    (ours.BotConnectError("m"), twins.ChatbotConnectionError, lc.ModelConnectionError),
    (ours.BotTimeoutError("m", phase="silence"), twins.ChatbotTimeoutError, lc.ModelTimeoutError),
    (ours.BotTruncatedError("m"), twins.ChatbotTruncatedError, lc.ModelAPIError),
    (ours.BotProtocolError("m"), twins.ChatbotProtocolError, lc.ModelAPIError),
    (ours.BotFormatError("m"), twins.ChatbotFormatError, lc.ModelAPIError),
    (ours.BotAuthError("m", http_status=401), twins.ChatbotAuthenticationError, lc.ModelAuthenticationError),
    (ours.BotAuthError("m", http_status=403), twins.ChatbotPermissionError, lc.ModelPermissionDeniedError),
    (ours.BotNotFoundError("m", http_status=404), twins.ChatbotNotFoundError, lc.ModelNotFoundError),
    (ours.BotRejectedError("m", http_status=400), twins.ChatbotRejectedError, lc.ModelInvalidRequestError),
    (ours.BotRateLimitError("m", http_status=429), twins.ChatbotRateLimitError, lc.ModelRateLimitError),
    (ours.BotQuotaError("m", http_status=403), twins.ChatbotQuotaError, lc.ModelInvalidRequestError),
    (ours.BotServerError("m", http_status=500), twins.ChatbotServerError, lc.ModelAPIError),
    (ours.BotReplyError("m", http_status=302), twins.ChatbotReplyError, lc.ModelAPIError),
]
# What LangChain's own class sets on the error of a parser.
OF_PARSERS = {twins.ChatbotFormatError: {"observation": None, "send_to_llm": False}}
NAMES = [twin.__name__ for _, twin, _ in PAIRS]
# What LangChain calls retryable by class, and what here depends on the single error.
CONCRETE = [*(twin for _, twin, _ in PAIRS), ToolsRefusedError]


@pytest.mark.parametrize(("error", "twin", "model_error"), PAIRS, ids=NAMES)
def test_an_error_of_ours_is_one_of_langchains_as_well(error: ours.BotError, twin: type, model_error: type) -> None:
    both = twin_of(error)

    assert type(both) is twin
    assert isinstance(both, type(error))
    assert isinstance(both, model_error)
    assert isinstance(both, lc.ModelError)


@pytest.mark.parametrize(("error", "twin", "model_error"), PAIRS, ids=NAMES)
def test_a_twin_is_no_other_kind_of_model_error(error: ours.BotError, twin: type, model_error: type) -> None:
    kinds = [kind for kind in lc.ModelError.__subclasses__() if kind.__module__ == lc.__name__]

    assert [kind for kind in kinds if isinstance(twin_of(error), kind)] == [model_error]


@pytest.mark.parametrize(("error", "twin", "model_error"), PAIRS, ids=NAMES)
def test_a_twin_carries_everything(error: ours.BotError, twin: type, model_error: type) -> None:
    more = {**KNOWN, **TOLD} if isinstance(error, ours.BotReplyError) else KNOWN
    error = ours.copy_of(error, **more)
    error.__cause__ = OSError("reset")

    both = twin_of(error)

    assert both.details() == error.details() | OF_PARSERS.get(twin, {})
    assert (str(both), both.message) == ("m", "m")
    assert both.__cause__ is error.__cause__


@pytest.mark.parametrize("retryable", [True, False])
@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
def test_whether_to_retry_is_asked_of_the_single_error(kind: Any, retryable: bool) -> None:
    error = kind("m", retryable=retryable)

    assert (error.is_retryable, error.retryable) == (retryable, retryable)


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (ours.BotConnectError("m"), True),
        (ours.BotRateLimitError("m"), True),
        (ours.BotTimeoutError("m", phase="connect"), True),
        (ours.BotServerError("m", http_status=503, retryable=True), True),
        (ours.BotTimeoutError("m", phase="silence"), False),
        (ours.BotTimeoutError("m", phase="total"), False),
        (ours.BotTruncatedError("m"), False),
        (ours.BotServerError("m", http_status=500), False),
        (ours.BotProtocolError("m"), False),
        (ours.BotConnectError("m", retryable=False), False),
    ],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'phase', '')}" if isinstance(value, Exception) else "",
)
def test_a_broken_turn_is_not_retryable_for_langchain_either(error: ours.BotError, retryable: bool) -> None:
    assert twin_of(error).is_retryable is retryable  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("retryable", [True, False])
def test_a_pickled_twin_comes_back_whole(kind: Any, retryable: bool) -> None:
    more = {**KNOWN, **TOLD, "http_status": 403} if issubclass(kind, ours.BotReplyError) else {**KNOWN}
    if issubclass(kind, ours.BotTimeoutError):
        more["phase"] = "total"
    error = kind("dify: no. Wait.", retryable=retryable, **more)

    back = pickle.loads(pickle.dumps(error))

    assert type(back) is kind
    assert vars(back) == vars(error)
    assert (str(back), back.is_retryable) == ("dify: no. Wait.", retryable)


@pytest.mark.parametrize(("error", "twin", "model_error"), PAIRS, ids=NAMES)
def test_what_others_set_on_an_error_is_on_its_twin_and_travels(
    error: ours.BotError, twin: type, model_error: type
) -> None:
    error = ours.copy_of(error)
    error.foo = 1  # type: ignore[attr-defined]
    error.add_note("During task with name 'bot'")

    back = pickle.loads(pickle.dumps(twin_of(error)))

    assert type(back) is twin
    assert vars(back) == vars(error) | OF_PARSERS.get(twin, {})


def test_a_twin_stays_what_it_is() -> None:
    twin = twin_of(ours.BotAuthError("m", http_status=403))

    assert twin_of(twin) is twin


def test_refused_tools_are_a_usage_error_and_not_implemented() -> None:
    error = ToolsRefusedError("m")

    assert isinstance(error, ours.BotUsageError)
    assert isinstance(error, NotImplementedError)
    assert isinstance(error, ValueError)
    assert isinstance(error, lc.ModelInvalidRequestError)
    assert str(error) == "m"


def test_a_timeout_twin_is_told_by_its_message() -> None:
    error = twins.ChatbotTimeoutError("dify: not a byte.", phase="silence")

    assert isinstance(error, TimeoutError)
    assert (str(error), repr(error)) == ("dify: not a byte.", "ChatbotTimeoutError('dify: not a byte.')")


def test_what_leaves_the_block_is_a_twin_with_the_same_cause() -> None:
    cause = OSError("reset")

    with pytest.raises(lc.ModelAPIError) as caught, as_model_errors():
        raise ours.BotTruncatedError("dify: broken.", partial_text="Rain ") from cause

    assert type(caught.value) is twins.ChatbotTruncatedError
    assert (caught.value.partial_text, caught.value.__cause__) == ("Rain ", cause)


@pytest.mark.parametrize("error", [KeyError("a"), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_errors_of_others_leave_the_block_as_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, as_model_errors():
        raise error

    assert caught.value is error


@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
def test_a_twin_has_no_response(kind: Any) -> None:
    assert not hasattr(kind("m"), "response")
