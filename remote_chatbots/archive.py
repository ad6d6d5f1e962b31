"""What a client can read back of what a bot's server keeps: conversations and their messages, a part at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from remote_chatbots.errors import BotUsageError
from remote_chatbots.flow import Flow
from remote_chatbots.management import AsyncCaller, Caller, operation
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.stored import Before, StoredConversation, StoredMessage
from remote_chatbots.thinking import told_apart


class Archive(Caller):
    """The calls of `BotClient` that read back what was said."""

    def history(
        self,
        conversation_id: str,
        *,
        user: str = "",
        limit: int | None = None,
        before: Before = "",
        reasoning: bool = True,
        steps: bool = True,
    ) -> list[StoredMessage]:
        """Return the messages of a conversation, the oldest first, whatever the server's order.

        Servers give the newest page first: before the oldest message is known, all are read. `limit` reads no more
        pages, and no larger ones, than it needs. Dify counts whole seconds: turns made within one stay in the order
        that the server gives them, which may be any.

        Example:
            >>> read = []
            >>> while page := client.history(conversation_id, limit=20, before=read):
            ...     read = page + read

        Args:
            conversation_id: The server's id of the conversation.
            user: Whose it is. Default: the client's.
            limit: No more than the newest so many. Default: all.
            before: Those before these messages, all that were read so far; or before the message with this id. By an id
                alone Dify leaves out what was said in the same second. Default: none.
            reasoning: Whether what a model said between `<think>` marks is told apart from its answer, as it is in
                the live one. False: the text stays as the server has it.
            steps: Whether an agent's steps are told. False: they are left out.

        Raises:
            BotUsageError: If the platform does not offer it, `conversation_id` is none, or `before` is neither.
            BotNotFoundError: If the conversation is unknown, or another user's; or has no message `before`.
        """
        flow = _history(self.bot, conversation_id, user or self.user, limit, before, reasoning=reasoning, steps=steps)
        return self._outcome(flow)

    def conversations(self, *, user: str = "", limit: int | None = None, after: str = "") -> list[StoredConversation]:
        """Return the conversations of a user, the newest first.

        Args:
            user: Whose. Default: the client's.
            limit: No more than so many. Default: all.
            after: Those behind the conversation with this id. Default: from the newest on.

        Raises:
            BotUsageError: If the platform does not offer it.
            BotNotFoundError: If there is no conversation `after`.
        """
        more = {"after": after} if after else {}
        found: list[StoredConversation] = self._call("conversations", user=user or self.user, limit=limit, **more)
        return found

    def each_conversation(self, *, user: str = "", limit: int | None = None) -> Iterator[StoredConversation]:
        """Yield the conversations of a user, the newest first; a page of them is read when its first is asked for.

        Args:
            user: Whose. Default: the client's.
            limit: No more than so many. Default: all.

        Raises:
            BotUsageError: If the platform does not offer it.
        """
        listing = Listing(self.bot, user or self.user, limit)
        while not listing.over:
            yield from self._outcome(listing.page())


class AsyncArchive(AsyncCaller):
    """The calls of `AsyncBotClient` that read back what was said: those of `Archive`, to be awaited."""

    async def history(
        self,
        conversation_id: str,
        *,
        user: str = "",
        limit: int | None = None,
        before: Before = "",
        reasoning: bool = True,
        steps: bool = True,
    ) -> list[StoredMessage]:
        """Return as `BotClient.history`."""
        flow = _history(self.bot, conversation_id, user or self.user, limit, before, reasoning=reasoning, steps=steps)
        return await self._outcome(flow)

    async def conversations(
        self, *, user: str = "", limit: int | None = None, after: str = ""
    ) -> list[StoredConversation]:
        """Return as `BotClient.conversations`."""
        more = {"after": after} if after else {}
        found: list[StoredConversation] = await self._call("conversations", user=user or self.user, limit=limit, **more)
        return found

    async def each_conversation(self, *, user: str = "", limit: int | None = None) -> AsyncIterator[StoredConversation]:
        """Yield as `BotClient.each_conversation`."""
        listing = Listing(self.bot, user or self.user, limit)
        while not listing.over:
            for one in await self._outcome(listing.page()):
                yield one


class Listing:
    """The pages of a user's conversations, one flow for each.

    Attributes:
        over: Whether there is no more page.
    """

    def __init__(self, bot: BotProtocol, user: str, limit: int | None) -> None:
        self._bot = bot
        self._user = user
        self._left = limit
        self._place = ""
        self._seen: set[str] = set()
        self.over = limit == 0

    def page(self) -> Flow[list[StoredConversation]]:
        """Return the next page; nothing of it stood in those before."""
        asked = {"user": self._user, "limit": self._left}
        if hasattr(self._bot, "conversations_page"):
            page, self._place = yield from operation(self._bot, "conversations_page", place=self._place, **asked)
        else:
            page = yield from operation(self._bot, "conversations", **asked)
        new = [one for one in page if one.conversation_id not in self._seen][: self._left]
        self._seen |= {one.conversation_id for one in new}
        if self._left is not None:
            self._left -= len(new)
        self.over = not (new and self._place) or self._left == 0
        return new


def _history(
    bot: BotProtocol,
    conversation_id: str,
    user: str,
    limit: int | None,
    before: Before,
    *,
    reasoning: bool,
    steps: bool,
) -> Flow[list[StoredMessage]]:
    if not isinstance(conversation_id, str) or not conversation_id:
        raise BotUsageError.of(bot.name, "conversation_id is missing. Give the one that the server gave.")
    messages = not isinstance(before, str)
    if not isinstance(before, (str, list, tuple)) or (
        messages and not all(isinstance(one, StoredMessage) for one in before)
    ):
        raise BotUsageError.of(
            bot.name, "before must be a message's id, or the messages that were read. Give one of these."
        )
    more = {"before": before} if before else {}
    flow = operation(bot, "history", conversation_id, user=user, limit=limit, **more)
    flow = told_apart(flow) if reasoning else flow
    return flow if steps else _without_steps(flow)


def _without_steps(flow: Flow[list[StoredMessage]]) -> Flow[list[StoredMessage]]:
    return [replace(one, beside=one.thoughts) if one.steps else one for one in (yield from flow)]
