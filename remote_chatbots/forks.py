"""A history that goes on from an answer which is not its conversation's newest: edited, branched, or left behind.

The server's conversation cannot fork, so such a turn is asked behind turns that the history does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Literal

from remote_chatbots.errors import BotUsageError
from remote_chatbots.flow import Flow
from remote_chatbots.forgotten import ask, compared
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.question import Question
from remote_chatbots.user_warnings import warn_user

OnFork = Literal["warn", "error", "new", "ignore"]
MOST_CONVERSATIONS = 10_000

FORKED = (
    "the history goes on from an answer that is not its conversation's newest one: {cause}. The server cannot fork it"
)
BRANCHED = "it was edited or branched (an older checkpoint), for the newer turns were asked here"
BROKEN_OFF = "the turn behind it broke off or was left, and is not in the history"
ELSEWHERE = "the conversation went on elsewhere, in turns that this model has not met"


class NewestAnswers:
    """The newest answer of each conversation that was met here, as far as is known.

    It is learnt, not set: a copy or a pickle begins empty. Safe in threads: each step is one of the dict's own. Of more
    than `most` conversations the half that was met first is forgotten.
    """

    def __init__(self, most: int = MOST_CONVERSATIONS) -> None:
        self._most = most
        self._newest: dict[str, str] = {}
        self._under_way: set[str] = set()

    def of(self, conversation_id: str) -> str:
        """Return the id of a conversation's newest answer; "" if it is not known."""
        return self._newest.get(conversation_id, "")

    def note(self, conversation_id: str, message_id: str | None, *, under_way: bool = False) -> None:
        """Remember a conversation's newest answer, once both ids are known, and whether its end has not come yet."""
        if conversation_id and message_id:
            (self._under_way.add if under_way else self._under_way.discard)(conversation_id)
            self._newest[conversation_id] = message_id
            if len(self._newest) > self._most:
                for known in list(self._newest)[: self._most // 2]:
                    self._newest.pop(known, None)
                    self._under_way.discard(known)

    def why_forked(self, conversation_id: str, newest: Container[str]) -> str:
        """Return why a history does not hold the newest answers that the server told, in words."""
        if self.of(conversation_id) not in newest:
            return ELSEWHERE
        return BROKEN_OFF if conversation_id in self._under_way else BRANCHED

    def __reduce__(self) -> tuple[Any, ...]:
        return NewestAnswers, (self._most,)


def asked_unforked(
    bot: BotProtocol,
    question: Question,
    answer_id: str,
    newest: NewestAnswers,
    on_fork: OnFork,
    anew: Callable[[], Question],
    unanswered: tuple[str, Question] | None = None,
) -> Flow[None]:
    """Ask `question`, but notice first if the answer it goes on from is not the newest of its conversation.

    If that answer is the newest that is known here, nothing is asked; else the platform is, by one small request. Where
    it cannot tell, nothing is noticed.

    Args:
        bot: The bot.
        question: The question; it names its conversation.
        answer_id: The answer it goes on from.
        newest: What is known here.
        on_fork: "warn": warn, and ask all the same; "error": raise; "new": ask `anew()` in its place.
        anew: Makes the question that begins a new conversation with all of the history.
        unanswered: What the history asks first, in a turn that it holds no answer of, and the question without that:
            asked in its place where the server has that turn as its newest.

    Raises:
        BotUsageError: With "error". Nothing was sent.
    """
    if newest.of(question.conversation_id) != answer_id or unanswered is not None:
        look = getattr(bot, "newest_answers", None)
        found = (yield from look(question.conversation_id, user=question.user)) if look is not None else {}
        if unanswered is not None and answer_id not in found and unanswered[0] in found.values():
            question = unanswered[1]
        elif found and answer_id not in found:
            if on_fork == "new":
                yield from compared(ask(bot, anew()), question.conversation_id, "forked")
                return
            _told(bot.name, newest.why_forked(question.conversation_id, found), on_fork)
    yield from ask(bot, question)


def _told(platform: str, cause: str, on_fork: OnFork) -> None:
    forked = FORKED.format(cause=cause)
    if on_fork == "error":
        raise BotUsageError.of(
            platform,
            f'{forked}. Nothing was sent. Give the history up to the newest answer, conversation_id="" to '
            'begin a new conversation, or set on_fork="new" or "warn".',
        )
    warn_user(
        f'{platform}: {forked}, so the question is asked behind what came since. Set on_fork="new" to begin a new '
        'conversation with the history, "error" to be refused, "ignore" to hear nothing.',
    )
