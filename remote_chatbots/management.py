"""What a client can ask of a bot beside its answers. What a platform does not offer is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from remote_chatbots import transports
from remote_chatbots.arguments import check_limit
from remote_chatbots.errors import BotUsageError
from remote_chatbots.events import Source
from remote_chatbots.flow import Flow, T
from remote_chatbots.message_ids import Named, message_id_of
from remote_chatbots.question import half_a_character_in

if TYPE_CHECKING:
    from remote_chatbots.answer import Answer
    from remote_chatbots.protocol import BotProtocol
    from remote_chatbots.stored import Rating, StoredVariable


def operation(bot: BotProtocol, name: str, *arguments: Any, **named: Any) -> Flow[Any]:
    """Return the flow of one of a platform's small calls.

    Raises:
        BotUsageError: If the platform does not offer it, or `limit` or `user` is none, or a text cannot be sent.
    """
    offered = getattr(bot, name, None)
    if offered is None:
        raise BotUsageError.of(
            bot.name,
            f"there is no call for {name!r} on this platform. Leave it out, or do it on the platform's own pages.",
        )
    check_limit(named.get("limit"), bot.name)
    user = named.get("user", "")
    if not isinstance(user, str):
        raise BotUsageError.of(
            bot.name, f"user must be text, not {type(user).__name__}. Give your own name for the person."
        )
    for one in (*arguments, *named.values()):
        if isinstance(one, str) and half_a_character_in(one):
            raise BotUsageError.of(bot.name, "a text holds half a character (a lone surrogate). Give whole text.")
    flow: Flow[Any] = offered(*arguments, **named)
    return flow


class Caller:
    """What every small call of `BotClient` needs."""

    bot: BotProtocol
    user: str
    _transport: transports.RequestsTransport

    def _id(self, message: Named) -> str:
        return message_id_of(message, self.bot.name)

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        return self._outcome(operation(self.bot, name, *arguments, **named))

    def _outcome(self, flow: Flow[T]) -> T:
        found: list[T] = []
        whole(self._transport.run(kept(flow, found), self.bot.name))
        return found[0]


class AsyncCaller:
    """What every small call of `AsyncBotClient` needs."""

    bot: BotProtocol
    user: str
    _transport: transports.AiohttpTransport

    def _id(self, message: Named) -> str:
        return message_id_of(message, self.bot.name)

    async def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        return await self._outcome(operation(self.bot, name, *arguments, **named))

    async def _outcome(self, flow: Flow[T]) -> T:
        found: list[T] = []
        await awhole(self._transport.run(kept(flow, found), self.bot.name))
        return found[0]


class Management(Caller):
    """The small calls of `BotClient`."""

    def rename(self, conversation_id: str, name: str = "", *, user: str = "") -> str:
        """Give a conversation another name; "" lets the platform's model find one, which may take seconds.

        Returns:
            The name.

        Raises:
            BotUsageError: If the platform does not offer it.
            BotNotFoundError: If the conversation is unknown, or another user's.
        """
        found: str = self._call("rename", conversation_id, name, user=user or self.user)
        return found

    def delete(self, conversation_id: str, *, user: str = "") -> None:
        """Delete a conversation.

        Raises:
            BotUsageError: If the platform does not offer it.
            BotNotFoundError: If the conversation is unknown, or another user's.
        """
        self._call("delete", conversation_id, user=user or self.user)

    def stop(self, task_id: str, *, user: str = "") -> None:
        """Stop an answer under way, from elsewhere; leaving its stream does so by itself.

        Raises:
            BotUsageError: If the platform does not offer it.
        """
        self._call("stop", task_id, user=user or self.user)

    def variables(self, conversation_id: str, *, user: str = "") -> list[StoredVariable]:
        """Return the variables of a conversation (a Dify chatflow has them).

        Raises:
            BotUsageError: If the platform does not offer it.
            BotNotFoundError: If the conversation is unknown, or another user's.
        """
        found: list[StoredVariable] = self._call("variables", conversation_id, user=user or self.user)
        return found

    def set_variable(self, conversation_id: str, variable: str, value: Any, *, user: str = "") -> StoredVariable:
        """Set a variable of a conversation.

        Args:
            conversation_id: The server's id of the conversation.
            variable: The variable's name or id.
            value: What it is to hold, of its type.
            user: Whose it is. Default: the client's.

        Returns:
            The variable as the server has it now.

        Raises:
            BotUsageError: If the platform does not offer it, or the conversation has no such variable.
            BotRejectedError: If the value is not of the variable's type.
        """
        found: StoredVariable = self._call("set_variable", conversation_id, variable, value, user=user or self.user)
        return found

    def feedback(self, message_id: Named, rating: Rating | None, comment: str = "", *, user: str = "") -> None:
        """Rate an answer.

        Args:
            message_id: The answer, or its id.
            rating: "like", "dislike", or None to take the rating back.
            comment: Words to go with it, where the platform takes them.
            user: Who rates. Default: the client's.

        Raises:
            BotUsageError: If the platform does not offer it, or takes no comment.
            BotNotFoundError: If there is no such answer.
        """
        self._call("feedback", self._id(message_id), rating, user=user or self.user, comment=comment)

    def quality(self, message_id: Named, grade: str) -> None:
        """Grade an answer, as a reviewer does (GPTBots).

        Args:
            message_id: The answer, or its id.
            grade: "NONE", "UNRESOLVED", "PARTIALLY_RESOLVED" or "FULLY_RESOLVED".

        Raises:
            BotUsageError: If the platform does not offer it, or the grade is none.
            BotNotFoundError: If there is no such answer.
        """
        self._call("quality", self._id(message_id), grade)

    def suggestions(self, message_id: Named, *, user: str = "") -> list[str]:
        """Return questions that a user may ask next. A model makes them, which may cost.

        Raises:
            BotUsageError: If the platform does not offer it.
            BotRejectedError: If the bot's settings have it switched off.
        """
        found: list[str] = self._call("suggestions", self._id(message_id), user=user or self.user)
        return found

    def citations(self, message_id: Named, *, user: str = "") -> list[Source]:
        """Return the passages that were found for an answer, in the server's order.

        Raises:
            BotUsageError: If the platform does not offer it.
            BotNotFoundError: If there is no such answer.
        """
        found: list[Source] = self._call("citations", self._id(message_id), user=user or self.user)
        return found


class AsyncManagement(AsyncCaller):
    """The small calls of `AsyncBotClient`: those of `Management`, to be awaited."""

    async def rename(self, conversation_id: str, name: str = "", *, user: str = "") -> str:
        """Return as `BotClient.rename`."""
        found: str = await self._call("rename", conversation_id, name, user=user or self.user)
        return found

    async def delete(self, conversation_id: str, *, user: str = "") -> None:
        """Do as `BotClient.delete`."""
        await self._call("delete", conversation_id, user=user or self.user)

    async def stop(self, task_id: str, *, user: str = "") -> None:
        """Do as `BotClient.stop`."""
        await self._call("stop", task_id, user=user or self.user)

    async def variables(self, conversation_id: str, *, user: str = "") -> list[StoredVariable]:
        """Return as `BotClient.variables`."""
        found: list[StoredVariable] = await self._call("variables", conversation_id, user=user or self.user)
        return found

    async def set_variable(self, conversation_id: str, variable: str, value: Any, *, user: str = "") -> StoredVariable:
        """Return as `BotClient.set_variable`."""
        given = (conversation_id, variable, value)
        found: StoredVariable = await self._call("set_variable", *given, user=user or self.user)
        return found

    async def feedback(self, message_id: Named, rating: Rating | None, comment: str = "", *, user: str = "") -> None:
        """Do as `BotClient.feedback`."""
        await self._call("feedback", self._id(message_id), rating, user=user or self.user, comment=comment)

    async def quality(self, message_id: Named, grade: str) -> None:
        """Do as `BotClient.quality`."""
        await self._call("quality", self._id(message_id), grade)

    async def suggestions(self, message_id: Named, *, user: str = "") -> list[str]:
        """Return as `BotClient.suggestions`."""
        found: list[str] = await self._call("suggestions", self._id(message_id), user=user or self.user)
        return found

    async def citations(self, message_id: Named, *, user: str = "") -> list[Source]:
        """Return as `BotClient.citations`."""
        found: list[Source] = await self._call("citations", self._id(message_id), user=user or self.user)
        return found


def whole(run: transports.RequestsRun) -> Answer:
    """Read a flow to its end; return the answer that its events add up to."""
    with run:
        for _ in run:
            pass
        return run.answer


async def awhole(run: transports.AiohttpRun) -> Answer:
    """Do as `whole`."""
    async with run:
        async for _ in run:
            pass
        return run.answer


def kept(flow: Flow[T], found: list[T]) -> Flow[None]:
    """Run `flow`, and put its outcome into `found`."""
    found.append((yield from flow))
