"""Both frameworks behind one way of asking, for tests of what they share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock

from langchain_chatbots import ChatDify, ChatGPTBots
from llama_index_chatbots import Dify, GPTBots
from remote_chatbots.emulator import Emulator

PLATFORMS = ("dify", "gptbots")


@dataclass(frozen=True)
class Said:
    """A message of no framework; `calls` are an assistant's: names and arguments."""

    role: str
    text: str
    told: dict[str, Any] = field(default_factory=dict)
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


class Face(Protocol):
    """One bot in one framework."""

    model: Any

    def ask(self, messages: list[Said], **call: Any) -> Said:
        """Ask, in the test's colour; return the answer."""


class LangChain:
    def __init__(self, platform: str, emulator: Emulator, colour: str, **fields: Any) -> None:
        kinds = {"dify": ChatDify, "gptbots": ChatGPTBots}
        self.model: Any = kinds[platform](**reached(platform, emulator), **fields)
        self.colour = colour

    def ask(self, messages: list[Said], **call: Any) -> Said:
        given = [self.message(one) for one in messages]
        if self.colour == "sync":
            answer = self.model.invoke(given, **call)
        else:
            answer = asyncio.run(self.model.ainvoke(given, **call))
        return Said("assistant", answer.content, answer.response_metadata)

    @staticmethod
    def message(one: Said) -> BaseMessage:
        if one.role == "assistant":
            calls = [{"name": name, "args": args, "id": f"call-{name}"} for name, args in one.calls]
            return AIMessage(one.text, response_metadata=one.told, tool_calls=calls)
        if one.role == "tool":
            return ToolMessage(one.text, tool_call_id="call-forecast")
        return SystemMessage(one.text) if one.role == "system" else HumanMessage(one.text)


class LlamaIndex:
    def __init__(self, platform: str, emulator: Emulator, colour: str, **fields: Any) -> None:
        kinds = {"dify": Dify, "gptbots": GPTBots}
        self.model: Any = kinds[platform](**reached(platform, emulator), **fields)
        self.colour = colour

    def ask(self, messages: list[Said], **call: Any) -> Said:
        given = [self.message(one) for one in messages]
        if self.colour == "sync":
            response = self.model.chat(given, **call)
        else:
            response = asyncio.run(self.model.achat(given, **call))
        return Said("assistant", response.message.content, response.message.additional_kwargs)

    @staticmethod
    def message(one: Said) -> ChatMessage:
        calls = [
            ToolCallBlock(tool_name=name, tool_kwargs=args, tool_call_id=f"call-{name}") for name, args in one.calls
        ]
        return ChatMessage(role=one.role, blocks=[TextBlock(text=one.text), *calls], additional_kwargs=one.told)


FACES: dict[str, type[LangChain | LlamaIndex]] = {"langchain": LangChain, "llama_index": LlamaIndex}


def reached(platform: str, emulator: Emulator, user: str = "anna") -> dict[str, Any]:
    """Return where a platform's bot is, with its key, and who asks."""
    if platform == "dify":
        return {"api_key": emulator.dify_key, "base_url": emulator.dify_url, "user": user}
    return {"api_key": emulator.gptbots_key, "base_url": emulator.gptbots_url, "user": user}
