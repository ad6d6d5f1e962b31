"""Answers as LangChain's standard content blocks: text with citations. Pure, but for the registration at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import register_translator

from langchain_chatbots._messages import MessageMaker, usage_metadata
from remote_chatbots import Event, Finished, SourcesFound, Started, TextDelta, TextReplaced, UsageReported
from remote_chatbots.metadata import merge


def content_blocks(message: AIMessage) -> list[types.ContentBlock]:
    """Return the blocks of an answer, or of a chunk of one: a text block, its sources as citations.

    Raises:
        NotImplementedError: For content that is a list already; LangChain then reads it by itself.
    """
    if not isinstance(message.content, str):
        raise NotImplementedError
    annotations = citations(message.response_metadata.get("retriever_resources"))
    if not message.content and not annotations:
        return []
    return [_text_block(message.content, annotations)]


def citations(resources: Any) -> list[types.Annotation]:
    """Return the server's sources as citations, in its order; all its keys but the text are in `extras`."""
    return [_citation(told, span) for told in resources or [] if isinstance(told, dict) for span in _spans(told)]


def _spans(told: dict[str, Any]) -> list[tuple[int | None, int | None]]:
    """Return the parts of the text that rest on a source; where none is marked, one that is none."""
    spans = told.get("spans")
    marked = [(span[0], span[1]) for span in spans if len(span) == 2] if isinstance(spans, list) else []
    return marked or [(None, None)]


def _citation(told: dict[str, Any], span: tuple[int | None, int | None]) -> types.Annotation:
    citation: dict[str, Any] = {
        "type": "citation",
        "start_index": span[0],
        "end_index": span[1],
        "title": told.get("document_name") or told.get("title"),
        "cited_text": told.get("content"),
        "url": told.get("url"),
        "extras": {key: value for key, value in told.items() if key not in ("content", "spans")},
    }
    return cast("types.Annotation", {key: value for key, value in citation.items() if value is not None})


def _text_block(text: str, annotations: list[types.Annotation]) -> types.ContentBlock:
    block: dict[str, Any] = {"type": "text", "text": text}
    if annotations:
        block["annotations"] = annotations
    return cast("types.ContentBlock", block)


class ProtocolEvents:
    """Turns the events of one turn into LangChain's v3 protocol events.

    LangChain's own bridge would keep withdrawn text and know the server's message id too late.
    """

    def __init__(self, maker: MessageMaker) -> None:
        self._maker = maker
        self._started = False
        self._pieces: list[str] | None = None
        self._annotations: list[types.Annotation] = []
        self._finish: dict[str, Any] = {"event": "message-finish"}
        self._metadata: dict[str, Any] = {"model_provider": maker.platform}

    def of(self, event: Event) -> Iterator[dict[str, Any]]:
        """Yield the protocol events that `event` is."""
        metadata = self._maker.metadata(event)
        merge(self._metadata, metadata or {})
        if not self._started:
            self._started = True
            yield {
                "event": "message-start",
                "role": "ai",
                "id": event.message_id if isinstance(event, Started) else "",
                "metadata": {"provider": self._maker.platform, "model": self._maker.model_name},
            }
        match event:
            case TextDelta(text):
                if self._pieces is None:
                    self._pieces = []
                    yield {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": ""}}
                self._pieces.append(text)
                yield {"event": "content-block-delta", "index": 0, "delta": {"type": "text-delta", "text": text}}
            case TextReplaced(text):
                if self._pieces is None:
                    yield {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": ""}}
                self._pieces = [text]
            case SourcesFound():
                self._annotations = citations((metadata or {}).get("retriever_resources"))
            case UsageReported(usage):
                self._finish["usage"] = dict(usage_metadata(usage))
            case Finished():
                if self._pieces is not None:
                    block = _text_block("".join(self._pieces), self._annotations)
                    yield {"event": "content-block-finish", "index": 0, "content": block}
                yield {**self._finish, "metadata": self._metadata}


def register(platform: str) -> None:
    """Make `message.content_blocks` read the answers of `platform` by this module."""
    register_translator(platform, content_blocks, content_blocks)
