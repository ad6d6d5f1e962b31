"""Events as LangChain messages: chunks for a stream, a message for a whole answer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, BaseMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_ai_message_chunks

from langchain_chatbots._beside import BLOCKS, Beside
from langchain_chatbots._patterns import Pattern
from remote_chatbots import (
    Answer,
    Event,
    Finished,
    TextDelta,
    TextReplaced,
    Usage,
    UsageReported,
)
from remote_chatbots.forks import NewestAnswers
from remote_chatbots.metadata import AnswerMetadata, merge


class _AsMessage:
    """What LangChain's `message_chunk_to_message` calls: whichever class comes after a chunk's own."""

    def __new__(cls, **given: Any) -> Any:
        return AIMessage(**given) if cls is _AsMessage else super().__new__(cls)


class RemoteMessageChunk(_AsMessage, AIMessageChunk, defer_build=True):
    """A chunk that knows how to withdraw the text before it.

    LangChain adds chunks by appending. When the platform replaces what it has said, appending would leave the
    withdrawn text in the sum, so the sum is made here. Once it is the whole answer, it is a plain `AIMessageChunk`.
    """

    if not TYPE_CHECKING:
        __new__ = object.__new__  # the one above would cost each chunk a fifth of its making

    @classmethod
    def lc_id(cls) -> list[str]:
        """Serialise as the class that LangChain can load."""
        return AIMessageChunk.lc_id()

    def __add__(self, other: Any) -> BaseMessageChunk:  # type: ignore[override]
        others = _whole(other) if isinstance(other, (list, tuple)) else [other]
        if not all(isinstance(one, AIMessageChunk) for one in others):
            return cast("BaseMessageChunk", super().__add__(other))
        return _sum([self, *others])

    def __radd__(self, other: Any) -> BaseMessageChunk:
        return _sum([other, self]) if isinstance(other, AIMessageChunk) else NotImplemented


def _whole(kept: Sequence[Any]) -> list[Any]:
    """Return what LangChain kept of a stream with chunks in place of bare texts; their sum is the same."""
    whole: list[Any] = []
    for is_text, group in groupby(kept, key=lambda one: type(one) is str):
        those = list(group)
        whole += [AIMessageChunk(content="".join(those))] if is_text else those
    return whole


def _sum(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    withdrawing = [at for at, chunk in enumerate(chunks) if "replaced" in chunk.response_metadata and _withdraws(chunk)]
    if withdrawing:
        chunks = [*map(_without_text, chunks[: withdrawing[-1]]), *chunks[withdrawing[-1] :]]
    first, *rest = chunks
    # Nothing comes before the chunk that names the bot, and nothing after the last.
    whole = "bot" in first.response_metadata and any(chunk.chunk_position == "last" for chunk in reversed(chunks))
    kind = AIMessageChunk if whole else RemoteMessageChunk
    return add_ai_message_chunks(first if type(first) is kind else Pattern(first, kind).with_({}), *rest)


def _withdraws(replaced: AIMessageChunk) -> bool:
    # A chunk that went through JSON has lost its class; without the bot's name it is no whole answer.
    return isinstance(replaced, RemoteMessageChunk) or "bot" not in replaced.response_metadata


def _without_text(chunk: AIMessageChunk) -> AIMessageChunk:
    if not isinstance(chunk.content, str):
        kept = [block for block in chunk.content if isinstance(block, dict) and block.get("type") != "text"]
        return chunk.model_copy(update={"content": kept})
    told = dict(chunk.additional_kwargs)
    if BLOCKS in told:  # the new text stands behind all of them
        told[BLOCKS] = [{**block, "at": 0} if "at" in block else block for block in told[BLOCKS]]
    return chunk.model_copy(update={"content": "", "additional_kwargs": told})


@cache
def _chunks() -> Pattern[RemoteMessageChunk]:
    return Pattern(AIMessageChunk(content="", id=None, response_metadata={}), RemoteMessageChunk)


class MessageMaker:
    """Makes the messages of one turn.

    Args:
        platform: `model_provider` of the messages.
        model_name: `model_name` of the messages.
        bot_id: `bot` of the messages.
        system: Digest of the system message that the conversation holds; "" if none.
        user: Who asked, where it was another than the model's own user.
        newest: Where the answer is noted as its conversation's newest.
    """

    def __init__(
        self,
        *,
        platform: str,
        model_name: str,
        bot_id: str,
        system: str,
        user: str = "",
        newest: NewestAnswers | None = None,
    ) -> None:
        self.platform = platform
        self.model_name = model_name
        self._answer = AnswerMetadata(model_name=model_name, bot_id=bot_id, system=system, user=user, newest=newest)
        self._beside = Beside()
        self._of_all = {"model_provider": platform}
        self._metadata: dict[str, Any] = {}

    def told(self, event: Event) -> dict[str, Any] | None:
        """Return the metadata that `event` is the first to tell; None if it tells none."""
        return self._answer.of(event)

    def chunk(self, event: Event) -> RemoteMessageChunk | None:
        """Return the chunk that `event` is; None if it is none. Each metadata key is on exactly one chunk."""
        if type(event) is TextDelta:
            self._beside.text(event)
            return self._piece(event.text)
        blocks = self._beside.of(event)
        metadata = self.told(event)
        if metadata is None and not blocks:
            return None
        content = event.text if isinstance(event, TextReplaced) else ""
        return self.made(event, content, metadata, {BLOCKS: blocks} if blocks else None)

    def _piece(self, content: Any) -> RemoteMessageChunk:
        return _chunks().with_(
            {
                "content": content,
                "id": self._answer.message_id,
                "response_metadata": self._of_all.copy(),
                "additional_kwargs": {},
                "tool_calls": [],
                "invalid_tool_calls": [],
                "tool_call_chunks": [],
            }
        )

    def made(
        self, event: Event, content: Any, metadata: dict[str, Any] | None, beside: dict[str, Any] | None = None
    ) -> RemoteMessageChunk:
        """Return the chunk of an event that is no piece of text."""
        made = self._piece(content)
        made.response_metadata.update(metadata or {})
        if beside:
            made.additional_kwargs = beside
        if isinstance(event, UsageReported):
            made.usage_metadata = usage_metadata(event.usage)
        if isinstance(event, Finished):
            made.chunk_position = "last"
        return made

    def take(self, event: Event) -> None:
        """Take an event of an answer that is wanted whole."""
        self._beside.of(event)
        merge(self._metadata, self.told(event) or {})

    def message(self, answer: Answer) -> AIMessage:
        """Return the whole answer as a message, once `take` has had all its events."""
        blocks = self._beside.blocks()
        return AIMessage(
            content=answer.text,
            id=self._answer.message_id,
            additional_kwargs={BLOCKS: blocks} if blocks else {},
            response_metadata={**self._of_all, **self._metadata},
            usage_metadata=usage_metadata(answer.usage) if answer.usage else None,
        )


def without_ids(message: BaseMessage) -> BaseMessage:
    """Return the message as one of no turn: nobody goes on with its conversation, or submits its form."""
    told = {key: value for key, value in message.response_metadata.items() if key not in _OF_ONE_TURN}
    return message.model_copy(update={"id": None, "response_metadata": told})


_OF_ONE_TURN = ("conversation_id", "message_id", "task_id", "workflow_run_id", "input_required")


def usage_metadata(usage: Usage) -> UsageMetadata:
    """Return the token counts as LangChain counts: the total is at least the sum of its parts."""
    total = max(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
    return UsageMetadata(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens, total_tokens=total)
