"""A turn of a local session (a session id, a thread id), whose conversation a store knows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from remote_chatbots.errors import BotError, BotNotFoundError, BotUsageError
from remote_chatbots.events import Event, Started
from remote_chatbots.flow import Abandoned, Errand, Flow, Sleep, interposed
from remote_chatbots.forgotten import begins, is_forgotten
from remote_chatbots.user_warnings import warn_user

if TYPE_CHECKING:
    from remote_chatbots.conversations import Conversations

LOOK_AGAIN_S = 0.05


class Session(NamedTuple):
    """One local session.

    Attributes:
        session_id: Your id of it.
        conversations: Where its conversation is kept.
    """

    session_id: str
    conversations: Conversations

    @classmethod
    def of(cls, session_id: str | None, conversations: Conversations | None, platform: str) -> Session | None:
        """Return the session that a call names; None if it names none.

        Raises:
            BotUsageError: If there is no store to look for it in.
        """
        if not session_id:
            return None
        if conversations is None:
            raise BotUsageError.of(
                platform,
                "session_id says nothing to a model without a store of sessions. Give the model "
                "conversations=InMemoryConversations() or SQLiteConversations(path).",
            )
        return cls(session_id, conversations)

    def key(self, *, user: str, bot_id: str) -> str:
        """Return the key under which the conversation is kept: 64 hex digits, which any store takes."""
        told = json.dumps([bot_id, user, self.session_id])
        return hashlib.sha256(told.encode()).hexdigest()


@contextmanager
def forgotten_is_deleted(session: Session | None) -> Iterator[None]:
    """Let a conversation pass for deleted that the server has forgotten, if a session of yours had it.

    One that was named may be another user's: then the server's refusal is raised.
    """
    try:
        yield
    except BotNotFoundError as error:
        if session is None or not is_forgotten(error):
            raise


def asked_in_session(
    session: Session,
    flow_in: Callable[[str], Flow[None]],
    *,
    user: str,
    bot_id: str,
    platform: str,
    may_begin: bool,
) -> Flow[None]:
    """Ask in a session's conversation; where there is none yet, keep the one that the turn begins, at `Started`.

    Of several first turns at once one goes first, and the others go on in the conversation that it began.

    Args:
        session: The session.
        flow_in: Makes the turn of a conversation's id; "" if none is known.
        user: Whose turn it is.
        bot_id: Which bot is asked.
        platform: With which an error's message begins.
        may_begin: Whether the session says where to go on, because neither the call nor the history does.

    Raises:
        BotUsageError: If the store cannot be read. Nothing was sent.
    """
    place = _Place(session.conversations, session.key(user=user, bot_id=bot_id))
    try:
        try:
            yield from place.look(may_claim=may_begin)
        except BotError as error:
            cause = error.__cause__ or error
            raise BotUsageError.of(
                platform,
                f"the store of conversations cannot be read ({type(cause).__name__}). Nothing was sent. "
                "Check what conversations=… was given.",
            ) from cause
        if place.known:
            yield from place.release()
        yield from interposed(flow_in(place.known if may_begin else ""), begins, place.keep)
    except (BotError, Abandoned):
        yield from place.release()
        raise
    yield from place.release()  # a turn that is left ends as any other, and its conversation may not be known yet


class _Place:
    """Where the conversation of a session is kept, as one turn finds it, and leaves it.

    Attributes:
        known: The conversation's id; "" if none is kept.
    """

    def __init__(self, store: Conversations, key: str) -> None:
        self._store = store
        self._key = key
        self._claimed = False
        self.known = ""

    def look(self, *, may_claim: bool) -> Flow[None]:
        """Look for the conversation; where there is none, claim to begin it, or wait for whoever has."""
        read = Errand(partial(self._store.get, self._key), partial(self._store.aget, self._key))
        self.known = yield read
        while may_claim and not self.known and not self._claimed:
            self._claimed = yield Errand(partial(self._store.claim, self._key), partial(self._store.aclaim, self._key))
            if not self._claimed and not (yield Sleep(LOOK_AGAIN_S)):
                break
            self.known = yield read

    def keep(self, event: Started) -> Flow[Event | None]:
        """Keep the conversation that the turn turns out to be in."""
        if event.conversation_id != self.known:
            put = (self._key, event.conversation_id)
            errand = Errand(partial(_quietly, self._store.put, *put), partial(_aquietly, self._store.aput, *put))
            try:
                yield errand
            except Abandoned:
                yield errand  # it was cancelled in its midst, perhaps
                raise
        yield from self.release()
        return None

    def release(self) -> Flow[None]:
        """Give the claim back, if there is one."""
        if self._claimed:
            self._claimed = False
            store, key = self._store, self._key
            yield Errand(partial(_quietly, store.release, key), partial(_aquietly, store.arelease, key))


@contextmanager
def _kept_if_it_can_be() -> Iterator[None]:
    # The question is on its way: its answer is worth more than a complaint about the store.
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever a store raises
        warn_user(
            f"A session's conversation could not be kept ({type(error).__name__}): its next turn may begin another. "
            "Check what conversations=… was given.",
        )


def _quietly(call: Callable[..., Any], *arguments: Any) -> None:
    with _kept_if_it_can_be():
        call(*arguments)


async def _aquietly(call: Callable[..., Any], *arguments: Any) -> None:
    with _kept_if_it_can_be():
        await call(*arguments)
