"""What the tests of this folder share."""

from __future__ import annotations

from typing import Any, Protocol

from llama_index.core.llms import ChatMessage

from llama_index_chatbots import Dify
from remote_chatbots.emulator import Emulator

KINDS = ("chat", "agent-chat", "advanced-chat")
QUESTION = "When does the ferry leave?"
AGAIN = "What did I ask first?"


class MakeLLM(Protocol):
    def __call__(self, kind: str = "chat", **fields: Any) -> Dify: ...


class Do(Protocol):
    async def __call__(self, method: Any, *arguments: Any, **named: Any) -> Any: ...


def user(text: Any) -> ChatMessage:
    return ChatMessage(role="user", content=text)


def told(answer: Any) -> dict[str, Any]:
    return answer.message.additional_kwargs


def sent(emulator: Emulator, name: str) -> list[dict[str, Any]]:
    """Return the bodies of the questions that a user sent."""
    bodies = [request.body for request in emulator.requests if request.path == "/v1/chat-messages"]
    return [body for body in bodies if isinstance(body, dict) and body.get("user") == name]
