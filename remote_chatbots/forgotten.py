"""One turn, and what is done where it goes wrong: a conversation that is forgotten, a break in its midst."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from remote_chatbots.errors import BotNotFoundError
from remote_chatbots.events import Event, Started
from remote_chatbots.flow import Flow, interposed
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.question import Question


def ask(bot: BotProtocol, question: Question) -> Flow[None]:
    """Return the flow of one turn: that of `question.instead`, where the server does not know the conversation.

    A conversation that it does not know it refuses before anything is done, so nothing is asked twice. A turn that
    breaks off goes on with what the server keeps, if `question.on_break` says so.

    Raises:
        BotUsageError: At once, if the platform cannot take the question as it is.
    """
    flow = bot.ask(question)
    if question.conversation_id:
        flow = compared(flow, question.conversation_id)
    if question.instead is not None:
        flow = _or_instead(flow, bot, question.conversation_id, question.instead)
    if question.on_break != "recover":
        return flow
    from remote_chatbots.mending import mended  # few bots are set to it

    return mended(bot, question, flow)


def compared(flow: Flow[None], asked_in: str, why: str = "") -> Flow[None]:
    """Run the flow of a turn; its `Started` says if the answer stands in another conversation than `asked_in`.

    Args:
        flow: The flow.
        asked_in: The conversation that was asked in.
        why: Why another was chosen; "" if none was.
    """

    def told(event: Started) -> Flow[Event]:
        same = event.conversation_id == asked_in
        return event if same else replace(event, begun_anew=why, asked_in=asked_in)
        yield

    yield from interposed(flow, begins, told)


def begins(event: Event) -> bool:
    """Return whether an event is the one that tells the conversation."""
    return isinstance(event, Started) and bool(event.conversation_id)


def is_forgotten(error: BotNotFoundError) -> bool:
    """Return whether it is a conversation that was not found: an address that is not there has no code."""
    return bool(error.code)


def _or_instead(
    flow: Flow[None], bot: BotProtocol, asked_in: str, instead: Question | Callable[[], Question]
) -> Flow[None]:
    try:
        yield from flow
    except BotNotFoundError as error:
        if not is_forgotten(error) or error.in_stream:  # what comes in mid-stream may come behind text
            raise
    else:
        return
    yield from compared(bot.ask(instead() if callable(instead) else instead), asked_in, "forgotten")
