"""How the core's rules of a history read LangChain's messages. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_chatbots._files import file_of, is_text
from remote_chatbots import BotUsageError

if TYPE_CHECKING:
    from remote_chatbots import Attachment

_SPOKEN = {"human": "user", "ai": "assistant", "developer": "system"}
_ROLES = ((HumanMessage, "user"), (AIMessage, "assistant"), (SystemMessage, "system"), (ToolMessage, "tool"))


# Who speaks in these, their class tells alone.
PLAIN = frozenset({HumanMessage, AIMessage, AIMessageChunk, ToolMessage})


class Said:
    """A LangChain message as `remote_chatbots.history.Message`."""

    __slots__ = ("_message",)

    def __init__(self, message: BaseMessage) -> None:
        self._message = message

    @property
    def role(self) -> str:
        """Who speaks.

        Raises:
            BotUsageError: For a `RemoveMessage`.
        """
        for kind, role in _ROLES:
            if isinstance(self._message, kind):
                return role
        if isinstance(self._message, RemoveMessage):
            raise BotUsageError(
                "A RemoveMessage tells a graph's reducer what to drop, and says nothing to a bot. Give the messages "
                "that the reducer leaves: add_messages(history, changes)."
            )
        role = self._message.role if isinstance(self._message, ChatMessage) else self._message.type
        return _SPOKEN.get(role, role)

    @property
    def name(self) -> str:
        """The speaker's name."""
        return self._message.name or ""

    @property
    def text(self) -> str:
        """The text, of strings and text blocks."""
        content = self._message.content
        if isinstance(content, str):
            return content
        parts = (
            block if isinstance(block, str) else block.get("text") if is_text(block) else None for block in content
        )
        return "".join(part for part in parts if isinstance(part, str))

    @property
    def calls(self) -> list[tuple[str, str]]:
        """The tools that are called."""
        calls = self._message.tool_calls if isinstance(self._message, AIMessage) else []
        return [(call["name"], json.dumps(call["args"], ensure_ascii=False, default=str)) for call in calls]

    @property
    def files(self) -> list[Attachment]:
        """The files of the content blocks.

        Raises:
            BotUsageError: If a block cannot be sent.
        """
        content = self._message.content
        blocks = content if isinstance(content, list) else []
        return [file_of(block) for block in blocks if isinstance(block, dict) and not is_text(block)]

    @property
    def told(self) -> Mapping[str, Any]:
        """The response metadata."""
        return self._message.response_metadata
