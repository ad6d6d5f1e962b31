"""When the server has forgotten a conversation: whether another is begun in its place."""

from __future__ import annotations

from remote_chatbots.errors import BotNotFoundError
from remote_chatbots.flow import Flow
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.question import Question


def ask(bot: BotProtocol, question: Question) -> Flow[None]:
    """Return the flow of one turn: that of `question.instead`, where the server does not know the conversation.

    A conversation that it does not know it refuses before anything is done, so nothing is asked twice.

    Raises:
        BotUsageError: At once, if the platform cannot take the question as it is.
    """
    flow = bot.ask(question)
    return flow if question.instead is None else _or_instead(flow, bot, question.instead)


def _or_instead(flow: Flow[None], bot: BotProtocol, instead: Question) -> Flow[None]:
    try:
        yield from flow
    except BotNotFoundError as error:
        # A path that is not there has no code of the platform's; what comes in mid-stream may come behind text.
        if not error.code or error.in_stream:
            raise
    else:
        return
    yield from bot.ask(instead)
