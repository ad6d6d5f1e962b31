"""Dify's refusals, as errors of ours: one table from (status, code) to class.

Codes and statuses: Dify API reference, "Errors"; recorded: the err-* files of both server versions.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from remote_chatbots.errors import (
    BotAuthError,
    BotNotFoundError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
)
from remote_chatbots.redaction import Hidden, plain, shown, without_secrets
from remote_chatbots.refusals import known_of, refused, said_in, said_instead
from remote_chatbots.wire import ResponseHead

NAME = "dify"
UNKNOWN_UPLOAD = "Invalid upload file"
FORM_SUBMITTED = "human_input_form_submitted"


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        status: The HTTP status; None matches any.
        code: Dify's code; None matches any.
        begins: What the message must begin with. Only for refusals that Dify gives no code of their own.
        kind: The class.
        cure: What to do, as the message ends.
    """

    status: int | None
    code: str | None
    kind: type[BotReplyError]
    cure: str
    begins: str = ""


_KEY = "Check api_key: an app's begins with 'app-', a knowledge base's with 'dataset-', and neither opens the other."
_DATASET_KEY = (
    "api_key is a knowledge base's ('dataset-…'), and no app opens to it. Give the app's key ('app-…'), made in Dify "
    "under the app's API Access; knowledge bases themselves are searched by DifyKnowledge and its retrievers."
)
_SETUP = "Check the model's settings in Dify's workspace."
_FILE = "Check the file against the app's upload settings, and upload it as the same user that asks."

ERROR_TABLE: tuple[Row, ...] = (
    # An app at its limit says invalid_param at 400, not 429 (found on 0.15.3 and 1.14.2).
    Row(400, "invalid_param", BotRateLimitError, "Wait and ask again, or raise the app's limit.", "Too many requests"),
    # A run that failed: a stream tells the same by workflow_finished (recorded: chatflow-block-model-fail500).
    Row(400, "invalid_param", BotServerError, "Look at the run's log in Dify; the same question may work later.",
        "Run failed:"),
    Row(400, "invalid_param", BotRejectedError, "Upload the file again, as the same user that asks.", UNKNOWN_UPLOAD),
    Row(400, "invalid_param", BotRejectedError, "Give an address that Dify's server can reach, or the file's bytes.",
        "Reached maximum retries"),
    # Recorded: err-audio-disabled.
    Row(400, "invalid_param", BotRejectedError, "Switch speech to text on in the app's features.",
        "Speech to text is not enabled"),
    Row(400, "invalid_param", BotRejectedError, "Switch text to speech on in the app's features, or name a voice.",
        "TTS is not enabled"),
    Row(None, "invalid_param", BotRejectedError, "Correct what the message names: inputs, files, user or ids."),
    Row(400, "bad_request", BotRejectedError, "Switch follow-up questions on in the app's features.",
        "Suggested Questions Is Disabled"),
    Row(None, "bad_request", BotRejectedError, "Correct what the message names."),
    Row(None, "app_unavailable", BotRejectedError, "Publish the app, or complete its settings in Dify."),
    Row(None, "not_chat_app", BotRejectedError, "The key opens another kind of app: use a chatbot, agent or chatflow."),
    Row(None, "not_completion_app", BotRejectedError, "This key opens an app of another kind."),
    Row(None, "not_workflow_app", BotRejectedError, "Only a chatflow has this, and the key opens another kind of app."),
    Row(None, "conversation_completed", BotRejectedError, "Begin a new conversation."),
    Row(None, "provider_not_initialize", BotRejectedError, _SETUP),
    Row(None, "model_currently_not_support", BotRejectedError, _SETUP),
    Row(None, "provider_quota_exceeded", BotQuotaError, "Give Dify a model key of your own, or more credit."),
    Row(None, "completion_request_error", BotServerError, "The model behind the app failed: see its words, ask later."),
    Row(None, "agent_not_published", BotRejectedError, "Publish the agent in Dify."),
    Row(None, "no_audio_uploaded", BotRejectedError, _FILE),
    Row(None, "bad_request_key_error", BotRejectedError, _FILE),
    Row(None, "provider_not_support_speech_to_text", BotRejectedError, _SETUP),
    Row(None, "speech_to_text_disabled", BotRejectedError, "Switch speech to text on in the app's features."),
    Row(None, "no_file_uploaded", BotRejectedError, _FILE),
    Row(None, "too_many_files", BotRejectedError, _FILE),
    Row(None, "filename_not_exists_error", BotRejectedError, _FILE),
    Row(None, "file_extension_blocked", BotRejectedError, _FILE),
    Row(None, "invalid_form_data", BotRejectedError, "Fill in every field of the form, and choose one of its actions."),
    Row(None, "dataset_not_initialized", BotRejectedError, "Wait until the knowledge base is indexed."),
    Row(None, "unauthorized", BotAuthError, _KEY),
    Row(None, "workflow_version_execution_not_allowed", BotQuotaError, "Leave workflow_id out, or change the plan."),
    Row(None, "file_access_denied", BotAuthError, "Ask as the user, and with the key, that the file belongs to."),
    Row(403, "forbidden", BotQuotaError, "Slow down, or change the plan.",
        "Sorry, you have reached the knowledge base request rate limit"),
    Row(None, "forbidden", BotAuthError, "Switch the app's API access on, or use the key of an app that is there."),
    Row(None, "not_found", BotNotFoundError,
        "Check the id, and that it is asked for as the user, and with the key, that it was made with."),
    Row(None, "file_not_found", BotNotFoundError, _FILE),
    Row(None, "end_user_not_found", BotNotFoundError, "Check the id."),
    Row(None, "method_not_allowed", BotRejectedError, "This server does not offer the call; a newer Dify may."),
    Row(None, FORM_SUBMITTED, BotRejectedError, "It counts as it was submitted first: recover the answer."),
    Row(None, "human_input_form_expired", BotRejectedError, "The form is too old; ask again."),
    Row(None, "file_too_large", BotRejectedError, "Send a smaller file."),
    Row(None, "audio_too_large", BotRejectedError, "Send a shorter recording."),
    Row(None, "unsupported_file_type", BotRejectedError, _FILE),
    Row(None, "unsupported_audio_type", BotRejectedError, "Convert the recording to mp3, m4a or wav."),
    Row(None, "unsupported_media_type", BotRejectedError, "A proxy changed the request: it left as application/json."),
    Row(None, "too_many_requests", BotRateLimitError, "Wait and ask again, or raise the app's limit."),
    Row(None, "rate_limit_error", BotQuotaError, "The plan's quota is used up: wait for the next period."),
    Row(None, "internal_server_error", BotServerError, "Look at the server's log; the same question may work later."),
    Row(None, "unknown", BotServerError, "Look at the server's log; the same question may work later."),
    # Without a code that is known: by status alone (proxies, newer servers).
    Row(401, None, BotAuthError, _KEY),
    Row(403, None, BotAuthError, "Check api_key, and whether a proxy before the server refuses."),
    Row(402, None, BotQuotaError, "Check the plan."),
    Row(404, None, BotNotFoundError,
        "Check base_url (it usually ends in /v1) and the id; an older Dify may not have the call."),
    Row(405, None, BotRejectedError, "Check base_url: it usually ends in /v1."),
    Row(408, None, BotServerError, "Ask again later."),
    Row(413, None, BotRejectedError, "Send less, or raise the limit of the proxy before Dify."),
    Row(429, None, BotRateLimitError, "Wait and ask again."),
)  # fmt: skip


class HiddenOfApp(Hidden):
    """What no error of an app's calls may repeat. The key may be one that opens no app."""

    __slots__ = ()


_REDIRECT = "Give the address it redirects to as base_url: a key never follows a redirect."
_OTHER_4XX = "Correct the request."
_OTHER = (
    "The server, or a proxy before it, failed. A question may have arrived: look at the conversation's history before "
    "you ask again."
)


def refusal(head: ResponseHead, body: bytes, hidden: tuple[str, ...] = ()) -> BotReplyError:
    """Return the error that a response with a status of 300 or more means.

    Args:
        head: The response's head.
        body: Its body, as far as it could be read. JSON mostly; HTML from proxies, unknown paths and ids.
        hidden: What the message must not repeat: the key, the question.
    """
    told = said_instead(head, body, hidden) or said_in(body) or {}
    if "message" not in told and told.get("detail"):  # as FastAPI's gateways write it
        detail = told["detail"]
        told["message"] = detail if isinstance(detail, str) else shown(body, hidden)
    return error_from(told, head.status, hidden=hidden, **known_of(head, hidden))


def error_from(told: dict[str, Any], status: int, *, hidden: tuple[str, ...] = (), **known: Any) -> BotReplyError:
    """Return the error that Dify's `{"code", "message", "status"}` means, in a body or in an event.

    Args:
        told: The body or the event.
        status: The HTTP status, where `told` names none.
        hidden: What the message must not repeat: the key, the question.
        **known: More attributes of the error.
    """
    code = told.get("code")
    code = without_secrets(code if isinstance(code, str) else "" if code is None else str(code), hidden)
    named = told.get("status")
    # Gateways write other things there: 0, or 200 in each refusal.
    status = named if type(named) is int and 400 <= named < 600 else status
    message = _reason(told.get("message"), hidden)
    kind, cure = _class_of(status, code, _reason(told.get("message")))
    if cure is _KEY and isinstance(hidden, HiddenOfApp) and hidden[0].startswith("dataset-"):
        cure = _DATASET_KEY
    return refused(kind, cure, platform=NAME, status=status, code=code, message=message, **known)


def run_failed(reason: Any, hidden: tuple[str, ...] = ()) -> BotServerError:
    """Return the error of a workflow run that ended as failed (recorded: 1.14.2/chatflow-stream-model-fail500)."""
    told = _reason(reason, hidden) or "no reason given."
    cure = "Look at the run's log in Dify; the same question may work later."
    return BotServerError.of(NAME, f"the workflow failed: {told} {cure}", in_stream=True)


def not_allowed(what: str, data: bytes, hidden: tuple[str, ...] = ()) -> BotProtocolError:
    """Return the error of a reply that no Dify server makes."""
    return BotProtocolError.of(
        NAME,
        f"{what}: {shown(data, hidden)}. Check that base_url is a Dify server's API (it usually ends in /v1) "
        "and not a web page or another service.",
    )


def of_another(name: str) -> BotProtocolError:
    """Return the error of an event that names another conversation, answer or run than its turn's.

    No recorded stream, of either age, changes them.
    """
    return BotProtocolError.of(
        NAME,
        f"an event of the stream is another turn's: its {name} is not this one's. It was not taken. Check the "
        "proxy before the server: it may mix replies.",
    )


def refuses_blocking(body: bytes) -> bool:
    """Return whether a refusal says that the app only streams. It says so in words, under a general code."""
    return bool(re.search(rb"blocking mode|streaming response mode", body))


def _reason(told: Any, hidden: tuple[str, ...] = ()) -> str:
    """Return Dify's sentence.

    1.14 echoes input in pydantic's words (recorded: 1.14.2/err-missing-query) and hints at other paths behind
    its 404s (recorded: 1.14.2/err-chat-other-users-conversation).
    """
    said = told.partition(" You have requested this URI")[0] if isinstance(told, str) else ""
    return plain(_ECHO.sub("", said), hidden)


_ECHO = re.compile(r" \[type=\w+, input_value=.*?input_type=\w+\]|\s*For further information visit \S+", re.DOTALL)


def _class_of(status: int, code: str, message: str) -> tuple[type[BotReplyError], str]:
    for row in ERROR_TABLE:
        if row.status in (None, status) and row.code in (None, code) and message.startswith(row.begins):
            return row.kind, row.cure
    if 300 <= status < 400:
        return BotReplyError, _REDIRECT
    return (BotRejectedError, _OTHER_4XX) if 400 <= status < 500 else (BotServerError, _OTHER)
