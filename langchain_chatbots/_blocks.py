"""Answers as LangChain's standard content blocks: text with citations. Pure, but for the registration at the end."""

from __future__ import annotations

from itertools import accumulate, pairwise, zip_longest
from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import register_translator

from langchain_chatbots._beside import BLOCKS


def content_blocks(message: AIMessage) -> list[types.ContentBlock]:
    """Return the blocks of an answer, or of a chunk of one: its text, with its sources as citations, and its thoughts.

    Raises:
        NotImplementedError: For content that is a list already; LangChain then reads it by itself.
    """
    if not isinstance(message.content, str):
        raise NotImplementedError
    beside = [block for block in message.additional_kwargs.get(BLOCKS) or [] if isinstance(block, dict)]
    # What a block says of its place may be of a text that was withdrawn: no block stands behind a later one.
    places = [block.get("at", 0) for block in beside]
    at = [0, *reversed(list(accumulate([len(message.content), *reversed(places)], min)))]
    texts = [message.content[begin:end] for begin, end in pairwise(at)]
    blocks: list[Any] = []
    for text, block in zip_longest(annotated(texts, message.response_metadata.get("retriever_resources")), beside):
        if text["text"] or "annotations" in text:
            blocks.append(text)
        if block is not None:
            blocks.append({key: value for key, value in block.items() if key not in ("index", "at")})
    return blocks


def annotated(texts: list[str], resources: Any) -> list[dict[str, Any]]:
    """Return pieces of one text as blocks; a citation is on the piece that it is about, or else on the last."""
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text} for text in texts]
    ends = list(accumulate(map(len, texts)))
    last = next((at for at in reversed(range(len(texts))) if texts[at]), len(texts) - 1)
    for one in citations(resources):
        citation: dict[str, Any] = dict(one)
        at = last
        if "start_index" in citation:
            at = next((n for n, end in enumerate(ends) if citation["start_index"] < end), at)
            begins = ends[at] - len(texts[at])
            citation |= {key: citation[key] - begins for key in ("start_index", "end_index")}
        blocks[at].setdefault("annotations", []).append(citation)
    return blocks


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


def register(platform: str) -> None:
    """Make `message.content_blocks` read the answers of `platform` by this module."""
    register_translator(platform, content_blocks, content_blocks)
