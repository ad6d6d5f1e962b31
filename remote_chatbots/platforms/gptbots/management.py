"""What a GPTBots agent keeps, and can be told, beside its answers.

Names in quotes are pages of the GPTBots API reference. There is no call that deletes or renames a
conversation, or stops an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from remote_chatbots.errors import BotError, BotNotFoundError, BotReplyError, BotUsageError
from remote_chatbots.events import MediaProduced, Source
from remote_chatbots.flow import Flow, Sleep, call_json, look_up
from remote_chatbots.platforms.gptbots.calls import Calls
from remote_chatbots.platforms.gptbots.errors import NAME, code_of, refusal
from remote_chatbots.platforms.gptbots.values import seconds, source_of
from remote_chatbots.reading import mapping, objects, text, texts, whole
from remote_chatbots.resuming import LostAnswer, events_of
from remote_chatbots.retry import RetryPolicy
from remote_chatbots.stored import Before, Rating, StoredConversation, StoredMessage
from remote_chatbots.stream_reader import EventFilter
from remote_chatbots.timeouts import Settings
from remote_chatbots.wire import HttpRequest, ResponseHead

PAGE_SIZE = 100
_LIST = "/v1/bot/conversation/page"
LOOK_UP_SIZE = 10
LIST_PAGE_SIZE = 50  # one page says 1 to 100, another 10 to 100
# Whether the sources are there at once after the answer, no page says.
SOURCES_ASKED_AGAIN_S = (0.5, 1.0)
# How often, and after how long, an answer that came empty is looked for.
LOOKED_UP_TIMES = 5
LOOKED_UP_AFTER_S = 1.0
QUALITIES = ("NONE", "UNRESOLVED", "PARTIALLY_RESOLVED", "FULLY_RESOLVED")
_RATINGS: dict[Rating | None, str] = {"like": "POSITIVE", "dislike": "NEGATIVE", None: "CANCELED"}
_STORED_RATINGS: dict[str, Rating] = {"POSITIVE": "like", "GOOD": "like", "NEGATIVE": "dislike", "BAD": "dislike"}
_PAST_THE_END = "40005"
_FOR_EVER_MS = 4_102_444_800_000  # the year 2100: the list needs an end


@dataclass(frozen=True, slots=True)
class Management:
    """The small calls of one agent, as flows.

    Attributes:
        calls: Makes the requests.
        settings: Patience and sizes.
        hidden: What no error message may repeat.
    """

    calls: Calls
    settings: Settings
    hidden: tuple[str, ...]

    def create(self, user: str) -> Flow[str]:
        """Begin a conversation, and return its id. Each call begins another."""
        head, body, told = yield from self.call(self.calls.create(user))
        conversation_id = text(told.get("conversation_id")) or text(mapping(told.get("data")).get("conversation_id"))
        if not conversation_id:
            raise refusal(head, body, self.hidden)
        return conversation_id

    def history(self, conversation_id: str, limit: int | None = None, before: Before = "") -> Flow[list[StoredMessage]]:
        """Return the messages of a conversation, the oldest first ("Get conversation detail").

        The server's own order is documented nowhere, and was met newest first.

        Args:
            conversation_id: The conversation.
            limit: No more than the newest so many. Pages that go back in time are read as far as that needs.
            before: Those before this message, or before the oldest of these. Pages are numbered: all up to it are read.

        Raises:
            BotNotFoundError: If the conversation has no message `before`.
        """
        query = {"conversation_id": conversation_id}
        id_ = before if isinstance(before, str) else before[0].message_id if before else ""
        enough = partial(_reaches_back, limit=limit, id_=id_)
        found = _in_order((yield from self.pages("/v2/messages", query, "conversation_content", PAGE_SIZE, enough)))
        if id_ and limit != 0:
            found = found[: _place(found, "message_id", id_)]
        messages = [_message(one, conversation_id) for one in found]
        return messages if limit is None else messages[max(0, len(messages) - limit) :]

    def newest_answers(self, conversation_id: str) -> Flow[dict[str, str]]:
        """Return the answers that may be a conversation's newest, by their ids; none if one page does not tell it.

        What was asked stands in a message of its own, and no page says which it is: it is "".

        The pages' order is documented nowhere: a full one that begins with the oldest has not the newest.
        """
        request = self.calls.get("/v2/messages", conversation_id=conversation_id, page=1, page_size=LOOK_UP_SIZE)
        found = objects(mapping((yield from look_up(request))).get("conversation_content"))
        times = [whole(one.get("create_time")) or 0 for one in found]
        if len(found) >= LOOK_UP_SIZE and times[0] <= times[-1]:
            return {}
        answers = [(at, text(one.get("message_id"))) for at, one in zip(times, found, strict=True) if _answers(one)]
        newest = max((at for at, _ in answers), default=0)
        return {id_: "" for at, id_ in answers if at == newest and id_}

    def conversations(self, user: str, limit: int | None = None, after: str = "") -> Flow[list[StoredConversation]]:
        """Return the conversations of a user that came through the API, the newest first ("Get conversation list").

        Args:
            user: Whose; "" for everybody's.
            limit: No more than so many.
            after: Those behind this one. Pages are numbered: all up to it are read.

        Raises:
            BotNotFoundError: If there is no conversation `after`.
        """

        def enough(found: list[dict[str, Any]]) -> bool:
            places = [at for at, one in enumerate(found) if one.get("conversation_id") == after]
            begin = places[0] + 1 if places else len(found) if after else 0
            return limit is not None and len(found) - begin >= limit

        found = yield from self.pages(_LIST, _of_user(user), "list", LIST_PAGE_SIZE, enough)
        if after and limit != 0:
            found = found[_place(found, "conversation_id", after) + 1 :]
        return _newest_first(found)[:limit]

    def conversations_page(self, user: str, place: str) -> Flow[tuple[list[StoredConversation], str]]:
        """Return one page of them, and the number of the next; "" if there is none."""
        number = int(place or 1)
        found = yield from self.page(_LIST, _of_user(user), "list", LIST_PAGE_SIZE, number)
        return _newest_first(found), str(number + 1) if len(found) >= LIST_PAGE_SIZE else ""

    def feedback(self, message_id: str, rating: Rating | None, comment: str = "") -> Flow[None]:
        """Rate an answer; None takes the rating back ("Bot response feedback").

        Raises:
            BotUsageError: If there is a comment: the platform takes none.
            BotNotFoundError: If there is no such answer.
        """
        if comment:
            raise BotUsageError.of(NAME, "feedback takes no comment here. Leave it out.")
        if rating not in (*_RATINGS,):  # of whichever type
            raise BotUsageError.of(NAME, 'rating must be "like", "dislike" or None. Give one of these.')
        yield from self._rate("/v1/message/feedback", {"answer_id": message_id, "feedback": _RATINGS[rating]})

    def quality(self, message_id: str, grade: str) -> Flow[None]:
        """Grade an answer, as a reviewer does ("Quality").

        Args:
            message_id: The answer's id.
            grade: "NONE", "UNRESOLVED", "PARTIALLY_RESOLVED" or "FULLY_RESOLVED".

        Raises:
            BotUsageError: If the grade is none of these.
            BotNotFoundError: If there is no such answer.
        """
        if grade not in QUALITIES:
            raise BotUsageError.of(NAME, f"grade must be one of {', '.join(QUALITIES)}. Give one.")
        yield from self._rate("/v1/message/quality", {"answer_id": message_id, "quality": grade})

    def suggestions(self, message_id: str) -> Flow[list[str]]:
        """Return questions that a user may ask next. A model makes them: it costs credits ("Suggested questions")."""
        _, _, told = yield from self.call(self.calls.get("/v1/next/question", answer_id=message_id))
        return texts(told.get("questions"))

    def citations(self, message_id: str) -> Flow[list[Source]]:
        """Return the passages that were found for an answer ("Get correlated dataset").

        They may be there only a moment after the answer: an empty list is asked for again, twice at most.
        """
        found: list[Source] = []
        for wait_s in (0.0, *SOURCES_ASKED_AGAIN_S):
            if wait_s:
                yield Sleep(wait_s)
            _, _, told = yield from self.call(self.calls.get("/v1/correlate/dataset", message_id=message_id))
            found = [source_of(one) for one in objects(told.get("correlate_dataset"))]
            if found:
                break
        return found

    def sources_behind(self, conversation_id: str, message_id: str) -> Flow[tuple[Source, ...]]:
        """Return the passages behind an answer that is whole already; none at all is no reason to lose it.

        Args:
            conversation_id: The conversation.
            message_id: The answer's id; "" (a stream of v1 tells none): that of the newest answer.
        """
        try:
            if not message_id:
                messages = yield from self.history(conversation_id, limit=1)
                message_id = messages[0].message_id if messages and messages[0].role == "assistant" else ""
            found = (yield from self.citations(message_id)) if message_id else []
        except BotError:
            return ()
        return tuple(found)

    def text_of(self, conversation_id: str, message_id: str) -> Flow[str]:
        """Return the text of an answer that came without it: it may be whole in the history a moment later."""
        for _ in range(LOOKED_UP_TIMES if message_id else 0):
            yield Sleep(LOOKED_UP_AFTER_S)
            try:
                messages = yield from self.history(conversation_id)
            except BotError:
                break  # an empty answer is an answer
            said = next((one.text for one in messages if one.message_id == message_id), "")
            if said:
                return said
        return ""

    def recover(self, lost: LostAnswer, *filters: EventFilter) -> Flow[None]:
        """Yield the events of an answer whose turn broke off, from the history; it may be there only after a while.

        Args:
            lost: Which answer.
            *filters: What changes its events on their way to the caller.

        Raises:
            BotNotFoundError: If the history has no text of it, or less than had arrived, for `LOOKED_UP_TIMES` times.
        """
        for _ in range(LOOKED_UP_TIMES if lost.conversation_id else 0):
            kept = lost.among((yield from self.history(lost.conversation_id)))
            if kept is not None and lost.is_whole(kept.text):
                yield from events_of(kept, *filters)
                return
            yield Sleep(LOOKED_UP_AFTER_S)
        raise lost.not_kept(NAME, "it is still being made, or its ids are not known.")

    def read(self, path: str) -> Flow[dict[str, Any]]:
        """Make a call that reads, and return the object that it is answered with."""
        _, _, told = yield from self.call(self.calls.get(path))
        return told

    def submit(self, path: str, payload: object) -> Flow[dict[str, Any]]:
        """Make a call that submits, and return the object that it is answered with."""
        _, _, told = yield from self.call(self.calls.post(path, payload))
        return told

    def _rate(self, path: str, payload: dict[str, str]) -> Flow[None]:
        _, _, told = yield from self.call(self.calls.post(path, payload))
        # HTTP 200 and 0: nothing was changed.
        if str(told.get("affectCount", 1)) == "0":
            raise BotNotFoundError.of(
                NAME,
                "there is no such answer. Check the id: it is that of an answer, not of a question.",
                http_status=200,
            )

    def pages(
        self, path: str, query: dict[str, Any], key: str, size: int, enough: Callable[[list[dict[str, Any]]], bool]
    ) -> Flow[list[dict[str, Any]]]:
        """Return what the pages of a list hold under `key`, read until what was found is `enough`."""
        found: list[dict[str, Any]] = []
        items: list[dict[str, Any]] = []
        number = 1
        while not enough(found):
            before, items = items, (yield from self.page(path, query, key, size, number))
            if items == before:
                break  # a server that knows no pages would give its first for ever
            found += items
            if len(items) < size:  # `total` means now this and now that
                break
            number += 1
        return found

    def page(self, path: str, query: dict[str, Any], key: str, size: int, number: int) -> Flow[list[dict[str, Any]]]:
        """Return what one page of a list holds; [] past its end."""
        try:
            _, _, told = yield from self.call(self.calls.get(path, **query, page=number, page_size=size))
        except BotReplyError as error:
            if error.code == _PAST_THE_END:
                return []
            raise
        return objects(told.get(key))

    def call(self, request: HttpRequest) -> Flow[tuple[ResponseHead, bytes, dict[str, Any]]]:
        """Make a call; return the head of its answer, the body's bytes, and the object that it holds."""
        error_of = partial(refusal, hidden=self.hidden)
        head, body, told = yield from call_json(
            request,
            error_of=error_of,
            policy=RetryPolicy(max_retries=self.settings.max_retries),
            limit_bytes=self.settings.max_event_bytes,
            platform=NAME,
        )
        if not isinstance(told, dict) or code_of(told):
            raise error_of(head, body)
        return head, body, told


def _of_user(user: str) -> dict[str, Any]:
    query = {"conversation_type": "API", "start_time": 0, "end_time": _FOR_EVER_MS}
    return {**query, "user_id": user} if user else query


def _newest_first(found: list[dict[str, Any]]) -> list[StoredConversation]:
    listed = [
        StoredConversation(
            conversation_id=text(one.get("conversation_id")),
            name=text(one.get("subject")),
            user=text(one.get("user_id")),
            updated_at=seconds(one.get("recent_chat_time")),
            message_count=whole(one.get("message_count")),
            raw=one,
        )
        for one in found
    ]
    return sorted(listed, key=lambda one: one.updated_at or 0, reverse=True)


def _place(found: list[dict[str, Any]], name: str, id_: str) -> int:
    at = next((at for at, one in enumerate(found) if one.get(name) == id_), None)
    if at is None:
        raise BotNotFoundError.of(
            NAME, f"there is nothing with this {name} to read on from. Give an id of the same list."
        )
    return at


def _made(told: dict[str, Any]) -> int:
    return whole(told.get("create_time")) or 0


def _in_order(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return messages, the oldest first. Those of one time stay in their order, an answer behind its question."""
    found = found[::-1] if found and _made(found[0]) > _made(found[-1]) else found
    asked = {text(one.get("message_id")): at for at, one in enumerate(found) if one.get("role") == "user"}

    def place(at: int) -> tuple[int, int, bool]:
        question = asked.get(text(found[at].get("parent_message_id")))
        return _made(found[at]), at if question is None else question, question is not None

    return [found[at] for at in sorted(range(len(found)), key=place)]


def _reaches_back(found: list[dict[str, Any]], *, limit: int | None, id_: str) -> bool:
    """Return whether the newest `limit` messages before `id_` are among what pages gave so far.

    They are sure to be if the pages go back in time, and behind what was made at the oldest time of all.
    """
    if not found or limit is None:
        return limit == 0
    if _made(found[0]) <= _made(found[-1]):
        return False
    ordered = _in_order(found)
    places = [at for at, one in enumerate(ordered) if one.get("message_id") == id_]
    end = places[0] if places else 0 if id_ else len(ordered)
    return sum(_made(one) > _made(ordered[0]) for one in ordered[:end]) >= limit


def _answers(told: dict[str, Any]) -> bool:
    return told.get("role") == "assistant"


def _message(told: dict[str, Any], conversation_id: str) -> StoredMessage:
    parts = [part for branch in objects(told.get("content")) for part in objects(branch.get("branch_content"))]
    media = [
        MediaProduced(kind, url=text(file.get("url")), raw=file)
        for part in parts
        if (kind := text(part.get("type"))) != "text"
        for file in objects(part.get(kind))
    ]
    return StoredMessage(
        role="user" if told.get("role") == "user" else "assistant",
        text="\n\n".join(filter(None, (text(part.get("text")) for part in parts if part.get("type") == "text"))),
        message_id=text(told.get("message_id")),
        parent_message_id=text(told.get("parent_message_id")),
        conversation_id=conversation_id,
        created_at=seconds(told.get("create_time")),
        rating=_STORED_RATINGS.get(text(told.get("feedback"))),
        media=tuple(media),
        raw=told,
    )
