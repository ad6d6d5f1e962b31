"""How the files of LangChain's content blocks are read: today's standard form, that of 0.3, and OpenAI's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import remote_chatbots
from remote_chatbots import BotUsageError

if TYPE_CHECKING:
    from remote_chatbots import Attachment
    from remote_chatbots.attachments import AttachmentKind

# A block of type `file` is what its bytes or its name say.
_KINDS: Mapping[str, AttachmentKind | None] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
    "file": None,
    "text-plain": "document",
}


def is_text(block: Mapping[str, Any]) -> bool:
    """Return whether a block is a piece of text; a plain text may also be a file."""
    return block.get("type") == "text" or (block.get("type") == "text-plain" and isinstance(block.get("text"), str))


def file_of(block: Mapping[str, Any]) -> Attachment:
    """Return the file that a content block is.

    Raises:
        BotUsageError: If it is none, or lacks what makes it one.
    """
    told = _standard(block)
    kind = told.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise BotUsageError(f"A content block of type {block.get('type')!r} cannot be sent to a bot. Leave it out.")
    known: dict[str, Any] = {"name": _text(told, "filename", "name", "title"), "mime_type": _text(told, "mime_type")}
    url, data, file_id = (_text(told, key) for key in ("url", "base64", "file_id"))
    try:
        if file_id:
            return remote_chatbots.Attachment(_KINDS[kind] or "document", file_id=file_id, **known)
        if url:
            return remote_chatbots.Attachment.from_url(url, kind=_KINDS[kind], **known)
        if data:
            return remote_chatbots.Attachment.from_base64(data, kind=_KINDS[kind], **known)
    except BotUsageError as error:
        raise BotUsageError(f"A content block of type {block.get('type')!r}: {error}") from None
    raise BotUsageError(
        f"A content block of type {block.get('type')!r} has no file in it. Give its url, its base64 or its file_id, "
        "as text."
    )


def _standard(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block of any form in the standard one."""
    kind = block.get("type")
    extras = block.get("extras")
    told = {**(extras if isinstance(extras, Mapping) else {}), **block}
    inside = block.get(kind) if isinstance(kind, str) else None
    if kind == "image_url":  # OpenAI's
        return {"type": "image", "url": inside.get("url") if isinstance(inside, Mapping) else inside}
    if kind == "input_audio" and isinstance(inside, Mapping):
        return {"type": "audio", "base64": inside.get("data"), "mime_type": f"audio/{inside.get('format') or 'wav'}"}
    if kind == "file" and isinstance(inside, Mapping):
        return {"type": "file", **inside, "url": inside.get("file_data")}
    if block.get("source_type") == "base64":  # LangChain 0.3
        return {**told, "base64": block.get("data")}
    if block.get("source_type") == "id":
        return {**told, "file_id": block.get("id")}
    return told


def _text(told: Mapping[str, Any], *keys: str) -> str:
    return next((value for key in keys if isinstance(value := told.get(key), str) and value), "")
