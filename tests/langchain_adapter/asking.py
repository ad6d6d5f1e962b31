"""What the tests of this folder share."""

from __future__ import annotations

from typing import Any, Protocol

from langchain_core.messages import AIMessage

from langchain_chatbots import ChatDify, RemoteChatModel
from remote_chatbots.emulator import Emulator, ReceivedRequest

KINDS = ("chat", "agent-chat", "advanced-chat")
PLATFORMS = ("dify", "gptbots")
QUESTION_PATHS = ("/v1/chat-messages", "/gptbots/v2/conversation/message")
HISTORY_PATHS = ("/v1/messages", "/gptbots/v2/messages")


class MakeModel(Protocol):
    def __call__(self, kind: str = "chat", **fields: Any) -> ChatDify: ...


class MakeBot(Protocol):
    def __call__(self, platform: str, **fields: Any) -> RemoteChatModel: ...


def questions_in(emulator: Emulator, conversation_id: str) -> list[str]:
    """Return the texts that were sent into a conversation; with "" those that began one at Dify."""
    bodies = [one.body for one in emulator.requests if one.path in QUESTION_PATHS and isinstance(one.body, dict)]
    return [text_of(body) for body in bodies if body.get("conversation_id") == conversation_id]


def text_of(body: dict[str, Any]) -> str:
    """Return the question in a request of either platform."""
    return str(body["query"] if "query" in body else body["messages"][-1]["content"][0]["text"])


def looks_into(emulator: Emulator, conversation_id: str) -> list[ReceivedRequest]:
    """Return the requests for a conversation's history."""
    read = [one for one in emulator.requests if one.path in HISTORY_PATHS]
    return [one for one in read if one.query.get("conversation_id") == conversation_id]


def summed(chunks: list[Any]) -> Any:
    """Return the chunks added up one by one, as a consumer does."""
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total


def conversation(message: AIMessage) -> str:
    return str(message.response_metadata["conversation_id"])
