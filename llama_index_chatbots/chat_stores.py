"""A chat store whose keys are the server's conversations."""

from __future__ import annotations

from typing import Any, Unpack

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.storage.chat_store import BaseChatStore
from pydantic import PrivateAttr

from llama_index_chatbots._of_bot import LAST, OfBot, OfBotArguments
from llama_index_chatbots._stored import behind, conversation_of
from llama_index_chatbots.remote_llm import RemoteLLM


class StoreArguments(OfBotArguments, total=False):
    """What `RemoteChatStore` takes beside the LLM."""

    last: int | None


class RemoteChatStore(OfBot, BaseChatStore):
    """The conversations that a bot's server keeps of a user, as a LlamaIndex chat store: a key is a conversation's id.

    What the server has is read when it is asked for, and never stored again. What it has not got (a question being
    asked) waits here until the bot's next answer in the conversation.

    Example:
        >>> llm = Dify(api_key="app-…", base_url="https://dify.example.com", user="anna")
        >>> store = RemoteChatStore(llm)
        >>> memory = ChatMemoryBuffer.from_defaults(chat_store=store, chat_store_key=store.get_keys()[0])

    Attributes:
        llm: The bot. Default: `Settings.llm`.
        user: Whose conversations. Default: the LLM's user.
        last: No more than the newest so many of a conversation's messages are read. Default: all.
    """

    last: int | None = LAST

    _unsent: dict[str, list[ChatMessage]] = PrivateAttr(default_factory=dict)
    _known_ids: dict[str, str | None] = PrivateAttr(default_factory=dict)  # of what is unsent; see `behind`

    def __init__(self, llm: RemoteLLM | None = None, **given: Unpack[StoreArguments]) -> None:
        """Take the fields. `llm` may be what `to_dict` wrote of one.

        Raises:
            BotUsageError: If `llm` is no remote bot, or a field is wrong or unknown.
        """
        fields: dict[str, Any] = {"llm": llm, **given}
        super().__init__(**fields)

    @classmethod
    def class_name(cls) -> str:
        """Return the name that `to_dict` writes."""
        return "RemoteChatStore"

    def get_keys(self) -> list[str]:
        """Return the ids of the user's conversations, the newest first."""
        return [one.conversation_id for one in self._listed()]

    async def aget_keys(self) -> list[str]:
        """Return as `get_keys`."""
        return [one.conversation_id for one in await self._alisted()]

    def get_messages(self, key: str) -> list[ChatMessage]:
        """Return a conversation's messages, the oldest first, and what was added since its newest answer.

        Raises:
            BotNotFoundError: If the server does not know the conversation, or it is another user's.
        """
        return self._with_unsent(key, self._read(key, self.last))

    async def aget_messages(self, key: str) -> list[ChatMessage]:
        """Return as `get_messages`."""
        return self._with_unsent(key, await self._aread(key, self.last))

    def add_message(self, key: str, message: ChatMessage) -> None:
        """Add a message: an answer of the bot stands at the server already; anything else waits for its next one.

        Raises:
            BotUsageError: If the bot gave the answer in another conversation.
        """
        conversation_id = conversation_of(message, self.llm._own_bot_id())
        if conversation_id and conversation_id != key:
            self._refuse(
                "the answer was given in another conversation than the key names. Use the id of its conversation as "
                "key; RemoteMemory begins new ones."
            )
        if conversation_id:
            self._forget(key)
        else:
            self._unsent.setdefault(key, []).append(message)

    async def async_add_message(self, key: str, message: ChatMessage) -> None:
        """Do as `add_message`."""
        self.add_message(key, message)

    def set_messages(self, key: str, messages: list[ChatMessage]) -> None:  # noqa: ARG002
        """Refuse: a server's history cannot be written.

        Raises:
            BotUsageError: Always.
        """
        self._refuse(
            "the server writes its history itself, and takes no messages for it. Ask the bot, or keep them in a store "
            "of your own: its LLM goes on from any history."
        )

    async def aset_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Refuse, as `set_messages`."""
        self.set_messages(key, messages)

    def delete_messages(self, key: str) -> list[ChatMessage] | None:
        """Delete the conversation at the server; so does `reset()` of a memory over this store. Returns None.

        Raises:
            BotUsageError: If the platform deletes no conversations.
            BotNotFoundError: If the server does not know the conversation, or it is another user's.
        """
        self._delete(key)
        self._forget(key)
        return None

    async def adelete_messages(self, key: str) -> list[ChatMessage] | None:
        """Do as `delete_messages`."""
        await self._adelete(key)
        self._forget(key)
        return None

    def delete_message(self, key: str, idx: int) -> ChatMessage | None:  # noqa: ARG002
        """Refuse: a server's history cannot be edited.

        Raises:
            BotUsageError: Always.
        """
        self._refuse("no platform deletes a message of a conversation. Delete the whole by delete_messages.")

    async def adelete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Refuse, as `delete_message`."""
        return self.delete_message(key, idx)

    def delete_last_message(self, key: str) -> ChatMessage | None:
        """Take back what was added last and has not reached the server.

        Raises:
            BotUsageError: If the server has all of it.
        """
        waiting = self._unsent.get(key)
        return waiting.pop() if waiting else self.delete_message(key, -1)

    async def adelete_last_message(self, key: str) -> ChatMessage | None:
        """Do as `delete_last_message`."""
        return self.delete_last_message(key)

    def _with_unsent(self, key: str, known: list[ChatMessage]) -> list[ChatMessage]:
        unsent = self._unsent.get(key, [])
        found, known_id = behind(known, unsent, self._known_ids.get(key))
        if unsent:
            self._known_ids[key] = known_id
        return found

    def _forget(self, key: str) -> None:
        self._unsent.pop(key, None)
        self._known_ids.pop(key, None)
