"""How the core's rules of a history read LlamaIndex's messages. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import IOBase
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CachePoint,
    ChatMessage,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

import remote_chatbots
from remote_chatbots import BotUsageError

if TYPE_CHECKING:
    from remote_chatbots import Attachment
    from remote_chatbots.attachments import AttachmentKind

_ROLES = {
    MessageRole.CHATBOT.value: "assistant",
    MessageRole.MODEL.value: "assistant",
    MessageRole.DEVELOPER.value: "system",
}
_FILES: Mapping[type, AttachmentKind] = {
    ImageBlock: "image",
    AudioBlock: "audio",
    VideoBlock: "video",
    DocumentBlock: "document",
}
_BYTES: Mapping[str, str] = {"image": "image", "audio": "audio", "video": "video", "document": "data"}
_UNTITLED = "input_document"  # LlamaIndex's own, where nobody gave a title
_NO_FILES = (TextBlock, ThinkingBlock, ToolCallBlock, CitationBlock, CachePoint)


class Said:
    """A LlamaIndex message as `remote_chatbots.history.Message`."""

    __slots__ = ("_message",)

    def __init__(self, message: ChatMessage) -> None:
        self._message = message

    @property
    def role(self) -> str:
        """Who speaks."""
        role = self._message.role.value
        return _ROLES.get(role, role)

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
        """The tools that are called; those of a remote bot ran on its server, and are nobody's to answer."""
        if "bot" in self._message.additional_kwargs:
            return []
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
    kind = next((kind for of, kind in _FILES.items() if isinstance(block, of)), None)
    if kind is None:
        raise BotUsageError(f"A {type(block).__name__} cannot be sent to a bot. Leave it out.")
    data = getattr(block, _BYTES[kind])
    title = getattr(block, "title", None) or ""
    known: dict[str, Any] = {
        "kind": None if kind == "document" else kind,  # of a document the bytes say what it is
        "name": "" if title == _UNTITLED else title,
        "mime_type": _mime_type(block),
    }
    try:
        if isinstance(data, IOBase):
            data.seek(0)
            return remote_chatbots.Attachment.from_bytes(data.read(), **known)
        if data:
            return remote_chatbots.Attachment.from_base64(data, **known)  # LlamaIndex keeps bytes so
        if block.path:  # type: ignore[attr-defined]
            return remote_chatbots.Attachment.from_path(block.path, **known)  # type: ignore[attr-defined]
        if block.url:  # type: ignore[attr-defined]
            return remote_chatbots.Attachment.from_url(str(block.url), **known)  # type: ignore[attr-defined]
    except BotUsageError as error:
        raise BotUsageError(f"{type(block).__name__}: {error}") from None
    raise BotUsageError(f"A {type(block).__name__} has no file in it. Give it bytes, a path or a url.")


def _mime_type(block: BaseContentBlock) -> str:
    told = [getattr(block, name, None) for name in ("image_mimetype", "video_mimetype", "document_mimetype")]
    format_ = getattr(block, "format", None)
    return next(filter(None, told), "") or (f"audio/{format_}" if format_ else "")


def _as_json(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
