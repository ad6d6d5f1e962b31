"""Turns as events, and the chunks that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from langchain_core.messages import AIMessageChunk

from langchain_chatbots._messages import MessageMaker, RemoteMessageChunk
from remote_chatbots import (
    Event,
    Finished,
    Reasoning,
    Source,
    SourcesFound,
    Started,
    Step,
    TextDelta,
    TextReplaced,
    Unrecognized,
    Usage,
    UsageReported,
)

BOT = "dify:dify.example.com:0123456789ab"
USAGE_TOLD = {"prompt_tokens": 812, "completion_tokens": 64, "total_tokens": 876, "total_price": "0.00016"}
USAGE = Usage(812, 64, 876, Decimal("0.00016"), raw=USAGE_TOLD)
RESOURCE = {"position": 1, "document_name": "coast.md", "content": "West wind.", "score": 0.77}
SOURCES = SourcesFound((Source("West wind.", "coast.md", score=0.77, position=1, raw=RESOURCE),))

TURN: list[Event] = [
    Started("c-1", "m-1", "t-1", created_at=1767225600),
    TextDelta("Rain "),
    Started(workflow_run_id="r-1"),
    Step("n-1", "node"),
    TextDelta("likely"),
    Reasoning("West, so"),
    TextDelta("."),
    UsageReported(USAGE),
    SOURCES,
    Unrecognized("new", {}),
    Finished("stop", {"annotation_reply": None, "files": [{"filename": "map.pdf"}]}),
]
WITHDRAWN: list[Event] = [
    Started("c-1", "m-1", "t-1", created_at=1767225600),
    TextDelta("bad "),
    TextDelta("words"),
    TextReplaced("[removed]", "output_moderation"),
    TextDelta(" Sorry."),
    UsageReported(USAGE),
    Finished("content_filter"),
]
TWICE: list[Event] = [
    Started("c-1", "m-1", "t-1"),
    TextDelta("bad"),
    TextReplaced("worse"),
    TextDelta(" words"),
    TextReplaced("[removed]"),
    TextDelta(" Sorry."),
    Finished("content_filter"),
]
METADATA = {
    "model_provider": "dify",
    "bot": BOT,
    "model_name": "dify-app",
    "conversation_id": "c-1",
    "message_id": "m-1",
    "task_id": "t-1",
    "created_at": 1767225600,
    "workflow_run_id": "r-1",
    "usage": USAGE_TOLD,
    "retriever_resources": [RESOURCE],
    "files": [{"filename": "map.pdf"}],
    "steps": [{"id": "n-1", "kind": "node", "status": "running"}],
    "finish_reason": "stop",
}


def maker(system: str = "") -> MessageMaker:
    return MessageMaker(platform="dify", model_name="dify-app", bot_id=BOT, system=system)


def chunks_of(events: Sequence[Event], system: str = "") -> list[RemoteMessageChunk]:
    made = maker(system)
    return [chunk for event in events if (chunk := made.chunk(event)) is not None]


def as_blocks(chunks: Sequence[AIMessageChunk]) -> list[AIMessageChunk]:
    """Return the chunks as LangChain makes them for v1: content in blocks, each with an index."""
    made = []
    for chunk in chunks:
        blocks = [{"type": "text", "text": chunk.content, "index": 0}] if chunk.content else []
        metadata = {**chunk.response_metadata, "output_version": "v1"}
        made.append(chunk.model_copy(update={"content": blocks, "response_metadata": metadata}))
    return made
