"""What a chat engine asks of a memory that is the server's own history; an engine with another need not import it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llama_index.core.base.llms.types import ChatMessage

    from llama_index_chatbots.remote_llm import RemoteLLM


class ServerMemory:
    """A memory of what the server has."""

    if TYPE_CHECKING:  # pydantic would take them for fields of this class
        conversation_id: str
        session_id: str

    @abstractmethod
    def needed(self, *, system: bool) -> list[ChatMessage] | None:
        """Return what the bot must be told of the conversation, where nothing has to be read for it; else None."""

    @abstractmethod
    def joined_with(self, llm: RemoteLLM, conversation_id: str | None) -> str | None:
        """Return the conversation that a chat engine over `llm` goes on with, which is this memory's."""
