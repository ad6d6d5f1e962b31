"""When a stream begins with silence: whether there is anything to wait for.

A chatflow of 1.14 answers an unknown conversation, or a required input that is missing, with HTTP 200, one ping and
300 s of nothing. Other calls of the same server tell the reason at once.

Recorded: 1.14.2/err-unknown-conversation-chatflow-stream, 1.14.2/err-required-input-missing-chatflow-stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from remote_chatbots.errors import BotError, BotRejectedError
from remote_chatbots.flow import Aside, Flow
from remote_chatbots.framing import parse_json
from remote_chatbots.platforms.dify.errors import NAME, refusal
from remote_chatbots.question import Question
from remote_chatbots.wire import HttpRequest, ResponseHead

Get = Callable[[str], HttpRequest]


def look_into(question: Question, get: Get, hidden: tuple[str, ...]) -> Flow[None]:
    """Ask the server beside the silent stream whether the question can be answered; return if nothing is wrong.

    Args:
        question: The question that was sent.
        get: Makes a GET request of a path with its query.
        hidden: What no error message may repeat.

    Raises:
        BotNotFoundError: If the conversation is unknown, or another user's.
        BotRejectedError: If an input that the app requires is missing.
    """
    if question.conversation_id:
        asked = {"conversation_id": question.conversation_id, "user": question.user, "limit": "1"}
        status, body, head = yield from _got(get(f"/messages?{urlencode(asked)}"))
        error = refusal(head, body, hidden) if status in (400, 404) else None
        if error is not None and error.code in ("not_found", "invalid_param"):  # no gateway that knows no such path
            raise error
    status, body, head = yield from _got(get("/parameters"))
    if question.conversation_id and not _reads_inputs_each_turn(head):
        return
    missing = [name for name in _required(body) if question.inputs.get(name) in (None, "")] if status == 200 else []
    if missing:
        raise BotRejectedError(
            f"{NAME}: {missing[0]} is required in input form. Give it in inputs, with every turn.",
            platform=NAME,
            http_status=400,
            code="invalid_param",
        )


def _got(request: HttpRequest) -> Flow[tuple[int, bytes, Any]]:
    try:
        head, body = yield Aside(request)
    except BotError:
        return 0, b"", None  # not to be had: that says nothing of the question
    return head.status, body, head


def _reads_inputs_each_turn(head: ResponseHead | None) -> bool:
    """Return whether the server is known to be of 1.0 or later; one of 0.x goes on with a conversation's first inputs.

    Recorded: each answer of 0.15.3 and 1.14.2 names its version in `X-Version`.
    """
    version = "" if head is None else head.headers.get("x-version", "")
    return version[:1].isdigit() and not version.startswith("0.")


def _required(body: bytes) -> list[str]:
    """Return the names of the variables that the app's input form requires and gives no default."""
    try:
        form = parse_json(body).get("user_input_form")
    except (ValueError, AttributeError):
        return []
    if not isinstance(form, list):
        return []
    controls = [control for item in form if isinstance(item, Mapping) for control in item.values()]
    return [
        control["variable"]
        for control in controls
        if isinstance(control, Mapping)
        and control.get("required")
        and not control.get("default")
        and isinstance(control.get("variable"), str)
    ]
