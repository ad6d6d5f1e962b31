"""A memory that is the server's own history of the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, Unpack

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.memory import BaseMemory
from pydantic import Field, PrivateAttr

from llama_index_chatbots._of_bot import LAST, OfBot, OfBotArguments
from llama_index_chatbots._server_memory import ServerMemory
from llama_index_chatbots._stored import behind, conversation_of
from llama_index_chatbots.remote_llm import RemoteLLM
from remote_chatbots import BotNotFoundError
from remote_chatbots.forgotten import is_forgotten
from remote_chatbots.sessions import Session, forgotten_is_deleted

_RECENT = 6


class MemoryArguments(OfBotArguments, total=False):
    """What `RemoteMemory` takes beside the LLM."""

    conversation_id: str
    session_id: str
    last: int | None
    unsent: Sequence[ChatMessage]
    newest_answer: ChatMessage | None


class RemoteMemory(OfBot, ServerMemory, BaseMemory):
    """What a bot's server remembers of a conversation, as a LlamaIndex memory. It stores nothing of it again.

    Under `RemoteChatEngine` a turn costs no reading: the bot has its history, and only `chat_history` asks for it.
    Under LlamaIndex's own engines and workflows `get` reads it each time; `last=1` is enough for the bot to go on. What
    the server has not got (a question being asked, another agent's words) waits in `unsent` until the bot's next
    answer, and is told with it.

    Example:
        >>> llm = Dify(api_key="app-…", base_url="https://dify.example.com", user="anna")
        >>> engine = RemoteChatEngine.from_llm(llm, memory=RemoteMemory(llm, conversation_id="…"))

    Attributes:
        llm: The bot. Default: `Settings.llm`.
        user: Whose conversation it is. Default: the LLM's user.
        conversation_id: The server's id of it; "" until the bot's first answer.
        session_id: Your id of it, in place of the server's, where the LLM has a store of sessions (`conversations`). An
            answer's conversation is kept under it, and gone on with in another memory and another process.
        last: `get` returns no more than the newest so many of the server's messages. Default: all.
        unsent: What was put, and the server has not got.
        newest_answer: The bot's newest answer that was put here; None if none was.
    """

    conversation_id: str = ""
    session_id: str = ""
    last: int | None = LAST
    unsent: list[ChatMessage] = Field(default_factory=list)
    newest_answer: ChatMessage | None = None

    _session: Session | None = PrivateAttr(default=None)
    _known_id: str | None = PrivateAttr(default=None)  # the newest answer when the first of `unsent` was to be sent

    def __init__(self, llm: RemoteLLM | None = None, **given: Unpack[MemoryArguments]) -> None:
        """Take the fields. `llm` may be what `to_dict` wrote of one.

        Raises:
            BotUsageError: If `llm` is no remote bot or has no store of sessions, or a field is wrong or unknown.
        """
        fields: dict[str, Any] = {"llm": llm, **given}
        super().__init__(**fields)
        self._session = Session.of(self.session_id, self.llm.conversations, self.llm.platform)

    @classmethod
    def class_name(cls) -> str:
        """Return the name that `to_dict` writes."""
        return "RemoteMemory"

    @classmethod
    def from_defaults(cls, chat_history: Sequence[ChatMessage] | None = None, llm: Any = None, **fields: Any) -> Self:
        """Return a memory that goes on from `chat_history`, as after `set`."""
        memory = cls(llm, **fields)
        if chat_history:
            memory.set(list(chat_history))
        return memory

    def get(self, input: str | None = None, **_: Any) -> list[ChatMessage]:  # noqa: A002, ARG002
        """Return the server's newest messages (`last`), and behind them what it has not got.

        Raises:
            BotNotFoundError: If the server does not know the conversation, or it is another user's. With the LLM's
                `on_missing="restart"` there is nothing to return then, and the next question begins a new one.
        """
        return self._with_unsent(self._kept(self.last))

    async def aget(self, input: str | None = None, **_: Any) -> list[ChatMessage]:  # noqa: A002, ARG002
        """Return as `get`."""
        return self._with_unsent(await self._akept(self.last))

    def get_all(self) -> list[ChatMessage]:
        """Return all of the server's messages, and behind them what it has not got."""
        return self._with_unsent(self._kept(None))

    async def aget_all(self) -> list[ChatMessage]:
        """Return as `get_all`."""
        return self._with_unsent(await self._akept(None))

    def put(self, message: ChatMessage) -> None:
        """Take the conversation's id from an answer of the bot; keep anything else until its next answer."""
        conversation_id = self._taken(message)
        if conversation_id and self._session is not None:
            self._session.conversations.put(self._key(self._session), conversation_id)

    async def aput(self, message: ChatMessage) -> None:
        """Do as `put`."""
        conversation_id = self._taken(message)
        if conversation_id and self._session is not None:
            await self._session.conversations.aput(self._key(self._session), conversation_id)

    async def aput_messages(self, messages: list[ChatMessage]) -> None:
        """Do as `put`, for each."""
        for message in messages:
            await self.aput(message)

    def set(self, messages: list[ChatMessage]) -> None:
        """Go on from `messages`: in the conversation of the bot's newest answer in them, or in a new one.

        What stands before that answer is the server's to tell; what stands behind it, it has not got.

        Raises:
            BotUsageError: If the server's conversation has gone on since that answer: it cannot be set back.
            BotNotFoundError: If the server does not know the conversation, or it is another user's.
        """
        at, conversation_id = self._newest_of(messages)
        if conversation_id:
            self._check(messages[at], self._read(conversation_id, _RECENT))
        else:
            self.reset()
        self._go_on_from(messages, at, conversation_id)

    async def aset(self, messages: list[ChatMessage]) -> None:
        """Do as `set`."""
        at, conversation_id = self._newest_of(messages)
        if conversation_id:
            self._check(messages[at], await self._aread(conversation_id, _RECENT))
        else:
            await self.areset()
        self._go_on_from(messages, at, conversation_id)

    def reset(self, *, delete: bool = False) -> None:
        """Forget the conversation here; the next question begins a new one.

        Args:
            delete: Whether the server is to delete it as well. What it has forgotten of a session is deleted already.

        Raises:
            BotUsageError: If the platform deletes no conversations; nothing is forgotten then.
            BotNotFoundError: With `delete`, if the server does not know the conversation, or it is another user's.
        """
        conversation_id = self._place()
        if delete and conversation_id:
            with forgotten_is_deleted(self._session):
                self._delete(conversation_id)
        if self._session is not None:
            self._session.conversations.delete(self._key(self._session))
        self._go_on_from([], -1, "")

    async def areset(self, *, delete: bool = False) -> None:
        """Do as `reset`."""
        conversation_id = await self._aplace()
        if delete and conversation_id:
            with forgotten_is_deleted(self._session):
                await self._adelete(conversation_id)
        if self._session is not None:
            await self._session.conversations.adelete(self._key(self._session))
        self._go_on_from([], -1, "")

    def needed(self, *, system: bool) -> list[ChatMessage] | None:
        """Return what the bot must be told of the conversation, where nothing has to be read for it; else None.

        Args:
            system: Whether a system message goes along. The newest answer tells whether the server has it.
        """
        if self.newest_answer is not None:
            return [self.newest_answer, *self.unsent]
        return None if system and (self.conversation_id or self.session_id) else list(self.unsent)

    def joined_with(self, llm: RemoteLLM, conversation_id: str | None) -> str | None:
        """Return the conversation that a chat engine over `llm` goes on with, which is this memory's.

        Raises:
            BotUsageError: If the engine is another bot's, or names another conversation.
        """
        if llm._own_bot_id() != self.llm._own_bot_id():
            self._refuse("the memory is another bot's than the engine's. Give both the same llm.")
        if conversation_id and self.conversation_id not in ("", conversation_id):
            self._refuse(
                "the memory holds another conversation than the one that is named. Name one of them, or give each "
                "conversation a memory of its own."
            )
        self.conversation_id = conversation_id or self.conversation_id
        return self.conversation_id or conversation_id

    def _taken(self, message: ChatMessage) -> str:
        """Take a message in; return its conversation, if it is the bot's answer."""
        conversation_id = conversation_of(message, self.llm._own_bot_id())
        if conversation_id:
            self.conversation_id, self.newest_answer = conversation_id, message
            self._known_id, self.unsent = None, []
        else:
            self.unsent = [*self.unsent, message]
        return conversation_id

    def _key(self, session: Session) -> str:
        return session.key(user=self.llm._user(self.user), bot_id=self.llm._own_bot_id())

    def _place(self) -> str:
        if self.conversation_id or self._session is None:
            return self.conversation_id
        return self._session.conversations.get(self._key(self._session))

    async def _aplace(self) -> str:
        if self.conversation_id or self._session is None:
            return self.conversation_id
        return await self._session.conversations.aget(self._key(self._session))

    def _kept(self, last: int | None) -> list[ChatMessage]:
        try:
            conversation_id = self._place()
            return self._read(conversation_id, last) if conversation_id else []
        except BotNotFoundError as error:
            return self._forgotten(error)

    async def _akept(self, last: int | None) -> list[ChatMessage]:
        try:
            conversation_id = await self._aplace()
            return await self._aread(conversation_id, last) if conversation_id else []
        except BotNotFoundError as error:
            return self._forgotten(error)

    def _forgotten(self, error: BotNotFoundError) -> list[ChatMessage]:
        if self.llm.on_missing != "restart" or not is_forgotten(error):
            raise error
        return []

    def _with_unsent(self, known: list[ChatMessage]) -> list[ChatMessage]:
        found, self._known_id = behind(known, self.unsent, self._known_id)
        return found

    def _newest_of(self, messages: Sequence[ChatMessage]) -> tuple[int, str]:
        bot_id = self.llm._own_bot_id()
        for at in range(len(messages) - 1, -1, -1):
            if conversation_id := conversation_of(messages[at], bot_id):
                return at, conversation_id
        return -1, ""

    def _go_on_from(self, messages: Sequence[ChatMessage], at: int, conversation_id: str) -> None:
        self.conversation_id, self._known_id = conversation_id, None
        self.newest_answer = messages[at] if conversation_id else None
        self.unsent = list(messages[at + 1 :])

    def _check(self, answer: ChatMessage, recent: Sequence[ChatMessage]) -> None:
        """Refuse an answer that is not the conversation's newest. Dify counts whole seconds: several may be that.

        Where all that was read are of one second, there may be more of them.
        """
        told = [one.additional_kwargs for one in recent if one.role == MessageRole.ASSISTANT]
        newest = max((one.get("created_at", 0) for one in told), default=0)
        ids = {one.get("message_id") for one in told if one.get("created_at", 0) == newest}
        if 0 < len(ids) < _RECENT // 2 and answer.additional_kwargs.get("message_id", next(iter(ids))) not in ids:
            self._refuse(
                "the server's conversation has gone on since the newest answer of these messages, and cannot be set "
                "back. Give all of it, or reset() and begin a new one."
            )
