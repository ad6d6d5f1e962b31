"""What the tests of this folder share."""

from __future__ import annotations

from typing import Any, Protocol

from langchain_core.messages import AIMessage

from langchain_chatbots import ChatDify

KINDS = ("chat", "agent-chat", "advanced-chat")


class MakeModel(Protocol):
    def __call__(self, kind: str = "chat", **fields: Any) -> ChatDify: ...


def summed(chunks: list[Any]) -> Any:
    """Return the chunks added up one by one, as a consumer does."""
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total


def conversation(message: AIMessage) -> str:
    return str(message.response_metadata["conversation_id"])
