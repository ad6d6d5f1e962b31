"""The server's history of a conversation, as LangChain's chat history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_chatbots._beside import BLOCKS, StepBlocks, file_block
from langchain_chatbots._messages import usage_metadata
from langchain_chatbots._translate import Said
from langchain_chatbots.errors import as_model_errors
from remote_chatbots import BotNotFoundError, BotUsageError, InMemoryConversations, Step, StoredMessage
from remote_chatbots.conversations import checked_conversations
from remote_chatbots.forgotten import is_forgotten
from remote_chatbots.history import is_own
from remote_chatbots.remembered import metadata_of
from remote_chatbots.sessions import Session, forgotten_is_deleted

if TYPE_CHECKING:
    from langchain_chatbots.remote_chat_model import RemoteChatModel
    from remote_chatbots import Conversations


class RemoteChatMessageHistory(BaseChatMessageHistory):
    """A conversation as the server keeps it. It stores nothing: what is asked through the bot is in it by itself.

    Example:
        >>> for message in RemoteChatMessageHistory(model, conversation_id="…").messages:
        ...     print(message.type, message.text)

    A message has the server's id, sources, usage, rating and files in its `response_metadata`, as far as the server
    tells them. An answer continues its conversation, wherever it is put.

    Args:
        bot: The chat model whose conversation it is.
        conversation_id: The server's id of the conversation; or
        session_id: Your id of it. The conversation that a turn under `RunnableWithMessageHistory` begins is kept under
            it as soon as it is known, so that a turn that is left early is not lost. Without either, the history is
            that of the conversation which its first turn begins.
        user: Your name for the person whose it is. Default: the model's.
        last: No more than the newest so many messages are read. Default: all.
        before: The messages before the one with this id, a page at a time with `last`. Default: up to the newest.
        conversations: Where the conversations of sessions are kept. Default: the model's `conversations`, else in
            memory, with the model object.

    Raises:
        BotUsageError: If both ids are given, or `last` is no positive number.
    """

    def __init__(
        self,
        bot: RemoteChatModel,
        *,
        conversation_id: str = "",
        session_id: str = "",
        user: str | None = None,
        last: int | None = None,
        before: str = "",
        conversations: Conversations | None = None,
    ) -> None:
        if conversation_id and session_id:
            raise _refused(bot, "a history is of a conversation_id or of a session_id. Give one.")
        if last is not None and last < 1:
            raise _refused(bot, "last must be 1 or more. Give a number of messages, or leave it out.")
        self.bot = bot
        self.conversation_id = conversation_id
        self.session: Session | None = None
        self._user, self._last, self._before = user, last, before
        if session_id:
            store = bot.session_store() if conversations is None else checked_conversations(conversations, bot.platform)
            self.session = Session(session_id, store)
        elif not conversation_id:
            self.session = _of_the_next_turn()

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """The messages, the oldest first; read from the server at each look, [] while there is no conversation.

        Raises:
            BotNotFoundError: If the server does not know the conversation, or it is another user's. With the model's
                `on_missing="restart"` a session has no messages then, and its next turn begins another.
        """
        with as_model_errors():
            id_ = self.conversation_id or self._known()
            try:
                return self._read(self._history(id_, self._last, self._before), id_) if id_ else []
            except BotNotFoundError as error:
                return self._forgotten(error)

    async def aget_messages(self) -> list[BaseMessage]:
        """Return the messages as `messages` does, without a thread."""
        with as_model_errors():
            id_ = self.conversation_id or await self._aknown()
            try:
                return self._read(await self._ahistory(id_, self._last, self._before), id_) if id_ else []
            except BotNotFoundError as error:
                return self._forgotten(error)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Take the conversation's id from our bot's newest answer, if it is not known yet. Nothing is stored.

        What stands before that answer went to the bot with its question. Whatever else is given must be in the server's
        history, which is looked at.

        Raises:
            BotUsageError: If the server does not have a message, or the answer is of another conversation.
        """
        with as_model_errors():
            found, rest = self._sorted_out(messages, self.conversation_id or self._known())
            if found and self.session is not None:
                self.session.conversations.put(self._key(), found)
            id_ = found or self.conversation_id or self._known()
            self._check(rest, self._history(id_, 2 * len(rest)) if rest and id_ else [])

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Do as `add_messages`, without a thread."""
        with as_model_errors():
            found, rest = self._sorted_out(messages, self.conversation_id or await self._aknown())
            if found and self.session is not None:
                await self.session.conversations.aput(self._key(), found)
            id_ = found or self.conversation_id or await self._aknown()
            self._check(rest, await self._ahistory(id_, 2 * len(rest)) if rest and id_ else [])

    def clear(self) -> None:
        """Delete the conversation on the server. Then there are no messages, and the next turn begins another.

        A session whose conversation the server has forgotten already is cleared as well.

        Raises:
            BotUsageError: On GPTBots, which has no such call.
            BotNotFoundError: If the conversation was named, and the server does not know it, or it is another user's.
        """
        with as_model_errors():
            if id_ := self.conversation_id or self._known():
                with forgotten_is_deleted(self.session):
                    self.bot._sync_client().delete(id_, user=self._whose())
            if self.session is not None:
                self.session.conversations.delete(self._key())
            self._named_no_more()

    async def aclear(self) -> None:
        """Do as `clear`, without a thread."""
        with as_model_errors():
            if id_ := self.conversation_id or await self._aknown():
                with forgotten_is_deleted(self.session):
                    await self.bot._loop_client().delete(id_, user=self._whose())
            if self.session is not None:
                await self.session.conversations.adelete(self._key())
            self._named_no_more()

    def _named_no_more(self) -> None:
        if self.session is None:
            self.conversation_id, self.session = "", _of_the_next_turn()

    def _whose(self) -> str:
        return self.bot._user(self._user)

    def _key(self) -> str:
        assert self.session is not None
        return self.session.key(user=self._whose(), bot_id=self.bot._own_bot_id())

    def _known(self) -> str:
        return self.session.conversations.get(self._key()) if self.session is not None else ""

    async def _aknown(self) -> str:
        return await self.session.conversations.aget(self._key()) if self.session is not None else ""

    def _history(self, conversation_id: str, limit: int | None, before: str = "") -> list[StoredMessage]:
        return self.bot._sync_client().history(conversation_id, before=before, **self._of_reading(limit))

    async def _ahistory(self, conversation_id: str, limit: int | None, before: str = "") -> list[StoredMessage]:
        return await self.bot._loop_client().history(conversation_id, before=before, **self._of_reading(limit))

    def _of_reading(self, limit: int | None) -> dict[str, Any]:
        told = {"reasoning": self.bot.reasoning, "steps": self.bot.steps}
        return {"user": self._whose(), "limit": limit, **told}

    def _read(self, stored: Sequence[StoredMessage], conversation_id: str) -> list[BaseMessage]:
        if not self._before:
            newest = next((one.message_id for one in reversed(stored) if one.role == "assistant"), "")
            self.bot._newest_answers().note(conversation_id, newest)
        return [message_of(one, self.bot, self._whose()) for one in stored]

    def _forgotten(self, error: BotNotFoundError) -> list[BaseMessage]:
        if self.session is None or self.bot.on_missing != "restart" or not is_forgotten(error):
            raise error
        return []

    def _sorted_out(self, messages: Sequence[BaseMessage], known: str) -> tuple[str, list[BaseMessage]]:
        """Return the conversation that our bot's newest answer names, and the messages that nothing proves."""
        bot_id = self.bot._own_bot_id()
        at = next((at for at in reversed(range(len(messages))) if is_own(Said(messages[at]), bot_id)), None)
        if at is None:
            return "", list(messages)
        found = str(messages[at].response_metadata["conversation_id"])
        if self.conversation_id and found != known:
            raise _refused(
                self.bot,
                "the answer is of another conversation than this history. Give the history session_id=… in place of "
                "conversation_id=…, or keep to the conversation.",
            )
        return found if found != known else "", list(messages[at + 1 :])

    def _check(self, messages: Sequence[BaseMessage], stored: Sequence[StoredMessage]) -> None:
        for given in map(Said, messages):
            # A question may hold more than one message: a system message, others' answers.
            if not any(given.role == one.role and given.text.strip() in one.text for one in stored):
                raise _refused(
                    self.bot,
                    f"the server does not have this {given.role} message, and a history cannot give it one: a "
                    "conversation grows by asking. Invoke the model with it.",
                )


def _of_the_next_turn() -> Session:
    return Session("this history", InMemoryConversations())


def message_of(stored: StoredMessage, bot: RemoteChatModel, user: str) -> BaseMessage:
    """Return a message of the server's as the bot's model would have given it to `user`."""
    told = {"bot": bot._own_bot_id(), "model_provider": bot.platform, "model_name": bot.model_name}
    told |= {"user": other} if (other := bot._other_user(user)) else {}
    metadata = metadata_of(stored, told)
    if stored.role == "user":
        # At Dify a question and its answer have one id, and LangGraph would take one for the other.
        return HumanMessage(stored.text, id=f"{stored.message_id}-question", response_metadata=metadata)
    placed = [(at, block) for at, one in stored.beside for block in _blocks_of(one)]
    placed += [(len(stored.text), file_block(one)) for one in stored.media if one.url]
    blocks = [{**block, "index": index, "at": at} for index, (at, block) in enumerate(placed)]
    return AIMessage(
        stored.text,
        id=stored.message_id or None,
        additional_kwargs={BLOCKS: blocks} if blocks else {},
        response_metadata=metadata,
        usage_metadata=usage_metadata(stored.usage) if stored.usage else None,
    )


def _blocks_of(beside: str | Step) -> list[dict[str, Any]]:
    return [{"type": "reasoning", "reasoning": beside}] if isinstance(beside, str) else list(StepBlocks().of(beside))


def _refused(bot: RemoteChatModel, why: str) -> BotUsageError:
    return BotUsageError.of(bot.platform, why)
