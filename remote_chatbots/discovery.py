"""What a client can ask a bot about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remote_chatbots.management import AsyncCaller, Caller

if TYPE_CHECKING:
    from remote_chatbots.described import AppInfo, AppMeta, AppParameters, AppSite


class Discovery(Caller):
    """The calls of `BotClient` that ask a bot about itself."""

    def info(self) -> AppInfo:
        """Return who the bot is.

        Raises:
            BotUsageError: If the platform does not offer it.
            BotNotFoundError: If the server is too old to know the call (Dify of 2023).
        """
        found: AppInfo = self._call("info")
        return found

    def parameters(self, *, user: str = "") -> AppParameters:
        """Return how the bot is set up: its input form, which files it takes, what is switched on.

        From then on `inputs` are checked by that form before anything is sent; of a bot that was changed, ask again.

        Args:
            user: Who asks; servers of today do not ask. Default: the client's.

        Raises:
            BotUsageError: If the platform does not offer it.
            BotRejectedError: If the bot has no published settings.
        """
        found: AppParameters = self._call("parameters", user=user or self.user)
        return found

    def meta(self) -> AppMeta:
        """Return the icons of the bot's tools.

        Raises:
            BotUsageError: If the platform does not offer it.
            BotNotFoundError: If the server is too old to know the call.
        """
        found: AppMeta = self._call("meta")
        return found

    def site(self) -> AppSite:
        """Return how the bot's own web page looks.

        Raises:
            BotUsageError: If the platform does not offer it.
            BotNotFoundError: If the server is too old to know the call (Dify before 1.4, of 2025).
            BotAuthError: If the bot has no page.
        """
        found: AppSite = self._call("site")
        return found


class AsyncDiscovery(AsyncCaller):
    """The calls of `AsyncBotClient` that ask a bot about itself: those of `Discovery`, to be awaited."""

    async def info(self) -> AppInfo:
        """Return as `BotClient.info`."""
        found: AppInfo = await self._call("info")
        return found

    async def parameters(self, *, user: str = "") -> AppParameters:
        """Return as `BotClient.parameters`."""
        found: AppParameters = await self._call("parameters", user=user or self.user)
        return found

    async def meta(self) -> AppMeta:
        """Return as `BotClient.meta`."""
        found: AppMeta = await self._call("meta")
        return found

    async def site(self) -> AppSite:
        """Return as `BotClient.site`."""
        found: AppSite = await self._call("site")
        return found
