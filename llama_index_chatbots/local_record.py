"""What a chat engine remembers by itself: the messages, in the order in which they were said."""

from __future__ import annotations

from typing import Any, Self

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemory
from pydantic import ConfigDict, Field


class LocalRecord(BaseMemory):
    """A memory that keeps all messages in this object. It counts no tokens, because the bot keeps the conversation.

    LlamaIndex's own memories count, and do their work in threads when they are awaited.
    """

    model_config = ConfigDict(defer_build=True)

    messages: list[ChatMessage] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        """Return the name that `to_dict` writes."""
        return "LocalRecord"

    @classmethod
    def from_defaults(cls, chat_history: list[ChatMessage] | None = None, **_: Any) -> Self:
        """Return a record of `chat_history`."""
        return cls(messages=list(chat_history or []))

    def get(self, input: str | None = None, **_: Any) -> list[ChatMessage]:  # noqa: A002, ARG002
        """Return all messages."""
        return list(self.messages)

    def get_all(self) -> list[ChatMessage]:
        """Return all messages."""
        return list(self.messages)

    def put(self, message: ChatMessage) -> None:
        """Add a message."""
        self.messages.append(message)

    def set(self, messages: list[ChatMessage]) -> None:
        """Replace all messages."""
        self.messages = list(messages)

    def reset(self) -> None:
        """Forget all messages."""
        self.messages = []

    async def aget(self, input: str | None = None, **_: Any) -> list[ChatMessage]:  # noqa: A002
        """Return all messages."""
        return self.get(input)

    async def aget_all(self) -> list[ChatMessage]:
        """Return all messages."""
        return self.get_all()

    async def aput(self, message: ChatMessage) -> None:
        """Add a message."""
        self.put(message)

    async def aput_messages(self, messages: list[ChatMessage]) -> None:
        """Add messages."""
        self.put_messages(messages)

    async def aset(self, messages: list[ChatMessage]) -> None:
        """Replace all messages."""
        self.set(messages)

    async def areset(self) -> None:
        """Forget all messages."""
        self.reset()
