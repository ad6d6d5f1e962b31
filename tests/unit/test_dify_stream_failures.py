"""What goes wrong in the midst of a Dify stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from remote_chatbots import (
    BotAuthError,
    BotProtocolError,
    BotQuotaError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
    BotTruncatedError,
)
from tests.unit.dify_said import END, RUN_STARTED, USAGE, failure, kinds, message, run_finished

Told = Callable[..., Any]


MODEL_FAILED = "[models] Server Unavailable Error, upstream refused"


def test_a_run_that_failed_is_a_server_error_with_the_text_so_far(told: Told) -> None:
    played = told(RUN_STARTED, message("Rain "), run_finished("failed", MODEL_FAILED))

    error = played.error
    assert type(error) is BotServerError
    assert MODEL_FAILED in str(error)
    assert (error.partial_text, error.conversation_id, error.message_id) == ("Rain ", "c-1", "m-1")
    assert (error.task_id, error.workflow_run_id) == ("t-1", "r-1")
    assert (error.code, error.http_status, error.in_stream, error.retryable) == ("", 0, True, False)


def test_a_failure_that_is_told_twice_is_one_error_with_both_parts(told: Told) -> None:
    played = told(
        RUN_STARTED,
        message("Rain "),
        run_finished("failed", MODEL_FAILED),
        failure(code="invalid_param", status=400, message=f"Run failed: {MODEL_FAILED}"),
    )

    error = played.error
    assert type(error) is BotServerError
    assert (error.code, error.http_status, error.in_stream, error.partial_text) == ("invalid_param", 400, True, "Rain ")
    assert str(error).count(MODEL_FAILED) == 1


def test_a_message_end_after_a_failed_run_makes_no_success_of_it(told: Told) -> None:
    end = {**END, "metadata": {"usage": USAGE}}
    played = told(RUN_STARTED, message("Rain "), run_finished("failed", MODEL_FAILED), end)

    assert type(played.error) is BotServerError
    assert "Finished" not in kinds(played.events)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [("stopped", "failed", "stopped"), ("stopped", "succeeded", "stopped"), ("succeeded", "failed", "stop")],
)
def test_of_two_ends_of_a_run_the_first_counts(told: Told, first: str, second: str, reason: str) -> None:
    played = told(RUN_STARTED, message("Rain."), END, run_finished(first), run_finished(second, "late"))

    assert (played.error, played.answer.finish_reason) == (None, reason)


def test_the_end_of_a_run_without_a_status_is_judged_by_its_error(told: Told) -> None:
    failed = {"event": "workflow_finished", "data": {"error": MODEL_FAILED}}
    succeeded = {"event": "workflow_finished", "data": {"error": None}}

    assert type(told(RUN_STARTED, message("Rain."), failed).error) is BotServerError
    assert told(RUN_STARTED, message("Rain."), succeeded).answer.finish_reason == "stop"


def test_a_run_that_failed_without_a_word_is_an_error_too(told: Told) -> None:
    played = told(RUN_STARTED, run_finished("failed"))

    assert type(played.error) is BotServerError


@pytest.mark.parametrize(
    ("fields", "kind", "code", "status"),
    [
        pytest.param(
            {"code": "completion_request_error", "status": 400, "message": "[models] RateLimit Error"},
            BotServerError, "completion_request_error", 400, id="the model failed",
        ),
        pytest.param(
            {"code": "provider_quota_exceeded", "status": 400, "message": "Your quota is exhausted."},
            BotQuotaError, "provider_quota_exceeded", 400, id="no quota",
        ),
        pytest.param(
            {"code": "provider_not_initialize", "status": 400, "message": "No credentials."},
            BotRejectedError, "provider_not_initialize", 400, id="no credentials",
        ),
        pytest.param(
            {"code": "model_currently_not_support", "status": 400, "message": "Not supported."},
            BotRejectedError, "model_currently_not_support", 400, id="no such model",
        ),
        pytest.param(
            {"code": "invalid_param", "status": 400, "message": "bad value"},
            BotRejectedError, "invalid_param", 400, id="a value error",
        ),
        pytest.param(
            {"code": "internal_server_error", "status": 500, "message": "Internal Server Error."},
            BotServerError, "internal_server_error", 500, id="anything else",
        ),
        pytest.param({"status": 500, "message": "lost"}, BotServerError, "", 500, id="no code"),
        pytest.param({"message": "lost"}, BotServerError, "", 0, id="no code and no status"),
        pytest.param({"code": 41, "status": 401, "message": "x"}, BotAuthError, "41", 401, id="a number as code"),
        pytest.param({}, BotServerError, "", 0, id="nothing at all"),
    ],
)  # fmt: skip
def test_an_error_event_is_an_error_of_its_class(
    told: Told, fields: dict[str, Any], kind: type[BotReplyError], code: str, status: int
) -> None:
    played = told(message("Rain "), failure(**fields))

    error = played.error
    assert type(error) is kind
    assert (error.code, error.http_status, error.in_stream, error.platform) == (code, status, True, "dify")
    assert (error.partial_text, error.conversation_id, error.message_id) == ("Rain ", "c-1", "m-1")
    assert error.task_id == "t-1"
    assert fields.get("message", "") in str(error)


def test_an_error_event_without_anything_is_told_as_an_error(told: Told) -> None:
    assert str(told(failure()).error).startswith("dify: error: no reason given. ")


def test_an_error_event_may_be_the_first(told: Told) -> None:
    played = told(failure(code="completion_request_error", status=400, message="refused"))

    error = played.error
    assert (error.conversation_id, error.message_id, error.task_id, error.partial_text) == ("c-1", "m-1", "", "")


def test_of_two_error_events_the_first_counts(told: Told) -> None:
    first = failure(code="completion_request_error", status=400, message="refused")
    played = told(first, failure(code="internal_server_error", status=500, message="later"))

    assert played.error.code == "completion_request_error"


def test_a_refusal_in_mid_stream_is_never_safe_to_post_again(told: Told) -> None:
    played = told(message("Rain "), failure(code="too_many_requests", status=429, message="Slow down."))

    assert played.error.in_stream
    assert played.error.retryable is False


def test_a_stream_without_any_event_is_truncated(told: Told) -> None:
    played = told()

    assert type(played.error) is BotTruncatedError
    assert str(played.error).startswith("dify:")
    assert (played.error.retryable, played.error.partial_text) == (False, "")


@pytest.mark.parametrize(
    ("name", "of_another"),
    [
        ("conversation_id", message("theirs")),
        ("message_id", message("theirs")),
        ("conversation_id", END),
        ("message_id", END),
        ("workflow_run_id", run_finished("succeeded")),
    ],
)
def test_an_event_of_another_turn_is_not_taken_for_one_of_this(told: Told, name: str, of_another: Any) -> None:
    ours = [RUN_STARTED, message("Rain "), message("li")]
    played = told(*ours, {**of_another, name: "another"}, message("kely."), END, run_finished("succeeded"))

    assert type(played.error) is BotProtocolError
    assert name in str(played.error)
    assert (played.error.partial_text, played.error.conversation_id) == ("Rain li", "c-1")


def test_ids_that_come_late_are_this_turns(told: Told) -> None:
    played = told({**message("Rain "), "conversation_id": ..., "message_id": ...}, message("likely."), END)

    assert (played.error, played.answer.text, played.answer.conversation_id) == (None, "Rain likely.", "c-1")


def test_the_mark_by_which_gateways_end_streams_breaks_none(told: Told) -> None:
    old = b'data: {"id":"m-1","answer":"Rain.","created_at":1}\n\n'  # of 2023, without a last event

    assert told(old, b"data: [DONE]\n\n").answer.text == "Rain."
    assert told(message("Rain."), b"data: [DONE]\n\n", END).error is None
    assert type(told(message("Rain."), b"data: [DONE]\n\n").error) is BotTruncatedError
