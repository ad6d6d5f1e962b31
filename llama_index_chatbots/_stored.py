"""What a bot's server keeps as LlamaIndex's messages, and what it has not got yet. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatMessage, ContentBlock, MessageRole, TextBlock, ThinkingBlock

from llama_index_chatbots._translate import Said
from llama_index_chatbots.remote_llm import RemoteLLM
from remote_chatbots.history import is_own
from remote_chatbots.remembered import metadata_of, said
from remote_chatbots.stored import StoredMessage


def as_message(stored: StoredMessage, llm: RemoteLLM) -> ChatMessage:
    """Return a message of the server's as the bot's LLM would have given it."""
    text, thought = said(stored, reasoning=llm.reasoning)
    blocks: list[ContentBlock] = [ThinkingBlock(content=thought)] if thought else []
    told = {"bot": llm._own_bot_id(), "model_provider": llm.platform, "model_name": llm.model_name}
    return ChatMessage(
        role=MessageRole(stored.role),
        blocks=[*blocks, TextBlock(text=text)],
        additional_kwargs=metadata_of(stored, told),
    )


def conversation_of(message: ChatMessage, bot_id: str) -> str:
    """Return the conversation in which a bot gave this answer; "" if it is none of its answers."""
    message_said = Said(message)
    return str(message_said.told["conversation_id"]) if is_own(message_said, bot_id) else ""


def answer_ids(messages: Sequence[ChatMessage]) -> list[str]:
    """Return the id of each message that is an answer; "" for each other."""
    assistant = MessageRole.ASSISTANT
    return [str(one.additional_kwargs.get("message_id") or "") if one.role == assistant else "" for one in messages]


def not_there(unsent: Sequence[ChatMessage], since: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Return what of `unsent` the server has not got.

    A question whose answer never came may have reached it all the same, alone or behind a system message. The newest
    is to be asked now, even if it was asked in vain before.

    Args:
        unsent: What was put, and no answer has followed.
        since: The server's messages behind the newest answer that was known when they were put.
    """
    asked = [one.content or "" for one in since if one.role == MessageRole.USER]
    there = [any(text == one.content or text.endswith(f"\n\n{one.content}") for text in asked) for one in unsent[:-1]]
    return [*(one for one, known in zip(unsent, there, strict=False) if not known), *unsent[-1:]]
