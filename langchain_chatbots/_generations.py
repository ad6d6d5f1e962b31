"""What LangChain asks of a model that streams: generations. And what it keeps of them until the stream's end. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_chatbots._patterns import Pattern
from remote_chatbots import Event, TextDelta

_NONE_TOLD: set[str] = set()


class Generations:
    """Makes the generations of one stream.

    LangChain keeps all of them, and adds them up for those who hear of the call. Where nobody does, its list alone
    holds what the caller has had; and of a plain piece of text the sum needs nothing but the text, a small part of
    the memory, and one object in place of nine to the garbage collector.

    Args:
        chunk_of: Makes the chunk of an event; None if it is none.
        keeps_texts: Whether nobody but LangChain holds them.
    """

    def __init__(self, chunk_of: Callable[[Event], AIMessageChunk | None], *, keeps_texts: bool) -> None:
        self._chunk_of = chunk_of
        self._keeps_texts = keeps_texts
        self._piece: ChatGenerationChunk | None = None  # the one before, if it is plain text
        self._any = False  # the others are added to the first: it stays whole

    def of(self, event: Event) -> ChatGenerationChunk | None:
        """Return the generation that `event` is; None if it is none."""
        if self._piece is not None:
            _keep_text(self._piece)
            self._piece = None
        chunk = self._chunk_of(event)
        if chunk is None:
            return None
        text = chunk.content if isinstance(chunk.content, str) else str(chunk.text)
        made = _pattern().with_({"text": text, "message": chunk})
        if self._keeps_texts and self._any and type(event) is TextDelta and text is chunk.content:
            self._piece = made
        self._any = True
        return made


@cache
def _pattern() -> Pattern[ChatGenerationChunk]:
    return Pattern(ChatGenerationChunk(message=AIMessageChunk(content="")), ChatGenerationChunk)


def _keep_text(generation: ChatGenerationChunk) -> None:
    vars(generation)["message"] = generation.text  # `RemoteMessageChunk` knows how to add it
    object.__setattr__(generation, "__pydantic_fields_set__", _NONE_TOLD)
