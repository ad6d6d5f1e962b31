"""Whom bulk asks: a bot, a client of it, or a model of either framework."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeAlias, cast

from remote_chatbots.client import AsyncBotClient, BotClient
from remote_chatbots.errors import BotUsageError
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.question import Question


class ModelOfABot(Protocol):
    """A model of either framework, as bulk sees it: what is set on it, and its client."""

    user: str
    inputs: dict[str, Any]
    conversation_id: str
    stop: list[str] | None
    streaming: bool | None
    reasoning: bool
    steps: bool

    def _loop_client(self) -> AsyncBotClient: ...

    def _sync_client(self) -> BotClient: ...


Askable: TypeAlias = BotProtocol | BotClient | AsyncBotClient | ModelOfABot


class Asking:
    """A client that posts nothing again by itself, and the questions that are made for it.

    Args:
        client: The client.
        question_of: Makes a question of a text and the fields that are given with it.
        user: Whose question it is where it names nobody.
    """

    def __init__(self, client: AsyncBotClient, question_of: Callable[..., Question], user: str) -> None:
        bot: Any = client.bot
        if is_dataclass(type(bot)):
            # One pace for all: a refusal must be seen, and not be waited for by each turn on its own.
            bot = replace(bot, settings=replace(bot.settings, max_retries=0))
        session = client._transport.sessions.given
        self.client = AsyncBotClient(bot, user=user or client.user, timeout=client.timeouts, session=session)
        self._question_of = question_of

    @classmethod
    def of(cls, bot: Askable, user: str) -> Asking:
        """Return what asks `bot`.

        Raises:
            BotUsageError: If it cannot be asked.
        """
        if isinstance(bot, AsyncBotClient):
            return cls(bot, Question, user)
        if isinstance(bot, BotClient):
            if bot._transport.has_session:
                raise BotUsageError(
                    "Bulk asks in an event loop, where this client's requests.Session does not work. Give an "
                    "AsyncBotClient with an aiohttp.ClientSession, to aask_all."
                )
            return cls(AsyncBotClient(bot.bot, user=bot.user, timeout=bot.timeouts), Question, user)
        if hasattr(bot, "_loop_client"):
            model = cast("ModelOfABot", bot)
            return cls(model._loop_client(), partial(_as_set_on, model), user or model.user)
        return cls(AsyncBotClient(bot, user=user), Question, user)

    def question(self, one: str | Question, **given: Any) -> Question:
        """Return a question with its user, if the bot takes it.

        Raises:
            BotUsageError: If the bot does not.
        """
        if isinstance(one, Question):
            question = one if one.user else replace(one, user=self.client.user)
        else:
            question = self._question_of(one, **{"user": self.client.user} | given)
        self.client.bot.ask(question).close()  # refuses at once what it cannot send
        return question


def _as_set_on(model: ModelOfABot, text: str, **given: Any) -> Question:
    """Return the question that a model would ask, were this its whole history."""
    known: dict[str, Any] = {
        "conversation_id": model.conversation_id,
        "stop": model.stop or (),
        "blocking": model.streaming is False,
        "reasoning": model.reasoning,
        "steps": model.steps,
    }
    return Question(text, **known | given | {"inputs": {**model.inputs, **given.get("inputs", {})}})
