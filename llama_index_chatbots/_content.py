"""What an answer is made of, as LlamaIndex's content blocks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import CitationBlock, ContentBlock, TextBlock, ThinkingBlock, ToolCallBlock

from remote_chatbots.steps import ToolCall


def content(text: str, *, thought: str, calls: Sequence[ToolCall], told: Mapping[str, Any]) -> list[ContentBlock]:
    """Return the blocks of an answer: its thoughts, the tools that the bot called, its text, and what it cites.

    The text is one block, for LlamaIndex puts line ends between two; so what happened in the middle of it stands
    before it.

    Args:
        text: The text.
        thought: What the model thought; "" if nothing.
        calls: The calls of tools.
        told: What rides on the answer, its sources among it.
    """
    return [
        *([ThinkingBlock(content=thought)] if thought else []),
        *(ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=dict(call.args)) for call in calls),
        TextBlock(text=text),
        *_citations(told.get("retriever_resources")),
    ]


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
