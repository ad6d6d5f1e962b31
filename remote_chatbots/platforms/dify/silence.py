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
from remote_chatbots.input_form import missing
from remote_chatbots.platforms.dify.discovery import form_of, reads_inputs_each_turn
from remote_chatbots.platforms.dify.errors import NAME, refusal
from remote_chatbots.question import Question
from remote_chatbots.reading import mapping
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
        head, body = yield from _got(get(f"/messages?{urlencode(asked)}"))
        error = refusal(head, body, hidden) if head.status in (400, 404) else None
        if error is not None and error.code in ("not_found", "invalid_param"):  # no gateway that knows no such path
            raise error
    head, body = yield from _got(get("/parameters"))
    version = head.headers.get("x-version", "")
    if head.status != 200 or (question.conversation_id and not reads_inputs_each_turn(version)):
        return
    if lacking := _missing(body, question.inputs):
        raise BotRejectedError.of(
            NAME,
            f"{lacking[0]} is required in input form. Give it in inputs, with every turn.",
            http_status=400,
            code="invalid_param",
        )


def _got(request: HttpRequest) -> Flow[tuple[ResponseHead, bytes]]:
    try:
        head, body = yield Aside(request)
    except BotError:
        return ResponseHead(0, {}), b""  # not to be had: that says nothing of the question
    return head, body


def _missing(body: bytes, inputs: Mapping[str, Any]) -> list[str]:
    try:
        return missing(form_of(mapping(parse_json(body))), inputs)
    except ValueError:
        return []
