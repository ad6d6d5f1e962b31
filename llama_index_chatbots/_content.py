"""What an answer is made of, as LlamaIndex's content blocks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from llama_index.core.base.llms.types import (
    AudioBlock,
    CitationBlock,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from remote_chatbots import MediaProduced
from remote_chatbots.file_types import extension_of, type_named
from remote_chatbots.steps import ToolCall


def content(
    text: str,
    *,
    thought: str,
    calls: Sequence[ToolCall],
    told: Mapping[str, Any],
    media: Sequence[MediaProduced] = (),
) -> list[ContentBlock]:
    """Return the blocks of an answer: its thoughts, the tools that the bot called, its text, files, and what it cites.

    The text is one block, for LlamaIndex puts line ends between two; so what happened in the middle of it stands
    before it.

    Args:
        text: The text.
        thought: What the model thought; "" if nothing.
        calls: The calls of tools.
        told: What rides on the answer, its sources among it.
        media: The files that the bot made.
    """
    return [
        *([ThinkingBlock(content=thought)] if thought else []),
        *(ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=dict(call.args)) for call in calls),
        TextBlock(text=text),
        *map(_file, media),
        *_citations(told.get("retriever_resources")),
    ]


def _file(made: MediaProduced) -> ContentBlock:
    mime_type = made.mime_type or type_named(made.name) or type_named(urlsplit(made.url).path) or None
    if made.url.startswith(("http://", "https://")):
        if made.kind == "image":
            return ImageBlock(url=made.url, image_mimetype=mime_type)
        if made.kind == "audio":
            return AudioBlock(url=made.url, format=extension_of(mime_type or "").removeprefix(".") or None)
        if made.kind == "video":
            return VideoBlock(url=made.url, video_mimetype=mime_type)
    # Also where a server tells no whole address: the other blocks take none but such.
    return DocumentBlock(url=made.url, title=made.name or None, document_mimetype=mime_type)


def _citations(resources: Any) -> Iterator[CitationBlock]:
    for resource in resources or []:
        if isinstance(resource, Mapping):
            title = str(resource.get("document_name") or resource.get("title") or "")
            for place in _places(resource):
                yield CitationBlock(
                    cited_content=TextBlock(text=str(resource.get("content") or "")),
                    source=str(resource.get("url") or resource.get("document_id") or title),
                    title=title,
                    additional_location_info=place,
                )


def _places(resource: Mapping[str, Any]) -> list[dict[str, int]]:
    """Return the parts of the text that rest on a source; where none is marked, one that is none."""
    position = resource.get("position")
    numbered = {"position": position} if isinstance(position, int) else {}
    spans = resource.get("spans")
    marked = [span for span in spans if len(span) == 2] if isinstance(spans, list) else []
    return [{**numbered, "start_index": start, "end_index": end} for start, end in marked] or [numbered]
