"""The Dify of spring 2023, as its document of that time tells it: chat apps only, and little is told.

A stream is text without a name, without its conversation and without an end:

    data: {"id": "...", "answer": " I", "created_at": 1679586595}

It ends when the body does. Its conversation is found where the document has it: in a blocking answer, or as the first
item of `GET /conversations` of that user. A failure in it is `{"code", "message", "status"}`, also without a name.
There is no stop endpoint, no `GET /info`, no ping, no moderation, no automatic name, no suggestion. A page of messages
begins with the newest, and that a conversation has another name is said without the conversation.

Agents and chatflows came later. Their keys are answered as the keys of apps that are gone were then: 404 `not_found`,
where newer servers say 403 (a key that is none is 401 as ever).
"""

from __future__ import annotations

from typing import Any

from .apps import App, Variable
from .dialect import Event
from .encoding import spaced_event
from .ids import Ids
from .records import Record, Records
from .state import Conversation
from .turn import Message, Turn

_TEXT_KEYS = ("id", "answer", "created_at")
_ERROR_KEYS = ("code", "message", "status")


def event_of_2023(event: Event) -> bytes:
    """Write an event as that time had it, which is not at all if the time had no such event."""
    kind = event["event"]
    if kind in ("message_end", "tts_message", "tts_message_end"):
        return b""
    keys = {"message": _TEXT_KEYS, "error": _ERROR_KEYS}.get(kind, ())
    # An event that only a fault makes stays as it is.
    known = bool(keys) and event.keys() >= set(keys)
    return spaced_event({key: event[key] for key in keys} if known else event)


def _message(_app: App, message: Message, _ids: Ids) -> Record:
    return {
        "id": message.id,
        "conversation_id": message.conversation_id,
        "inputs": message.inputs,
        "query": message.query,
        "answer": message.answer,
        "feedback": message.rating,
        "created_at": message.created_at,
    }


def _conversation(conversation: Conversation) -> Record:
    return {
        "id": conversation.id,
        "name": conversation.name,
        "inputs": conversation.inputs,
        "status": "normal",
        "created_at": conversation.created_at,
    }


def _parameters(app: App) -> Record:
    return {"introduction": app.opening_statement, "variables": [_variable(each) for each in app.variables]}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "key": variable.name,
        "name": variable.label,
        "description": None,
        "type": "select" if variable.options else "string",
        "default": None,
        "options": list(variable.options) or None,
    }


def _answer(turn: Turn, _metadata: Record) -> Record:
    message = turn.message
    return {
        "answer": message.answer,
        "conversation_id": message.conversation_id,
        "created_at": message.created_at,
        "id": message.id,
    }


RECORDS_2023 = Records(
    message=_message,
    conversation=_conversation,
    info=App.info,
    parameters=_parameters,
    answer=_answer,
    renamed=lambda _: {"result": "success"},
    messages_tell_limit=False,
    newest_message_first=True,
)
