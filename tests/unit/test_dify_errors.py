"""Dify's refusals: which class each is, and when to come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from remote_chatbots import (
    BotAuthError,
    BotNotFoundError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
    BotTruncatedError,
    DifyApp,
    Question,
)
from remote_chatbots.platforms.dify.errors import ERROR_TABLE, refusal
from remote_chatbots.wire import ResponseHead
from tests.unit.dify_said import TOO_MANY, body_of, head_of

Drive = Callable[..., Any]


KNOWLEDGE_LIMIT = "Sorry, you have reached the knowledge base request rate limit of your subscription."

# Dify API reference, "Errors", and the refusals recorded from servers.
CASES: list[tuple[int, str, str, type[BotReplyError]]] = [
    (400, "invalid_param", TOO_MANY, BotRateLimitError),
    (400, "invalid_param", "Run failed: [models] Server Unavailable Error", BotServerError),
    (400, "invalid_param", "Invalid upload file", BotRejectedError),
    (400, "invalid_param", "Reached maximum retries (3) for URL http://127.0.0.1:9/x.png", BotRejectedError),
    (400, "invalid_param", "book is required in input form", BotRejectedError),
    (400, "invalid_param", "Speech to text is not enabled", BotRejectedError),
    (400, "invalid_param", "TTS is not enabled", BotRejectedError),
    (400, "bad_request", "Suggested Questions Is Disabled.", BotRejectedError),
    (400, "bad_request", "Agent App only supports streaming response mode.", BotRejectedError),
    (400, "app_unavailable", "App unavailable, please check your app configurations.", BotRejectedError),
    (400, "not_chat_app", "Please check if your app mode matches the right API route.", BotRejectedError),
    (400, "not_completion_app", "Please check if your app mode matches the right API route.", BotRejectedError),
    (400, "not_workflow_app", "Please check if your app mode matches the right API route.", BotRejectedError),
    (400, "conversation_completed", "The conversation has ended. Please start a new conversation.", BotRejectedError),
    (400, "provider_not_initialize", "Model stub-gone credentials is not initialized.", BotRejectedError),
    (400, "provider_quota_exceeded", "Your quota is exhausted.", BotQuotaError),
    (400, "model_currently_not_support", "Dify Hosted OpenAI trial currently not support it.", BotRejectedError),
    (400, "completion_request_error", "Completion request failed.", BotServerError),
    (400, "agent_not_published", "Agent not published.", BotRejectedError),
    (400, "no_audio_uploaded", "Please upload your audio.", BotRejectedError),
    (400, "bad_request_key_error", "file is missing", BotRejectedError),
    (400, "provider_not_support_speech_to_text", "Provider not support speech to text.", BotRejectedError),
    (400, "speech_to_text_disabled", "Speech to text is disabled.", BotRejectedError),
    (400, "no_file_uploaded", "Please upload your file.", BotRejectedError),
    (400, "too_many_files", "Only one file is allowed.", BotRejectedError),
    (400, "filename_not_exists_error", "The specified filename does not exist.", BotRejectedError),
    (400, "file_extension_blocked", "The file extension is blocked.", BotRejectedError),
    (400, "invalid_form_data", "Missing field", BotRejectedError),
    (400, "dataset_not_initialized", "The dataset is still being initialized or indexing.", BotRejectedError),
    (401, "unauthorized", "Access token is invalid", BotAuthError),
    (403, "workflow_version_execution_not_allowed", "Not on this plan.", BotQuotaError),
    (403, "file_access_denied", "Access to the requested file is denied.", BotAuthError),
    (403, "forbidden", KNOWLEDGE_LIMIT, BotQuotaError),
    (403, "forbidden", "The app's API service has been disabled.", BotAuthError),
    (404, "not_found", "Conversation Not Exists.", BotNotFoundError),
    (404, "file_not_found", "The requested file was not found.", BotNotFoundError),
    (404, "end_user_not_found", "End user not found.", BotNotFoundError),
    (405, "method_not_allowed", "The method is not allowed for the requested URL.", BotRejectedError),
    (412, "human_input_form_submitted", "This form has already been submitted by another user", BotRejectedError),
    (412, "human_input_form_expired", "This form has expired", BotRejectedError),
    (413, "file_too_large", "File size exceeded. {message}", BotRejectedError),
    (413, "audio_too_large", "Audio size exceeded.", BotRejectedError),
    (415, "unsupported_file_type", "File type not allowed.", BotRejectedError),
    (415, "unsupported_audio_type", "Audio type not allowed.", BotRejectedError),
    (415, "unsupported_media_type", "Did not attempt to load JSON data.", BotRejectedError),
    (429, "too_many_requests", TOO_MANY, BotRateLimitError),
    (429, "rate_limit_error", "Workflow execution quota limit reached for tenant x.", BotQuotaError),
    (500, "internal_server_error", "Internal Server Error, please contact support.", BotServerError),
    (500, "unknown", "Internal Server Error", BotServerError),
    # A status whose code is not known, or that comes without one.
    (401, "", "", BotAuthError),
    (402, "", "", BotQuotaError),
    (403, "", "", BotAuthError),
    (404, "", "", BotNotFoundError),
    (405, "", "", BotRejectedError),
    (408, "", "", BotServerError),
    (413, "", "", BotRejectedError),
    (429, "", "", BotRateLimitError),
    (429, "brand_new_code", "Slow down", BotRateLimitError),
    (400, "brand_new_code", "No", BotRejectedError),
    (400, "", "", BotRejectedError),
    (409, "", "", BotRejectedError),
    (418, "", "", BotRejectedError),
    (500, "", "", BotServerError),
    (502, "", "", BotServerError),
    (503, "", "", BotServerError),
    (504, "", "", BotServerError),
    (522, "", "", BotServerError),
    (599, "brand_new_code", "No", BotServerError),
]


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    CASES,
    ids=[f"{status} {code or 'no code'} {message[:12]}".strip() for status, code, message, _ in CASES],
)
def test_a_refusal_is_an_error_of_its_class(status: int, code: str, message: str, kind: type[BotReplyError]) -> None:
    body = body_of(code, message, status=status) if code else b""

    error = refusal(head_of(status), body)

    assert type(error) is kind
    assert (error.platform, error.http_status, error.code, error.in_stream) == ("dify", status, code, False)
    assert error.retryable is (kind is BotRateLimitError)
    assert str(error).startswith(f"dify: {status} {code}: " if code else f"dify: {status}: ")
    assert message in str(error)
    assert str(error).endswith(".")
    assert "\n" not in str(error)


@pytest.mark.parametrize("row", ERROR_TABLE, ids=lambda row: f"{row.status or ''} {row.code or ''} {row.begins[:8]}")
def test_every_row_of_the_table_is_reached_and_says_what_to_do(row: Any) -> None:
    found = []
    for status, code, message, _ in CASES:
        matches = row.status in (None, status) and row.code in (None, code) and message.startswith(row.begins)
        if matches and str(refusal(head_of(status), body_of(code, message) if code else b"")).endswith(row.cure):
            found.append(code)

    assert found
    assert row.cure.endswith(".")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirect_is_an_error_of_its_own_kind(status: int) -> None:
    error = refusal(head_of(status, location="https://elsewhere.example.com/v1"), b"<html>Moved</html>")

    assert type(error) is BotReplyError
    assert "redirect" in str(error)
    assert (error.http_status, error.retryable) == (status, False)


NGINX_504 = b"<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n<hr>nginx</html>\r\n"
FLASK_404 = b"<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"


@pytest.mark.parametrize(
    ("status", "body", "kind", "seen"),
    [
        (504, NGINX_504, BotServerError, "504 Gateway Time-out"),
        (404, FLASK_404, BotNotFoundError, "404 Not Found"),
        (413, b"<html>Request Entity Too Large</html>", BotRejectedError, "Too Large"),
        (429, b"error code: 1015", BotRateLimitError, "1015"),
        (502, b"\xff\xfe\x00", BotServerError, "no JSON"),
        (500, b'"a string"', BotServerError, "a string"),
        (500, b"[]", BotServerError, "no JSON"),
        (500, b"", BotServerError, "no reason given"),
        (500, b'{"message":null,"code":null}', BotServerError, "no reason given"),
        (500, b'{"message":{"a":1},"code":[1],"status":"x"}', BotServerError, "no reason given"),
    ],
    ids=["nginx", "flask", "too large", "plain text", "no text", "a string", "a list", "nothing", "nulls", "odd"],
)
def test_a_body_that_is_no_refusal_of_difys_is_judged_by_its_status(
    status: int, body: bytes, kind: type[BotReplyError], seen: str
) -> None:
    error = refusal(head_of(status, content_type="text/html"), body)

    assert type(error) is kind
    assert error.http_status == status
    assert seen in str(error)
    assert str(error).startswith(f"dify: {status}")
    assert str(error).endswith(".")
    assert "\n" not in str(error)


@pytest.mark.parametrize("body", [b"", b'{"code":"unknown"}', b'{"message":""}'], ids=["nothing", "a code", "no word"])
def test_a_refusal_without_a_reason_is_told_in_whole_sentences(body: bytes) -> None:
    assert "no reason given. " in str(refusal(head_of(500), body))


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b'{"detail": "Not authenticated"}', "Not authenticated. "),
        (b'{"detail": [{"loc": ["body", "user"], "msg": "field required"}]}', "field required"),
        (b'{"detail": null, "message": "Locked."}', "Locked. "),
    ],
)
def test_a_gateway_that_gives_its_reason_as_detail_is_quoted(body: bytes, seen: str) -> None:
    assert seen in str(refusal(head_of(403), body))


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_failure_is_not_posted_again_whatever_its_body_calls_it(status: int) -> None:
    error = refusal(head_of(status), body_of("too_many_requests", "Slow down.", status=429))
    assert not error.retryable


def test_the_status_in_a_body_does_not_have_to_be_there() -> None:
    error = refusal(head_of(400), body_of("invalid_param", "limit is wrong", params="limit"))

    assert (type(error), error.http_status) == (BotRejectedError, 400)


@pytest.mark.parametrize("body", [b'{"message":"no"}', b'{"code":null,"message":"no"}'], ids=["absent", "null"])
def test_a_code_that_is_none_is_no_text(body: bytes) -> None:
    error = refusal(head_of(400), body)

    assert error.code == ""
    assert str(error).startswith("dify: 400: no. ")


def test_a_code_that_is_a_number_is_text() -> None:
    assert refusal(head_of(400), b'{"code":40127,"message":"no"}').code == "40127"


@pytest.mark.parametrize("name", ["x-trace-id", "x-request-id"])
def test_the_platforms_id_of_the_request_is_kept(name: str) -> None:
    assert refusal(ResponseHead(500, {name: "trace-7"}), b"").request_id == "trace-7"


def test_a_reason_of_several_lines_is_told_on_one() -> None:
    error = refusal(head_of(400), body_of("invalid_param", "one\n  two\r\n\tthree"))

    assert "one two three. " in str(error)


@pytest.mark.parametrize("message", ["Really?", "Stop!", "No.", "Wait…"])
def test_a_reason_that_ends_a_sentence_gets_no_second_stop(message: str) -> None:
    assert f"{message} Correct" in str(refusal(head_of(400), body_of("bad_request", message)))


HINT = "You have requested this URI [/v1/chat-messages] but did you mean /v1/chat-messages"


@pytest.mark.parametrize(
    "tail", [f" {HINT} ?", f" {HINT} or /v1/chat-messages/<string:task_id>/stop ?", ""], ids=["one", "several", "none"]
)
def test_the_hint_at_other_paths_is_left_out(tail: str) -> None:
    error = refusal(head_of(404), body_of("not_found", f"Conversation Not Exists.{tail}", status=404))

    assert "dify: 404 not_found: Conversation Not Exists. Check" in str(error)
    assert "did you mean" not in str(error)


# When to come back


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("0", 0.0), ("soon", None), ("", None)],
    ids=["whole", "half", "at once", "no number", "empty"],
)
def test_retry_after_in_seconds_is_kept(value: str, seconds: float | None) -> None:
    assert refusal(head_of(429, retry_after=value), b"").retry_after_s == seconds


def test_retry_after_as_a_date_that_has_passed_is_no_wait() -> None:
    assert refusal(head_of(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"), b"").retry_after_s == 0.0


def test_retry_after_as_a_date_to_come_is_a_wait() -> None:
    seconds = refusal(head_of(429, retry_after="Wed, 21 Oct 2099 07:28:00 GMT"), b"").retry_after_s

    assert seconds is not None
    assert seconds > 1_000_000


@pytest.mark.parametrize(
    ("status", "headers", "retryable"),
    [
        (503, {"retry-after": "3"}, True),
        (503, {"retry-after": "0"}, True),
        (503, {}, False),
        (503, {"retry-after": "soon"}, False),
        (500, {"retry-after": "3"}, False),
        (502, {"retry-after": "3"}, False),
        (504, {"retry-after": "3"}, False),
        (429, {}, True),
        (429, {"retry-after": "3"}, True),
    ],
)
def test_only_what_was_put_off_may_be_posted_again(status: int, headers: dict[str, str], retryable: bool) -> None:
    assert refusal(ResponseHead(status, headers), b"").retryable is retryable


# How much of a refusal is read


def test_a_refusal_is_known_by_its_status_when_its_body_hangs(app: DifyApp, drive: Drive) -> None:
    played = drive(app.ask(Question("Rain?", user="ann")), (head_of(401), [None]))

    assert type(played.error) is BotAuthError
    assert played.waits == [5.0]


def test_what_came_of_a_hanging_body_is_used(app: DifyApp, drive: Drive) -> None:
    body = body_of("unauthorized", "Access token is invalid", status=401)

    played = drive(app.ask(Question("Rain?", user="ann")), (head_of(401), [body, None]))

    assert (type(played.error), played.error.code) == (BotAuthError, "unauthorized")


@pytest.mark.parametrize(
    "chunks",
    [[b"{", BotTruncatedError("dify: broken.")], [b"x" * 40_000] * 3],
    ids=["breaks off", "never ends"],
)
def test_a_refusal_is_known_by_its_status_when_its_body(app: DifyApp, drive: Drive, chunks: list[Any]) -> None:
    played = drive(app.ask(Question("Rain?", user="ann")), (head_of(404), chunks))

    assert (type(played.error), played.error.http_status) == (BotNotFoundError, 404)


def test_a_refusal_in_pieces_is_one(app: DifyApp, drive: Drive) -> None:
    body = body_of("not_chat_app", "Please check if your app mode matches the right API route.", status=400)

    played = drive(app.ask(Question("Rain?", user="ann")), (head_of(400), [body[:9], body[9:]]))

    assert (type(played.error), played.error.code) == (BotRejectedError, "not_chat_app")


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "application/xml"])
def test_a_success_of_another_type_is_a_protocol_error_that_names_it(
    app: DifyApp, drive: Drive, content_type: str
) -> None:
    played = drive(app.ask(Question("Rain?", user="ann")), (head_of(200, content_type=content_type), b"hello"))

    assert type(played.error) is BotProtocolError
    assert content_type in str(played.error)
    assert "'hello'" in str(played.error)
