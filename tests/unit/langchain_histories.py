"""Messages of a history, and what of them goes to the bot."""

from __future__ import annotations

import hashlib
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
)

from langchain_chatbots._translate import Said
from remote_chatbots.history import Plan, plan

BOT = "dify:dify.example.com:0123456789ab"
OTHER_BOT = "dify:dify.example.com:ffffffffffff"


def own(text: str = "Rain.", conversation_id: str = "c-1", **metadata: Any) -> AIMessage:
    told = {"bot": BOT, "conversation_id": conversation_id, "model_provider": "dify", **metadata}
    return AIMessage(text, response_metadata=told)


def foreign(text: str = "Sun.", **fields: Any) -> AIMessage:
    return AIMessage(text, response_metadata={"model_provider": "openai"}, **fields)


def human(text: Any = "Will it rain?", **fields: Any) -> HumanMessage:
    return HumanMessage(text, **fields)


def digest(system: str) -> str:
    return hashlib.sha256(system.encode()).hexdigest()[:16]


def planned(*messages: BaseMessage, **options: Any) -> Plan:
    return plan([Said(message) for message in messages], bot_id=BOT, **options)
