"""How the core's rules of a history read LlamaIndex's messages. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CachePoint,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from remote_chatbots import Attachment, BotUsageError
from remote_chatbots.question import AttachmentKind

_ROLES = {
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.DEVELOPER: "system",
}
_FILES: Mapping[type, AttachmentKind] = {
    ImageBlock: "image",
    AudioBlock: "audio",
    VideoBlock: "video",
    DocumentBlock: "document",
}
_NO_FILES = (TextBlock, ThinkingBlock, ToolCallBlock, CachePoint)


class Said:
    """A LlamaIndex message as `remote_chatbots.history.Message`."""

    __slots__ = ("_message",)

    def __init__(self, message: ChatMessage) -> None:
        self._message = message

    @property
    def role(self) -> str:
        """Who speaks."""
        return _ROLES.get(self._message.role, self._message.role.value)

    @property
    def name(self) -> str:
        """The speaker's name, where LlamaIndex's integrations put it."""
        return str(self._message.additional_kwargs.get("name") or "")

    @property
    def text(self) -> str:
        """The text of all text blocks."""
        return self._message.content or ""

    @property
    def calls(self) -> list[tuple[str, str]]:
        """The tools that are called."""
        calls = [block for block in self._message.blocks if isinstance(block, ToolCallBlock)]
        return [(call.tool_name, _as_json(call.tool_kwargs)) for call in calls]

    @property
    def files(self) -> list[Attachment]:
        """The files of the content blocks.

        Raises:
            BotUsageError: If a block cannot be sent.
        """
        return [_file(block) for block in self._message.blocks if not isinstance(block, _NO_FILES)]

    @property
    def told(self) -> Mapping[str, Any]:
        """What rides on the message."""
        return self._message.additional_kwargs


def _file(block: BaseContentBlock) -> Attachment:
    kind = _FILES.get(type(block))
    if kind is None:
        raise BotUsageError(f"A {type(block).__name__} cannot be sent to a bot. Leave it out.")
    url = getattr(block, "url", None)
    if url is not None and str(url).startswith(("http://", "https://")):
        return Attachment(kind, url=str(url))
    raise BotUsageError(
        f"The bytes of a {type(block).__name__} cannot be sent yet. Give its url, or upload the file and give it as "
        "files=[Attachment(…, file_id=…)] to the call."
    )


def _as_json(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
