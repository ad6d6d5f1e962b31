"""What a model of either face can find out about its bot, when it is asked to and not before."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Self

from remote_chatbots.errors import BotNotFoundError
from remote_chatbots.learned import Learned
from remote_chatbots.management import awhole, operation, whole

if TYPE_CHECKING:
    from remote_chatbots.client import AsyncBotClient, BotClient
    from remote_chatbots.flow import Flow
    from remote_chatbots.protocol import BotProtocol


class Discovering:
    """Asks the bot about itself, for a model that has one."""

    def discover(self) -> Self:
        """Ask the bot about itself, and return this model, which knows it from then on. Nothing else asks.

        Two small requests: `info` and `parameters` of a client. What they tell fills the framework's own description
        of the model and the arguments of `as_tool`, and `inputs` are checked by the app's form before anything is
        sent. It stays with this object: a pickle leaves it out. Of a bot that was changed, ask again.

        Raises:
            BotUsageError: If the platform does not tell.
            BotError: If it cannot be asked.
        """
        bot = self._known_bot()
        whole(self._sync_client().run(asked_about_itself(bot)))
        self._take(_learned_of(bot))
        return self

    async def adiscover(self) -> Self:
        """Do as `discover`."""
        bot = self._known_bot()
        await awhole(self._loop_client().run(asked_about_itself(bot)))
        self._take(_learned_of(bot))
        return self

    @property
    def learned(self) -> Learned:
        """What the bot has said of itself; nothing where it was not asked."""
        return _learned_of(self._known_bot())

    def _take(self, learned: Learned) -> None:
        """Make use of what the bot said, where a framework has a place for it."""

    @abstractmethod
    def _known_bot(self) -> Any:
        """Return the bot, the same object as long as it is the same bot."""

    @abstractmethod
    def _sync_client(self) -> BotClient:
        """Return this model's client."""

    @abstractmethod
    def _loop_client(self) -> AsyncBotClient:
        """Return this model's client for event loops."""


def _learned_of(bot: Any) -> Learned:
    return getattr(bot, "learned", None) or Learned()


def asked_about_itself(bot: BotProtocol) -> Flow[None]:
    """Ask a bot who it is and how it is set up; it remembers both."""
    yield from operation(bot, "parameters")
    try:
        yield from operation(bot, "info")
    except BotNotFoundError as error:
        if error.code:
            raise
        # A Dify of 2023 does not know the call.
