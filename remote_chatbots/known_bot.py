"""The bot that a model's fields describe, and what goes with it for as long as they describe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import remote_chatbots
from remote_chatbots.forks import NewestAnswers

if TYPE_CHECKING:
    from remote_chatbots.client import AsyncBotClient, BotClient
    from remote_chatbots.protocol import BotProtocol


class KnownBot:
    """A bot, made of a model's fields as they were. Where they change, another takes its place.

    So a copy of a model whose fields differ leaves that of the original alone, and one that is equal shares it.

    Args:
        bot: What the fields describe.
        fields: The fields.
        before: What was known of the fields before they changed.

    Attributes:
        bot: The bot; the same object for as long as it is the same bot, for it learns of its server.
        bot_id: Its id: the field of this name, else the bot's own.
        newest: The newest answers that were met here.
        timeout: The field of this name.
    """

    def __init__(self, bot: BotProtocol, fields: Mapping[str, Any], before: KnownBot | None) -> None:
        same = before is not None and before.bot == bot
        self.bot: Any = before.bot if before is not None and same else bot
        self.bot_id = str(fields["bot_id"] or self.bot.bot_id)
        self.newest: NewestAnswers = before.newest if before is not None else NewestAnswers()
        self.timeout = fields["timeout"]
        # Copies of what can be changed in place, so that it is noticed.
        self._values = [one.copy() if isinstance(one, (dict, list)) else one for one in fields.values()]
        clients = before if before is not None and same and before.timeout == self.timeout else None
        self.client: BotClient | None = clients.client if clients is not None else None
        self.async_client: AsyncBotClient | None = clients.async_client if clients is not None else None

    def is_of(self, fields: Mapping[str, Any]) -> bool:
        """Return whether the fields are as they were: their names and their order are those of the model's class."""
        try:
            return bool(self._values == [*fields.values()])
        except Exception:  # noqa: BLE001  what was set compares as columns of numbers do, or not at all
            return False

    def sync_client(self) -> BotClient:
        """Return the client of the bot."""
        if self.client is None:
            self.client = remote_chatbots.BotClient(self.bot, timeout=self.timeout)
        return self.client

    def loop_client(self) -> AsyncBotClient:
        """Return the client of the bot for event loops."""
        if self.async_client is None:
            self.async_client = remote_chatbots.AsyncBotClient(self.bot, timeout=self.timeout)
        return self.async_client
