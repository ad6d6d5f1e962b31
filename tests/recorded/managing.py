"""The recorded small calls of a Dify app, made by the library; and what must come of them, read from the recording."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from remote_chatbots import AsyncBotClient, BotClient, BotError, DifyApp, StoredConversation, StoredMessage
from tests.recorded.asking import KEY, TIMEOUT_S, expected_of_error, outcome_of_error
from tests.recorded.recordings import Recording, small_calls, told_by

# Recordings whose request this library cannot make, and why.
NOT_MADE = {
    "chat-stop-no-user": "a call without a user is refused before it is sent",
    "conversations-no-user": "a call without a user is refused before it is sent",
    "conversations-page-2": "asked after a page alone: see the chain of pages",
    "conversations-sort-created": "the order is the server's own, the newest first",
    "err-conversation-delete-no-body": "the user goes with it, so there is a body",
    "err-conversation-rename-nothing": "no name means an automatic one",
    "err-conversations-bad-sort": "the order is the server's own, the newest first",
    "err-conversations-unknown-last-id": "a page is asked for by an id of the page before",
    "err-feedback-bad-rating": "a rating that there is not is refused before it is sent",
    "err-messages-limit-0": "where nothing is wanted, nothing is asked for",
    "err-messages-limit-101": "a page has 100 turns at most",
    "err-messages-unknown-first-id": "a page is asked for by an id of the page before",
    "messages-before-oldest": "a page is asked for by an id of the page before, and this one was the last",
    "messages-page-2": "asked after a page alone: see the chain of pages",
    "messages-page-3-last": "asked after a page alone: see the chain of pages",
}
MADE = [exchange for exchange in small_calls() if exchange.name not in NOT_MADE]

# Refusals that are no failure: what was asked for is so already.
SO_ALREADY = {"err-feedback-null-when-none"}

_DEFAULT_LIMIT = "20"
_PATHS = {
    ("GET", r"/v1/messages"): "history",
    ("GET", r"/v1/conversations"): "conversations",
    ("POST", r"/v1/conversations/([^/]+)/name"): "rename",
    ("DELETE", r"/v1/conversations/([^/]+)"): "delete",
    ("GET", r"/v1/conversations/([^/]+)/variables"): "variables",
    ("POST", r"/v1/messages/([^/]+)/feedbacks"): "feedback",
    ("GET", r"/v1/messages/([^/]+)/suggested"): "suggestions",
    ("POST", r"/v1/chat-messages/([^/]+)/stop"): "stop",
}


@dataclass(frozen=True)
class Call:
    """One call of a client: `client.<name>(*arguments, **named)`."""

    name: str
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)


def call_of(exchange: Recording) -> Call:
    """Return the call that makes the recorded request."""
    path, query, body = urlsplit(exchange.target).path, query_of(exchange.target), exchange.sent or {}
    name, ids = _name_and_ids(exchange.method, path)
    named: dict[str, Any] = {"user": query.get("user") or body["user"]}
    limit = int(query.get("limit", _DEFAULT_LIMIT))
    if name == "history":
        return Call(name, (query["conversation_id"],), named | {"limit": 2 * limit})
    if name == "conversations":
        return Call(name, (), named | {"limit": limit})
    if name == "rename":
        return Call(name, (*ids, body.get("name", "")), named)
    if name == "feedback":
        return Call(name, (*ids, body["rating"]), named)
    return Call(name, ids, named)


def _name_and_ids(method: str, path: str) -> tuple[str, tuple[str, ...]]:
    for (known, pattern), name in _PATHS.items():
        found = re.fullmatch(pattern, path)
        if found and method == known:
            return name, tuple(map(unquote, found.groups()))
    raise AssertionError(f"no call of a client is {method} {path}")


def query_of(target: str) -> dict[str, str]:
    """Return the query of a path, a limit that is left out as what it means."""
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return {"limit": _DEFAULT_LIMIT, **query} if parts.path in ("/v1/messages", "/v1/conversations") else query


def make(driver: str, url: str, call: Call) -> Any:
    """Make the call with a new client of `driver`; return what it gives, or the error that was raised."""
    app = DifyApp(KEY, url)

    async def make_async() -> Any:
        async with AsyncBotClient(app, timeout=TIMEOUT_S) as client:
            return await getattr(client, call.name)(*call.arguments, **call.named)

    try:
        if driver == "aiohttp":
            return asyncio.run(make_async())
        with BotClient(app, timeout=TIMEOUT_S) as client:
            return getattr(client, call.name)(*call.arguments, **call.named)
    except BotError as error:
        return error


def outcome_of(got: Any) -> Any:
    """Return what `got` says, to be compared with `expected_of`."""
    if isinstance(got, BotError):
        return outcome_of_error(got)
    if isinstance(got, list):
        return [outcome_of(one) for one in got]
    if isinstance(got, StoredMessage):
        return {
            "role": got.role,
            "text": got.text,
            "ids": (got.message_id, got.parent_message_id, got.conversation_id),
            "created_at": got.created_at,
            "rating": got.rating,
            "resources": [source.raw for source in got.sources],
            "sources": [(s.content, s.title, s.segment_id, s.score, s.position) for s in got.sources],
            "files": [media.raw for media in got.media],
            "usage": got.usage,
            "error": got.error,
            "raw": got.raw,
        }
    if isinstance(got, StoredConversation):
        return {
            "id": got.conversation_id,
            "name": got.name,
            "user": got.user,
            "times": (got.created_at, got.updated_at),
            "message_count": got.message_count,
            "raw": got.raw,
        }
    return got


def expected_of(exchange: Recording, call: Call) -> Any:
    """Return what the recording says must come of the recorded call."""
    if exchange.name in SO_ALREADY:
        return None
    if exchange.status >= 400:
        return expected_of_error(told_by(exchange))
    said = json.loads(exchange.body)
    match call.name:
        case "history":
            return messages_in(said)
        case "conversations":
            return [_conversation(one, call.named["user"]) for one in said["data"]]
        case "suggestions" | "variables":
            return said["data"]
        case "rename":
            return said["name"]
    assert said == {"result": "success"}
    return None


def messages_in(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a page of a history holds: the oldest first, those of one second as the server has them."""
    turns = sorted(said["data"], key=lambda turn: turn["created_at"])
    return [message for turn in turns for message in (_message(turn, "user"), _message(turn, "assistant"))]


def _message(turn: Mapping[str, Any], role: str) -> dict[str, Any]:
    answers = role == "assistant"
    found = turn["retriever_resources"] if answers else []
    return {
        "role": role,
        "text": turn["answer" if answers else "query"],
        # One record of the server is a question and its answer: both have its id, and neither names the other.
        "ids": (turn["id"], "", turn["conversation_id"]),
        "created_at": turn["created_at"],
        "rating": turn["feedback"]["rating"] if answers and turn["feedback"] else None,
        "resources": found,
        "sources": [
            (item["content"], item["document_name"], item["segment_id"], item["score"], item["position"])
            for item in found
        ],
        "files": [file for file in turn["message_files"] if (file["belongs_to"] == "user") is not answers],
        "usage": None,  # neither version tells it here
        "error": (turn["error"] or "") if answers else "",
        "raw": turn,
    }


def _conversation(said: Mapping[str, Any], user: str) -> dict[str, Any]:
    return {
        "id": said["id"],
        "name": said["name"],
        "user": user,
        "times": (said["created_at"], said["updated_at"]),
        "message_count": None,
        "raw": said,
    }
