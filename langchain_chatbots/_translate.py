"""What of a history goes to the bot. Pure: messages in, a plan out.

The bot keeps the conversation, so only what is new is sent. Which conversation that is rides on the bot's own
answers: an answer whose `bot` is this bot and which has a `conversation_id`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from remote_chatbots import Attachment, BotUsageError

_KINDS = {"image": "image", "audio": "audio", "video": "video", "file": "document"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask, and where.

    Attributes:
        text: The question.
        conversation_id: The conversation to go on with; "" begins one.
        inputs: App variables that the history fills: the system message, where the app has a variable for it.
        files: Files of the new messages.
        system: Digest of the system message that the conversation holds after this turn; "" if none.
        strangers: Whether the history holds conversations of this platform, but none of this bot.
    """

    text: str
    conversation_id: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Attachment, ...] = ()
    system: str = ""
    strangers: bool = False


def plan(
    messages: Sequence[BaseMessage],
    *,
    bot_id: str,
    conversation_id: str | None = None,
    fallback_conversation_id: str = "",
    system_input: str | None = None,
) -> Plan:
    """Return what to ask for `messages`.

    Args:
        messages: The history, the new messages last.
        bot_id: Which answers are this bot's own.
        conversation_id: The conversation that the call names; "" is a new one; None if it names none.
        fallback_conversation_id: The conversation to use where neither the call nor the history names one.
        system_input: The app variable that takes the system message; None if the app has none, and the message
            is put before the question whenever it is new to the conversation.

    Raises:
        BotUsageError: If there is nothing new to send, or it holds what cannot be sent.
    """
    system = "\n\n".join(_text(message) for message in messages if isinstance(message, SystemMessage))
    talk = [message for message in messages if not isinstance(message, SystemMessage)]
    at, target = _newest_own(talk, bot_id, conversation_id)
    named = conversation_id if conversation_id is not None else target or fallback_conversation_id
    if at is None and named:
        # The conversation is known to the server and not to the history: what the history tells of it, it has.
        at = max((i for i, message in enumerate(talk) if isinstance(message, AIMessage)), default=None)
        new, own = talk[0 if at is None else at + 1 :], None
    else:
        new, own = talk[0 if at is None else at + 1 :], None if at is None else talk[at]
    if conversation_id:
        new = [message for message in new if not isinstance(message, AIMessage)]  # what it said itself, it knows
    if not new:
        raise BotUsageError(
            "There is nothing new to send: the messages end in the bot's own answer, or hold a system message alone. "
            "Add a HumanMessage."
        )
    held = own.response_metadata.get("system", "") if own is not None else ""
    digest = _digest(system) or held
    text = _rendered(new)
    inputs: dict[str, Any] = {}
    if system and system_input:
        inputs[system_input] = system
    elif system and digest != held:
        text = f"{system}\n\n{text}"
    return Plan(text, named, inputs, _files(new), digest, _only_strangers(talk, bot_id))


def is_own(message: BaseMessage, bot_id: str) -> bool:
    """Return whether `message` is an answer of this bot, in a conversation that it can go on with."""
    told = message.response_metadata
    return isinstance(message, AIMessage) and told.get("bot") == bot_id and bool(told.get("conversation_id"))


def _newest_own(talk: Sequence[BaseMessage], bot_id: str, conversation_id: str | None) -> tuple[int | None, str]:
    for at in range(len(talk) - 1, -1, -1):
        if is_own(talk[at], bot_id):
            found = str(talk[at].response_metadata["conversation_id"])
            if conversation_id in (None, found):
                return at, found
    return None, ""


def _only_strangers(talk: Sequence[BaseMessage], bot_id: str) -> bool:
    platform = bot_id.partition(":")[0] + ":"
    bots = {str(m.response_metadata.get("bot", "")) for m in talk if m.response_metadata.get("conversation_id")}
    return bot_id not in bots and any(bot.startswith(platform) for bot in bots)


def _digest(system: str) -> str:
    return hashlib.sha256(system.encode()).hexdigest()[:16] if system else ""


def _rendered(messages: Sequence[BaseMessage]) -> str:
    """Return the messages as one text: humans alone joined, others with their roles, as a transcript."""
    if all(isinstance(message, HumanMessage) for message in messages):
        return "\n\n".join(_text(message) for message in messages)
    return "\n\n".join(f"{_role(message)}: {_with_calls(message)}" for message in messages)


def _role(message: BaseMessage) -> str:
    if isinstance(message, HumanMessage):
        role = "user"
    elif isinstance(message, AIMessage):
        role = "assistant"
    elif isinstance(message, ToolMessage):
        role = "tool"
    else:
        role = message.role if isinstance(message, ChatMessage) else message.type
    return f"{role} ({message.name})" if message.name else role


def _with_calls(message: BaseMessage) -> str:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    told = [f"[calls {call['name']}({json.dumps(call['args'], ensure_ascii=False, default=str)})]" for call in calls]
    return " ".join(filter(None, [_text(message), *told]))


def _text(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    parts = (
        block if isinstance(block, str) else block.get("text") if block.get("type") in ("text", "text-plain") else None
        for block in message.content
    )
    return "".join(part for part in parts if isinstance(part, str))


def _files(messages: Sequence[BaseMessage]) -> tuple[Attachment, ...]:
    blocks = [
        block
        for message in messages
        if isinstance(message, HumanMessage) and isinstance(message.content, list)
        for block in message.content
        if isinstance(block, dict) and block.get("type") not in ("text", "text-plain")
    ]
    return tuple(_file(block) for block in blocks)


def _file(block: Mapping[str, Any]) -> Attachment:
    kind = block.get("type")
    if kind == "image_url":  # OpenAI's form, which LangChain leaves to its models
        told = block.get("image_url")
        kind, url, file_id = "image", told.get("url") if isinstance(told, Mapping) else told, None
    else:
        url, file_id = block.get("url"), block.get("file_id")
    if kind not in _KINDS:
        raise BotUsageError(f"A content block of type {kind!r} cannot be sent to a bot. Leave it out.")
    if isinstance(file_id, str) and file_id:
        return Attachment(_KINDS[kind], file_id=file_id)  # type: ignore[arg-type]
    if isinstance(url, str) and url.startswith(("http://", "https://")):
        return Attachment(_KINDS[kind], url=url)  # type: ignore[arg-type]
    raise BotUsageError(
        f"The bytes of a content block of type {kind!r} cannot be sent yet. Give its url, or upload the file and give "
        "its file_id."
    )
