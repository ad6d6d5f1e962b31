"""An answer in parts while it arrives: text, thoughts, steps, speech; one order for v1 chunks and v3 events. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from langchain_chatbots._beside import StepBlocks, file_block, flow_output
from langchain_chatbots._blocks import annotated
from langchain_chatbots._messages import MessageMaker, RemoteMessageChunk, usage_metadata
from remote_chatbots import (
    Event,
    Finished,
    MediaProduced,
    Reasoning,
    SourcesFound,
    Started,
    Step,
    TextDelta,
    TextReplaced,
    UsageReported,
)
from remote_chatbots.metadata import merge, resource
from remote_chatbots.spoken import SpeechSoFar


class News(NamedTuple):
    """What an event does to a part: it begins, grows by `block`, is replaced by it, or ends as it."""

    what: Literal["begins", "grows", "is replaced", "ends"]
    at: int
    block: dict[str, Any]


@dataclass(slots=True)
class _Part:
    kind: str
    pieces: list[str] = field(default_factory=list)


class Parts:
    """The parts of one answer, in the order in which they began."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._steps = StepBlocks()
        self._resources: list[dict[str, Any]] = []
        self._speech = SpeechSoFar()
        self._spoken_at = 0  # the part

    def of(self, event: Event) -> Iterator[News]:
        """Yield what `event` does to the parts."""
        match event:
            case TextDelta(text):
                yield from self._more("text", text)
            case Reasoning(text):
                yield from self._more("reasoning", text)
            case TextReplaced(text):
                yield from self._replaced(text)
            case Step():
                for block in self._steps.of(event):
                    yield from self._whole(block)
            case SourcesFound(sources):
                self._resources = [resource(source) for source in sources]
            case MediaProduced() if event.data:
                yield from self._more_speech(event)
            case MediaProduced() if event.url:
                yield from self._whole(file_block(event))
            case Finished():
                if rest := self._speech.rest():
                    yield News("grows", self._spoken_at, {"type": "audio", "base64": rest})
                if (beside := flow_output(event)) is not None:
                    yield from self._whole(beside)
                yield from self._end()

    def _more(self, kind: str, text: str) -> Iterator[News]:
        if not self._parts or self._parts[-1].kind != kind:
            yield self._begun({"type": kind, kind: ""})
        self._parts[-1].pieces.append(text)
        yield News("grows", len(self._parts) - 1, {"type": kind, kind: text})

    def _more_speech(self, event: MediaProduced) -> Iterator[News]:
        began = bool(self._speech)
        told = self._speech.take(event)
        if not began:
            yield self._begun({"type": "audio", "mime_type": self._speech.mime_type})
            self._spoken_at = len(self._parts) - 1
        yield News("grows", self._spoken_at, {"type": "audio", "base64": told})

    def _replaced(self, text: str) -> Iterator[News]:
        last = self._parts[-1] if self._parts else None
        # LangChain takes a text that ends empty for one that ends as it was: a withdrawn part has no end.
        for part in self._texts():
            part.kind = "text" if text and part is last else "withdrawn"
            part.pieces.clear()
        if not text:
            return
        if last is None or last.kind != "text":
            yield self._begun({"type": "text", "text": ""})
        self._parts[-1].pieces.append(text)
        yield News("is replaced", len(self._parts) - 1, {"type": "text", "text": text})

    def _whole(self, block: dict[str, Any]) -> Iterator[News]:
        yield self._begun(block)
        yield News("ends", len(self._parts) - 1, block)

    def _begun(self, block: dict[str, Any]) -> News:
        self._parts.append(_Part(block["type"]))
        return News("begins", len(self._parts) - 1, block)

    def _end(self) -> Iterator[News]:
        nothing_left = bool(self._parts) and all(part.kind == "withdrawn" for part in self._parts)
        if (self._resources or nothing_left) and not self._texts():
            yield self._begun({"type": "text", "text": ""})
        texts = annotated(["".join(part.pieces) for part in self._texts()] or [""], self._resources)
        for index, part in enumerate(self._parts):
            if part.kind == "text":
                yield News("ends", index, texts.pop(0))
            elif part.kind == "reasoning":
                yield News("ends", index, {"type": "reasoning", "reasoning": "".join(part.pieces)})
            elif part.kind == "audio" and index == self._spoken_at and self._speech:
                speech = {"mime_type": self._speech.mime_type, "base64": self._speech.whole()}
                yield News("ends", index, {"type": "audio", **speech})

    def _texts(self) -> list[_Part]:
        return [part for part in self._parts if part.kind == "text"]


class V1Chunks:
    """Makes the chunks of one turn whose content is a list of blocks.

    LangChain makes such a list of each chunk alone: it would take two steps for one, and no chunk but the last knows
    which piece of the text a source is about.
    """

    def __init__(self, maker: MessageMaker) -> None:
        self._maker = maker
        self._parts = Parts()

    def chunk(self, event: Event) -> RemoteMessageChunk | None:
        """Return the chunk that `event` is; None if it is none."""
        added: dict[int, dict[str, Any]] = {}
        for news in self._parts.of(event):
            if block := _added(news):
                added[news.at] = {**added.get(news.at, {}), **block, "index": f"lc_{news.at}"}
        content = list(added.values())
        metadata = self._maker.told(event)
        if metadata is None and not content:
            return None
        return self._maker.made(event, content, {"output_version": "v1", **(metadata or {})})


def _added(news: News) -> dict[str, Any] | None:
    """Return what a chunk adds to the content; None if nothing."""
    if news.block["type"] not in ("text", "reasoning"):
        return news.block if news.what != "ends" else None
    if news.what == "ends":
        return {**news.block, "text": ""} if "annotations" in news.block else None
    return None if news.what == "begins" else news.block


class ProtocolEvents:
    """Turns the events of one turn into LangChain's v3 protocol events.

    LangChain's own bridge would keep withdrawn text and know the server's message id too late.
    """

    def __init__(self, maker: MessageMaker) -> None:
        self._maker = maker
        self._parts = Parts()
        self._started = False
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
        for what, index, block in self._parts.of(event):
            if what == "begins":
                yield {"event": "content-block-start", "index": index, "content": block}
            elif what == "grows" and block["type"] != "audio":  # the protocol has no word for more of a sound
                delta = {**block, "type": f"{block['type']}-delta"}
                yield {"event": "content-block-delta", "index": index, "delta": delta}
            elif what == "ends":
                yield {"event": "content-block-finish", "index": index, "content": block}
        if isinstance(event, UsageReported):
            self._finish["usage"] = dict(usage_metadata(event.usage))
        elif isinstance(event, Finished):
            yield {**self._finish, "metadata": self._metadata}
