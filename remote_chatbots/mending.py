"""A turn that broke off goes on with the answer that the server keeps. Nothing is posted for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from remote_chatbots.answer import AnswerBuilder
from remote_chatbots.errors import (
    BotConnectError,
    BotError,
    BotFormatError,
    BotProtocolError,
    BotServerError,
    BotTimeoutError,
    BotTransportError,
    BotUsageError,
    copy_of,
)
from remote_chatbots.events import (
    IDS,
    Event,
    Finished,
    MediaProduced,
    Reasoning,
    SourcesFound,
    Started,
    Step,
    TextDelta,
    TextReplaced,
    UsageReported,
)
from remote_chatbots.flow import Flow, Within, changed
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.question import Question
from remote_chatbots.resuming import LostAnswer

OnBreak = Literal["error", "recover"]
_NO_IDS = "The turn broke off before its ids were known, so its answer could not be looked for."


def checked_recovery(bot: BotProtocol) -> Callable[[LostAnswer], Flow[None]]:
    """Return what fetches a bot's lost answers.

    Raises:
        BotUsageError: If its platform keeps none.
    """
    recover: Callable[[LostAnswer], Flow[None]] | None = getattr(bot, "recover", None)
    if recover is None:
        raise BotUsageError.of(
            bot.name,
            'the server keeps no answer that could be fetched, so on_break="recover" cannot hold. Nothing '
            'was sent. Leave on_break at "error".',
        )
    return recover


def mended(bot: BotProtocol, question: Question, flow: Flow[None]) -> Flow[None]:
    """Yield the events of `flow`, which asks `question`; if it breaks off, go on with what the server keeps.

    What was told is not told again: the rest of the text follows, or all of it as `TextReplaced` where it does not
    begin with what was told. Looking for it takes at most the settings' `recover_wait_s`.

    Raises:
        BotUsageError: At once, if the platform keeps no answers.
        BotError: As of the turn. If its answer could not be fetched, the message says so and why.
    """
    return _mended(question, flow, checked_recovery(bot), bot.settings.recover_wait_s)


def _mended(
    question: Question, flow: Flow[None], recover: Callable[[LostAnswer], Flow[None]], within_s: float
) -> Flow[None]:
    told = AnswerBuilder()

    def noted(event: Event) -> tuple[Event]:
        told.add(event)
        return (event,)

    try:
        yield from changed(flow, noted)
    except BotError as error:
        if not fate_unknown(error):
            raise
        broken = error
    else:
        return
    lost = _lost(broken, question, told)
    if lost is None:
        raise _in_vain(broken, _NO_IDS) from broken.__cause__
    try:
        yield Within(within_s)
        yield from changed(recover(lost), _Rest(told).of)
    except BotTimeoutError as failed:
        within = f"It was not to be had within recover_wait_s={within_s:g}. Recover it later, or raise recover_wait_s."
        raise _in_vain(broken, within if failed.phase == "total" else failed.message) from broken.__cause__
    except BotError as failed:
        raise _in_vain(broken, failed.message) from broken.__cause__


def fate_unknown(error: BotError) -> bool:
    """Return whether the message may have been answered all the same: what was said is lost, not refused."""
    if error.retryable or isinstance(error, (BotConnectError, BotFormatError)):
        return False
    if isinstance(error, BotTimeoutError):
        return error.phase == "silence"  # with "total" the caller has no more time
    if isinstance(error, BotServerError):
        return not error.in_stream and not error.code  # a gateway's word, not the platform's
    return isinstance(error, (BotTransportError, BotProtocolError))


def _lost(broken: BotError, question: Question, told: AnswerBuilder) -> LostAnswer | None:
    """Return which answer it is; None if that is not certain: another one must not be taken for it."""
    known = told.ids()
    ids = {name: getattr(broken, name) or known.get(name, "") for name in ("conversation_id", "message_id")}
    conversation_id = ids["conversation_id"] or question.conversation_id
    # In a conversation that goes on, the same words may have been asked before.
    certain = ids["message_id"] or told.text or conversation_id != question.conversation_id
    if not conversation_id or not certain:
        return None
    return LostAnswer(
        conversation_id,
        ids["message_id"],
        broken.workflow_run_id or known.get("workflow_run_id", ""),
        question=question.text,
        user=question.user,
        said=told.text,
        reasoning=question.reasoning,
        steps=question.steps,
        stop=question.stop,
        coalesce=question.coalesce,
    )


def _in_vain(broken: BotError, why: str) -> BotError:
    """Return the error of the turn, which says that looking for its answer did not help."""
    mended = copy_of(broken, message=f"{broken.message} on_break: {why}")
    mended.args = (mended.message,)
    return mended


class _Rest:
    """What of an answer that is told as a whole is new to a caller who knows its beginning.

    Args:
        told: What the caller knows.
    """

    def __init__(self, told: AnswerBuilder) -> None:
        self._told = told.build()
        self._ids = {name for name in _STARTED if getattr(self._told, name)}
        self._text: list[str] | None = None
        self._reasoning: list[str] = []

    def of(self, event: Event) -> list[Event]:
        """Return what is new in `event`; text and thoughts are held until they are whole."""
        match event:
            case TextDelta(text):
                self._text = [*(self._text or []), text]
            case TextReplaced(text):
                self._text = [text]
            case Reasoning(text):
                self._reasoning.append(text)
            case Started():
                new = {name: value for name in _STARTED if (value := getattr(event, name)) and name not in self._ids}
                self._ids |= set(new)
                return [Started(**new)] if new else []
            case Finished():
                return [*self._thoughts(), *self._words(), event]
            case _:
                return [] if self._is_known(event) else [event]
        return []

    def _is_known(self, event: Event) -> bool:
        told = self._told
        match event:
            case UsageReported():
                return told.usage is not None
            case SourcesFound():
                return bool(told.sources)
            case Step():
                return event in told.steps
            case MediaProduced():
                return event in told.media
        return False

    def _thoughts(self) -> list[Event]:
        whole, known = "".join(self._reasoning), self._told.reasoning
        # A thought cannot be taken back: one that goes otherwise stays as it was told.
        return [Reasoning(whole[len(known) :])] if whole.startswith(known) and whole != known else []

    def _words(self) -> list[Event]:
        if self._text is None:
            return []
        whole, known = "".join(self._text), self._told.text
        if not whole.startswith(known):
            return [TextReplaced(whole)]
        return [TextDelta(whole[len(known) :])] if whole != known else []


_STARTED = (*IDS, "created_at")
