"""Answers as LangChain's standard content blocks: text with citations. Pure, but for the registration at the end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise, zip_longest
from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import register_translator

from langchain_chatbots._messages import BLOCKS, MessageMaker, usage_metadata
from remote_chatbots import Event, Finished, MediaProduced, Reasoning, Started, TextDelta, TextReplaced, UsageReported
from remote_chatbots.metadata import merge
from remote_chatbots.spoken import SpeechSoFar


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
    for text, block in zip_longest(_annotated(texts, message.response_metadata), beside):
        if text["text"] or "annotations" in text:
            blocks.append(text)
        if block is not None:
            blocks.append({key: value for key, value in block.items() if key not in ("index", "at")})
    return blocks


def _annotated(texts: list[str], metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Return pieces of one text as blocks; a citation is on the piece that it is about, or else on the last one."""
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text} for text in texts]
    ends = list(accumulate(map(len, texts)))
    last = next((n for n in range(len(texts) - 1, -1, -1) if texts[n]), len(texts) - 1)
    for one in citations(metadata.get("retriever_resources")):
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


class ProtocolEvents:
    """Turns the events of one turn into LangChain's v3 protocol events.

    LangChain's own bridge would keep withdrawn text and know the server's message id too late.
    """

    def __init__(self, maker: MessageMaker) -> None:
        self._maker = maker
        self._started = False
        self._blocks: list[tuple[str, list[str]]] = []  # kind and pieces of each
        self._speech = SpeechSoFar()
        self._finish: dict[str, Any] = {"event": "message-finish"}
        self._metadata: dict[str, Any] = {"model_provider": maker.platform}

    def of(self, event: Event) -> Iterator[dict[str, Any]]:
        """Yield the protocol events that `event` is."""
        merge(self._metadata, self._maker.told(event) or {})
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
                yield from self._more("text", text)
            case Reasoning(text):
                yield from self._more("reasoning", text)
            case TextReplaced(text):
                if not any(kind == "text" for kind, _ in self._blocks):
                    yield self._begun("text")
                texts = [pieces for kind, pieces in self._blocks if kind == "text"]
                for pieces in texts:
                    pieces.clear()
                texts[-1].append(text)
            case MediaProduced() if event.data:
                spoken = bool(self._speech)
                self._speech.take(event)
                if not spoken:
                    yield self._begun("audio", {"mime_type": self._speech.mime_type})
            case UsageReported(usage):
                self._finish["usage"] = dict(usage_metadata(usage))
            case Finished():
                yield from self._end()

    def _more(self, kind: str, text: str) -> Iterator[dict[str, Any]]:
        if not self._blocks or self._blocks[-1][0] != kind:
            yield self._begun(kind)
        self._blocks[-1][1].append(text)
        delta = {"type": f"{kind}-delta", kind: text}
        yield {"event": "content-block-delta", "index": len(self._blocks) - 1, "delta": delta}

    def _begun(self, kind: str, known: dict[str, Any] | None = None) -> dict[str, Any]:
        self._blocks.append((kind, []))
        return {
            "event": "content-block-start",
            "index": len(self._blocks) - 1,
            "content": {"type": kind, **({kind: ""} if known is None else known)},
        }

    def _end(self) -> Iterator[dict[str, Any]]:
        texts = _annotated(["".join(pieces) for kind, pieces in self._blocks if kind == "text"] or [""], self._metadata)
        for index, (kind, pieces) in enumerate(self._blocks):
            block: dict[str, Any] = {"type": kind, kind: "".join(pieces)}
            if kind == "text":
                block = texts.pop(0)
            elif kind == "audio":
                block = {"type": kind, "mime_type": self._speech.mime_type, "base64": self._speech.whole()}
            yield {"event": "content-block-finish", "index": index, "content": block}
        if "flow_output" in self._metadata:
            block = {"type": "non_standard", "value": {"flow_output": self._metadata["flow_output"]}}
            yield {"event": "content-block-start", "index": len(self._blocks), "content": block}
            yield {"event": "content-block-finish", "index": len(self._blocks), "content": block}
        yield {**self._finish, "metadata": self._metadata}


def register(platform: str) -> None:
    """Make `message.content_blocks` read the answers of `platform` by this module."""
    register_translator(platform, content_blocks, content_blocks)
