"""What a bot's server keeps as LlamaIndex's messages, and what it has not got yet. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatMessage, MessageRole

from llama_index_chatbots._content import content
from llama_index_chatbots._translate import Said
from llama_index_chatbots.remote_llm import RemoteLLM
from remote_chatbots import MediaProduced
from remote_chatbots.history import is_own
from remote_chatbots.remembered import metadata_of
from remote_chatbots.steps import tool_calls
from remote_chatbots.stored import StoredMessage


def as_message(stored: StoredMessage, llm: RemoteLLM, user: str) -> ChatMessage:
    """Return a message of the server's as the bot's LLM would have given it to `user`."""
    told = {"bot": llm._own_bot_id(), "model_provider": llm.platform, "model_name": llm.model_name}
    told |= {"user": other} if (other := llm._other_user(user)) else {}
    known = metadata_of(stored, told)
    calls = [call for step in stored.steps for call in tool_calls(step) if call.name]
    return ChatMessage(
        role=MessageRole(stored.role),
        blocks=content(stored.text, thought=stored.reasoning, calls=calls, told=known, media=_made(stored)),
        additional_kwargs=known,
    )


def _made(stored: StoredMessage) -> list[MediaProduced]:
    """Return the files that the bot made; a question is told without its own, which are not to be sent again."""
    return [one for one in stored.media if one.url] if stored.role == "assistant" else []


def conversation_of(message: ChatMessage, bot_id: str) -> str:
    """Return the conversation in which a bot gave this answer; "" if it is none of its answers."""
    message_said = Said(message)
    return str(message_said.told["conversation_id"]) if is_own(message_said, bot_id) else ""


def behind(
    known: Sequence[ChatMessage], unsent: Sequence[ChatMessage], known_id: str | None
) -> tuple[list[ChatMessage], str | None]:
    """Return the server's messages and, behind them, what it has not got; and the `known_id` of the next time.

    A question whose answer never came may have reached the server all the same, alone or behind a system message: it is
    not told again. The newest is to be asked now, even if it was asked in vain before.

    Args:
        known: The server's messages, the oldest first.
        unsent: What was put, and no answer has followed.
        known_id: The newest answer when `unsent` was first to be sent; None if this is the first time.
    """
    if not unsent:
        return list(known), None
    ids = [_answer_id(message) for message in known]
    if known_id is None:
        return [*known, *unsent], next(filter(None, reversed(ids)), "")
    since = known[ids.index(known_id) + 1 :] if known_id and known_id in ids else known
    asked = [one.content or "" for one in since if one.role == MessageRole.USER]
    waiting = [one for one in unsent[:-1] if not any(_ends_with(text, one.content or "") for text in asked)]
    return [*known, *waiting, unsent[-1]], known_id


def _answer_id(message: ChatMessage) -> str:
    return str(message.additional_kwargs.get("message_id") or "") if message.role == MessageRole.ASSISTANT else ""


def _ends_with(text: str, question: str) -> bool:
    return text == question or text.endswith(f"\n\n{question}")
