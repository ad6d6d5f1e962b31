"""What a Dify app keeps, and can be told, beside its answers: history, conversations, variables, ratings, suggestions.

Sources: Dify API reference, "Chat"; the recordings of 0.15.3 and 1.14.2 named below.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from remote_chatbots.errors import BotRejectedError, BotUsageError
from remote_chatbots.events import MediaProduced
from remote_chatbots.flow import Flow, look_up
from remote_chatbots.framing import parse_json
from remote_chatbots.platforms.dify.calls import Calls, known_id, path_part
from remote_chatbots.platforms.dify.errors import NAME
from remote_chatbots.platforms.dify.steps import stored_steps
from remote_chatbots.platforms.dify.values import media_of, source_of, usage_of
from remote_chatbots.reading import mapping, objects, text, texts, whole
from remote_chatbots.stored import Before, Rating, StoredConversation, StoredMessage, StoredVariable
from remote_chatbots.wire import HttpRequest

PAGE_SIZE = 100
LOOK_UP_SIZE = 3
_LONGEST_LITERAL = 100_000


class Management(Calls):
    """The small calls of one app, as flows."""

    __slots__ = ()

    def history(
        self, conversation_id: str, user: str, limit: int | None, before: Before = ""
    ) -> Flow[list[StoredMessage]]:
        """Return the messages of a conversation, the oldest first; each of the server's records is two of them.

        Pages go back in time, and no more of them are read than `limit` needs. The server knows whole seconds: a page
        loses the turns that were made in the same second as the oldest of the page before it, and neither counts them
        in `has_more` (recorded: messages-same-second-page-1 of both versions). So a full page is never taken for the
        last, the next one begins at the second before which all are known, and what comes twice is dropped. Turns of
        one second stay in the server's order, which is any (recorded: messages-same-second-all). Behind what was read
        already, turns of its oldest second come again, for there may be more of them.
        """
        query = {"conversation_id": known_id(conversation_id), "user": user}
        read = () if isinstance(before, str) else before
        since = max((one.created_at or 0 for one in read), default=None)
        again = {one.message_id for one in read if one.created_at == read[0].created_at}
        first_id = before if isinstance(before, str) else _later_than_oldest(read)
        size = _page_size(None if limit is None else limit + 2 * len(again), of=2)
        found: dict[str, dict[str, Any]] = {}

        def wanted() -> list[dict[str, Any]]:
            return [turn for turn in found.values() if since is None or _time(turn) <= since]

        while limit is None or 2 * sum(text(turn.get("id")) not in again for turn in wanted()) < limit:
            position = {"first_id": first_id} if first_id else {}
            page, has_more = yield from self._page("/messages", query | position, size)
            if page and _time(page[0]) > _time(page[-1]):
                page.reverse()  # as the documents have it; servers are recorded to begin with the oldest
            new = {text(one.get("id")): one for one in page if text(one.get("id")) not in found}
            found = new | found
            if not new or not (has_more or len(page) >= size):
                break
            again_from = next((one for one in page if _time(one) != _time(page[0])), page[0])
            first_id = text(again_from.get("id"))
        known = {(one.message_id, one.role) for one in read}
        told = (message for turn in sorted(wanted(), key=_time) for message in _messages(turn, conversation_id))
        messages = [message for message in told if (message.message_id, message.role) not in known]
        return messages if limit is None else messages[max(0, len(messages) - limit) :]

    def newest_answers(self, conversation_id: str, user: str) -> Flow[dict[str, str]]:
        """Return the answers that may be a conversation's newest, by their ids what was asked; none if not to be told.

        Those of one second come in any order (recorded: messages-same-second-all): all of the last second are meant,
        and a full page of them may not hold them all.
        """
        query = {"conversation_id": known_id(conversation_id), "user": user, "limit": LOOK_UP_SIZE}
        found = objects(mapping((yield from look_up(self.reading("/messages", query)))).get("data"))
        newest = max(map(_time, found), default=0)
        asked = {text(one.get("id")): text(one.get("query")) for one in found if _time(one) == newest}
        return asked if len(asked) < LOOK_UP_SIZE else {}

    def conversations(self, user: str, limit: int | None, after: str = "") -> Flow[list[StoredConversation]]:
        """Return the conversations of a user, the newest first; those behind `after`, if that is given."""
        found = yield from self._listed("/conversations", user, limit, after)
        return [_conversation(one, user) for one in found]

    def conversations_page(
        self, user: str, limit: int | None, place: str
    ) -> Flow[tuple[list[StoredConversation], str]]:
        """Return one page of them, and the place at which the next begins; "" if there is none."""
        page, has_more = yield from self._page("/conversations", _behind(user, place), _page_size(limit))
        return [_conversation(one, user) for one in page], text(page[-1].get("id")) if page and has_more else ""

    def rename(self, conversation_id: str, name: str, user: str) -> Flow[str]:
        """Name a conversation, or have the model name it; return the name.

        Raises:
            BotUsageError: If the name is no text.
        """
        if not isinstance(name, str):
            raise BotUsageError.of(NAME, 'name must be text. Give one, or "" for an automatic one.')
        payload = {"user": user} | ({"name": name} if name else {"auto_generate": True})
        told = yield from self._done(self._write("POST", f"/conversations/{path_part(conversation_id)}/name", payload))
        return text(told.get("name")) or name  # a server of 2023 says no more than that it is done

    def delete(self, conversation_id: str, user: str) -> Flow[None]:
        """Delete a conversation."""
        yield from self._done(self._write("DELETE", f"/conversations/{path_part(conversation_id)}", {"user": user}))

    def stop(self, task_id: str, user: str) -> Flow[None]:
        """Stop an answer under way. The server says yes to any id (recorded: chat-stop-unknown-task)."""
        yield from self._done(self.stop_request(task_id, user))

    def stop_request(self, task_id: str, user: str) -> HttpRequest:
        """Return the request that stops an answer."""
        return self._write("POST", f"/chat-messages/{path_part(task_id)}/stop", {"user": user})

    def variables(self, conversation_id: str, user: str) -> Flow[list[StoredVariable]]:
        """Return the conversation variables of a chatflow."""
        found = yield from self._listed(f"/conversations/{path_part(conversation_id)}/variables", user)
        return [_variable(one) for one in found]

    def set_variable(self, conversation_id: str, variable: str, value: Any, user: str) -> Flow[StoredVariable]:
        """Set a conversation variable, given by its name or its id.

        Raises:
            BotUsageError: If the conversation has no such variable.
        """
        known = yield from self.variables(conversation_id, user)
        match = next((one for one in known if variable in (one.name, one.variable_id)), None)
        if match is None:
            names = ", ".join(one.name for one in known) or "none"
            raise BotUsageError.of(NAME, f"the conversation has no variable {variable!r}. Give one of: {names}.")
        path = f"/conversations/{path_part(conversation_id)}/variables/{path_part(match.variable_id)}"
        return _variable((yield from self._call(self._write("PUT", path, {"value": value, "user": user}))))

    def feedback(self, message_id: str, rating: Rating | None, user: str, comment: str) -> Flow[None]:
        """Rate an answer; None takes the rating back, and is fine where there is none.

        Raises:
            BotUsageError: If the rating is none.
        """
        if rating not in ("like", "dislike", None):
            raise BotUsageError.of(NAME, 'rating must be "like", "dislike" or None. Give one of these.')
        payload = {"rating": rating, "user": user} | ({"content": comment} if comment else {})
        try:
            yield from self._done(self._write("POST", f"/messages/{path_part(message_id)}/feedbacks", payload))
        except BotRejectedError as error:
            # Recorded: 1.14.2/err-feedback-null-when-none.
            if rating is not None or "feedback not exists" not in error.message:
                raise

    def suggestions(self, message_id: str, user: str) -> Flow[list[str]]:
        """Return questions that a user may ask next."""
        told = yield from self._call(self.reading(f"/messages/{path_part(message_id)}/suggested", {"user": user}))
        return texts(told.get("data"))

    def _listed(self, path: str, user: str, limit: int | None = None, last_id: str = "") -> Flow[list[dict[str, Any]]]:
        """Return the items of a list whose pages each begin after the last item of the one before."""
        found: dict[str, dict[str, Any]] = {}
        while limit is None or len(found) < limit:
            page, has_more = yield from self._page(path, _behind(user, last_id), _page_size(limit))
            new = {text(one.get("id")): one for one in page if text(one.get("id")) not in found}
            found |= new
            if not new or not has_more:
                break
            last_id = text(page[-1].get("id"))
        return list(found.values())[: None if limit is None else max(0, limit)]


def _page_size(limit: int | None, *, of: int = 1) -> int:
    """Return how many records of `of` items to ask for at a time, where `limit` items are wanted."""
    return PAGE_SIZE if limit is None else min(PAGE_SIZE, -(-limit // of))


def _behind(user: str, last_id: str) -> dict[str, str]:
    return {"user": user} | ({"last_id": last_id} if last_id else {})


def _later_than_oldest(read: Sequence[StoredMessage]) -> str:
    """Return the id of the first message that is later than the oldest second; "" if none is."""
    return next((one.message_id for one in read if one.created_at != read[0].created_at), "")


def _time(told: Mapping[str, Any]) -> int:
    return whole(told.get("created_at")) or 0


def _messages(turn: dict[str, Any], conversation_id: str) -> tuple[StoredMessage, StoredMessage]:
    """Return the question and the answer that one of the server's records holds."""
    files = objects(turn.get("message_files"))
    feedback = turn.get("feedback")
    rating: Any = feedback if isinstance(feedback, str) else mapping(feedback).get("rating")  # a bare word in 2023
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
        sources=tuple(map(source_of, objects(turn.get("retriever_resources")))),
        usage=usage_of(counted) if "total_tokens" in turn else None,
        beside=stored_steps(turn.get("agent_thoughts"), text(turn.get("answer"))),
        error=text(turn.get("error")),
        **known,
    )
    return question, answer


def _media(files: list[dict[str, Any]], *, of_user: bool) -> tuple[MediaProduced, ...]:
    return tuple(media_of(one) for one in files if (one.get("belongs_to") == "user") is of_user)


def _conversation(told: dict[str, Any], user: str) -> StoredConversation:
    return StoredConversation(
        conversation_id=text(told.get("id")),
        name=text(told.get("name")),
        user=user,
        created_at=whole(told.get("created_at")),
        updated_at=whole(told.get("updated_at")),
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
