"""What a Dify app keeps, and can be told, beside its answers: history, conversations, variables, ratings, suggestions.

Sources: Dify API reference, "Chat"; the recordings of 0.15.3 and 1.14.2 named below.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from remote_chatbots.errors import BotRejectedError, BotUsageError
from remote_chatbots.events import MediaProduced
from remote_chatbots.flow import Flow, call_json, open_reply, read_body
from remote_chatbots.framing import parse_json
from remote_chatbots.platforms.dify.errors import NAME, not_allowed, refusal
from remote_chatbots.platforms.dify.values import source_of, usage_of
from remote_chatbots.reading import mapping, text, whole
from remote_chatbots.retry import RetryPolicy
from remote_chatbots.stored import Rating, StoredConversation, StoredMessage, StoredVariable
from remote_chatbots.timeouts import Settings
from remote_chatbots.wire import HttpRequest, json_request

PAGE_SIZE = 100
_LONGEST_LITERAL = 100_000


@dataclass(frozen=True, slots=True)
class Management:
    """The small calls of one app, as flows.

    Attributes:
        base_url: The server's API, with its version.
        headers: What every request carries. Not in `repr`: it holds the key.
        settings: Patience and sizes.
        hidden: What no error message may repeat.
    """

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    settings: Settings
    hidden: tuple[str, ...] = field(repr=False)

    def history(self, conversation_id: str, user: str, limit: int | None) -> Flow[list[StoredMessage]]:
        """Return the messages of a conversation, the oldest first; each of the server's records is two of them.

        Pages go back in time. The server knows whole seconds, and a page loses the turns that were made in the same
        second as the oldest of the page before it (recorded: 1.14.2/messages-same-second-page-1): so the next page
        begins at the second before which all are known, and what comes twice is dropped.
        """
        found: dict[str, dict[str, Any]] = {}
        first_id = ""
        while limit is None or 2 * len(found) < limit:
            query = {"conversation_id": conversation_id, "user": user, "limit": PAGE_SIZE}
            told = yield from self._read("/messages", query | ({"first_id": first_id} if first_id else {}))
            page = _items(told)
            if page and (whole(page[0].get("created_at")) or 0) > (whole(page[-1].get("created_at")) or 0):
                page.reverse()  # as the documents have it; servers are recorded to begin with the oldest
            new = [one for one in page if text(one.get("id")) not in found]
            found = {text(one.get("id")): one for one in new} | found
            if not new or not (told.get("has_more") or len(page) >= PAGE_SIZE):
                break
            oldest = whole(page[0].get("created_at"))
            first_id = next(
                (text(one["id"]) for one in page if one.get("created_at") != oldest), text(page[0].get("id"))
            )
        turns = sorted(found.values(), key=lambda one: whole(one.get("created_at")) or 0)
        messages = [message for turn in turns for message in _messages(turn, conversation_id)]
        return messages if limit is None else messages[max(0, len(messages) - limit) :]

    def conversations(self, user: str, limit: int | None) -> Flow[list[StoredConversation]]:
        """Return the conversations of a user, the newest first."""
        found: list[StoredConversation] = []
        last_id = ""
        while limit is None or len(found) < limit:
            query = {"user": user, "limit": PAGE_SIZE} | ({"last_id": last_id} if last_id else {})
            told = yield from self._read("/conversations", query)
            page = [_conversation(one, user) for one in _items(told)]
            found += page
            if not page or not told.get("has_more"):
                break
            last_id = page[-1].conversation_id
        return found[:limit]

    def rename(self, conversation_id: str, name: str, user: str) -> Flow[str]:
        """Name a conversation, or have the model name it; return the name."""
        payload = {"user": user} | ({"name": name} if name else {"auto_generate": True})
        told = yield from self._call(self._post(f"/conversations/{_part(conversation_id)}/name", payload))
        return text(told.get("name")) or name  # a server of 2023 says no more than that it is done

    def delete(self, conversation_id: str, user: str) -> Flow[None]:
        """Delete a conversation. What the body says, if there is one, differs from age to age."""
        request = json_request(
            "DELETE", f"{self.base_url}/conversations/{_part(conversation_id)}", self.headers, {"user": user}
        )
        yield from open_reply(request, error_of=partial(refusal, hidden=self.hidden), policy=self._policy())
        yield from read_body(self.settings.max_event_bytes, NAME)

    def stop(self, task_id: str, user: str) -> Flow[None]:
        """Stop an answer under way. The server says yes to any id."""
        yield from self._call(self.stop_request(task_id, user))

    def stop_request(self, task_id: str, user: str) -> HttpRequest:
        """Return the request that stops an answer."""
        return self._post(f"/chat-messages/{_part(task_id)}/stop", {"user": user})

    def variables(self, conversation_id: str, user: str) -> Flow[list[StoredVariable]]:
        """Return the conversation variables of a chatflow."""
        found: list[StoredVariable] = []
        last_id = ""
        while True:
            query = {"user": user, "limit": PAGE_SIZE} | ({"last_id": last_id} if last_id else {})
            told = yield from self._read(f"/conversations/{_part(conversation_id)}/variables", query)
            page = [_variable(one) for one in _items(told)]
            found += page
            if not page or not told.get("has_more"):
                return found
            last_id = page[-1].variable_id

    def set_variable(self, conversation_id: str, variable: str, value: Any, user: str) -> Flow[StoredVariable]:
        """Set a conversation variable, given by its name or its id.

        Raises:
            BotUsageError: If the conversation has no such variable.
        """
        known = yield from self.variables(conversation_id, user)
        match = next((one for one in known if variable in (one.name, one.variable_id)), None)
        if match is None:
            names = ", ".join(one.name for one in known) or "none"
            raise BotUsageError(
                f"{NAME}: the conversation has no variable {variable!r}. Give one of: {names}.", platform=NAME
            )
        path = f"/conversations/{_part(conversation_id)}/variables/{_part(match.variable_id)}"
        payload = {"value": value, "user": user}
        return _variable((yield from self._call(json_request("PUT", self.base_url + path, self.headers, payload))))

    def feedback(self, message_id: str, rating: Rating | None, user: str, comment: str) -> Flow[None]:
        """Rate an answer; None takes the rating back, and is fine where there is none."""
        if rating not in ("like", "dislike", None):
            raise BotUsageError(f'{NAME}: rating must be "like", "dislike" or None. Give one of these.', platform=NAME)
        payload = {"rating": rating, "user": user} | ({"content": comment} if comment else {})
        try:
            yield from self._call(self._post(f"/messages/{_part(message_id)}/feedbacks", payload), may_be_bare=True)
        except BotRejectedError as error:
            # Recorded: 1.14.2/err-feedback-null-when-none.
            if rating is not None or "feedback not exists" not in error.message:
                raise

    def suggestions(self, message_id: str, user: str) -> Flow[list[str]]:
        """Return questions that a user may ask next."""
        told = yield from self._read(f"/messages/{_part(message_id)}/suggested", {"user": user})
        questions = told.get("data")
        return [one for one in questions if isinstance(one, str)] if isinstance(questions, list) else []

    def _read(self, path: str, query: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        return self._call(HttpRequest("GET", f"{self.base_url}{path}?{urlencode(query)}", self.headers))

    def _post(self, path: str, payload: object) -> HttpRequest:
        return json_request("POST", self.base_url + path, self.headers, payload)

    def _call(self, request: HttpRequest, *, may_be_bare: bool = False) -> Flow[dict[str, Any]]:
        """Make a call, and return the object that it is answered with.

        Args:
            request: The call.
            may_be_bare: Whether the answer may be a word instead, as a server of 2023 gives it.
        """
        _, body, told = yield from call_json(
            request,
            error_of=partial(refusal, hidden=self.hidden),
            policy=self._policy(),
            limit_bytes=self.settings.max_event_bytes,
            platform=NAME,
        )
        if may_be_bare and isinstance(told, str):
            return {"result": told}
        if not isinstance(told, dict):
            raise not_allowed("the reply is no object", body, self.hidden)
        return told

    def _policy(self) -> RetryPolicy:
        return RetryPolicy(max_retries=self.settings.max_retries)


def _part(id_: str) -> str:
    if not isinstance(id_, str) or not id_ or set(id_) <= {"."}:
        raise BotUsageError(f"{NAME}: an id is missing. Give the one that the server gave.", platform=NAME)
    return quote(id_, safe="")


def _items(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    items = told.get("data")
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []


def _messages(turn: dict[str, Any], conversation_id: str) -> tuple[StoredMessage, StoredMessage]:
    """Return the question and the answer that one of the server's records holds."""
    files = turn.get("message_files")
    files = [one for one in files if isinstance(one, dict)] if isinstance(files, list) else []
    sources = turn.get("retriever_resources")
    rating = mapping(turn.get("feedback")).get("rating")
    known: dict[str, Any] = {
        "message_id": text(turn.get("id")),
        "conversation_id": text(turn.get("conversation_id")) or conversation_id,
        "created_at": whole(turn.get("created_at")),
        "raw": turn,
    }
    counted = {
        "prompt_tokens": turn.get("message_tokens"),
        "completion_tokens": turn.get("answer_tokens"),
        "total_tokens": turn.get("total_tokens"),
        "total_price": turn.get("total_price"),
        "currency": turn.get("currency"),
        "latency": turn.get("provider_response_latency"),
    }
    question = StoredMessage("user", text(turn.get("query")), media=_media(files, of_user=True), **known)
    answer = StoredMessage(
        "assistant",
        text(turn.get("answer")),
        rating=rating if rating in ("like", "dislike") else None,
        media=_media(files, of_user=False),
        sources=tuple(source_of(one) for one in sources if isinstance(one, dict)) if isinstance(sources, list) else (),
        usage=usage_of(counted) if "total_tokens" in turn else None,
        **known,
    )
    return question, answer


def _media(files: list[dict[str, Any]], *, of_user: bool) -> tuple[MediaProduced, ...]:
    return tuple(
        MediaProduced(
            text(one.get("type")) or "file",
            url=text(one.get("url")),
            mime_type=text(one.get("mime_type")),
            id=text(one.get("id")),
            raw=one,
        )
        for one in files
        if (one.get("belongs_to") == "user") is of_user
    )


def _conversation(told: dict[str, Any], user: str) -> StoredConversation:
    return StoredConversation(
        conversation_id=text(told.get("id")),
        name=text(told.get("name")),
        user=user,
        created_at=whole(told.get("created_at")),
        updated_at=whole(told.get("updated_at")) or whole(told.get("created_at")),
        raw=told,
    )


def _variable(told: dict[str, Any]) -> StoredVariable:
    kind = text(told.get("value_type"))
    return StoredVariable(
        variable_id=text(told.get("id")),
        name=text(told.get("name")),
        kind=kind,
        value=_value(told.get("value"), kind),
        description=text(told.get("description")),
        raw=told,
    )


def _value(told: Any, kind: str) -> Any:
    """Return a variable's value, which the server writes as text: as JSON, or as Python would print it."""
    if not isinstance(told, str) or kind in ("string", "secret", "") or len(told) > _LONGEST_LITERAL:
        return told
    try:
        return parse_json(told.encode())
    except ValueError:
        pass
    try:
        return ast.literal_eval(told)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return told
