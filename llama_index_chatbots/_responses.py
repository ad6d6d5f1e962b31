"""Events as LlamaIndex responses: each holds all of the answer so far, and what is new in it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Self

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    MessageRole,
)
from pydantic import BaseModel, ConfigDict, PrivateAttr, SerializerFunctionWrapHandler, model_serializer

from llama_index_chatbots._content import content
from remote_chatbots import (
    Event,
    Finished,
    MediaProduced,
    Reasoning,
    Step,
    TextDelta,
    TextReplaced,
    Usage,
    UsageReported,
)
from remote_chatbots.file_types import extension_of
from remote_chatbots.forks import NewestAnswers
from remote_chatbots.metadata import AnswerMetadata, file_told, merge
from remote_chatbots.spoken import SpeechSoFar
from remote_chatbots.steps import ToolCall, tool_calls
from remote_chatbots.unchecked import unchecked


class _Late(BaseModel):
    """A response of a stream. What holds all of the answer so far is made when it is read, and kept.

    Otherwise each piece of a stream would cost a copy of all the text before it.
    """

    model_config = ConfigDict(defer_build=True)  # its schema is needed where a response is written down, and made then

    _field: ClassVar[str]
    _make: Callable[[], Any] = PrivateAttr()

    @classmethod
    def late(cls, make: Callable[[], Any], fields: dict[str, Any]) -> Self:
        """Return a response with all but the late field; `make` makes that.

        Args:
            make: Returns the late field.
            fields: The others. The response keeps this dict as its own.
        """
        return unchecked(cls, fields, {*fields, cls._field}, private={"_make": make})

    def __getattr__(self, name: str) -> Any:
        if name == self._field:
            self.__dict__[name] = made = self._make()
            return made
        return super().__getattr__(name)  # type: ignore[misc]

    def __iter__(self) -> Any:
        getattr(self, self._field)
        return super().__iter__()

    def __repr_args__(self) -> Any:
        getattr(self, self._field)
        return super().__repr_args__()

    @model_serializer(mode="wrap")
    def _whole(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        getattr(self, self._field)
        return handler(self)  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[Any, Any]:
        getattr(self, self._field)
        return {**super().__getstate__(), "__pydantic_private__": None}

    def __eq__(self, other: object) -> bool:
        for one in (self, other):
            if isinstance(one, _Late):
                getattr(one, one._field)
        return isinstance(other, BaseModel) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]


class StreamedChat(_Late, ChatResponse):
    """A `ChatResponse` whose message is made when it is read."""

    _field = "message"


class StreamedCompletion(_Late, CompletionResponse):
    """A `CompletionResponse` whose text is made when it is read."""

    _field = "text"


class ResponseMaker:
    """Makes the responses of one turn.

    Args:
        platform: `model_provider` of the answer.
        model_name: `model_name` of the answer.
        bot_id: `bot` of the answer.
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
        self._metadata = AnswerMetadata(model_name=model_name, bot_id=bot_id, system=system, user=user, newest=newest)
        self._told: dict[str, Any] = {"model_provider": platform}
        self._tokens: dict[str, Any] = {}
        self._pieces: list[str] = []
        self._thoughts: list[str] = []
        self._speech: SpeechSoFar | None = None
        self._calls: dict[str, ToolCall] = {}
        self._media: tuple[MediaProduced, ...] = ()

    def take(self, event: Event) -> ChatResponse | None:
        """Take one more event; return the answer so far if a reader of a stream should see it, else None."""
        if type(event) is TextDelta:
            self._pieces.append(event.text)
            return self.response(event.text)
        if told := self._metadata.of(event):
            self._told = dict(self._told)  # responses that were given away keep theirs
            merge(self._told, told)
        match event:
            case TextReplaced(text):
                self._pieces = [text]
                return self.response(text, replaced=True)
            case Reasoning(text):
                self._thoughts.append(text)
                return self.response("", thinking_delta=text)
            case MediaProduced() if event.data:
                self._speech = self._speech or SpeechSoFar()
                return self.response("", audio_delta=self._speech.take(event))
            case MediaProduced() if event.url:
                self._media = (*self._media, event)
                self._told = {**self._told, "media": [file_told(one) for one in self._media]}
            case Step():
                # Responses that were given away keep theirs.
                self._calls = self._calls | {call.id: call for call in tool_calls(event) if call.name}
            case UsageReported(usage):
                self._tokens = _tokens(usage)
            case Finished():
                rest = self._speech.rest() if self._speech else ""
                return self.response("", **({"audio_delta": rest} if rest else {}))
        return None

    def response(self, delta: str | None = None, **news: Any) -> ChatResponse:
        """Return the answer so far.

        Args:
            delta: What is new in its text.
            **news: What else its reader is told of this moment alone, in the response's `additional_kwargs`.
        """
        raw = dict(self._told)
        if self._tokens:
            raw["usage"] = {**self._tokens, **raw.get("usage", {})}
        make = partial(
            _message,
            self._pieces,
            len(self._pieces),
            self._thoughts,
            len(self._thoughts),
            self._calls,
            self._media,
            self._told,
            self._speech,
            len(self._speech) if self._speech else 0,
        )
        fields = {"delta": delta, "raw": raw, "additional_kwargs": self._tokens | news, "logprobs": None}
        return StreamedChat.late(make, fields)


def as_completion(response: ChatResponse) -> CompletionResponse:
    """Return a chat response of ours as one of a completion."""
    return StreamedCompletion.late(
        lambda: response.message.content or "",
        {
            "delta": response.delta,
            "raw": response.raw,
            "additional_kwargs": {**(response.raw or {}), **response.additional_kwargs},
            "logprobs": None,
        },
    )


def _message(
    pieces: list[str],
    n: int,
    thoughts: list[str],
    n_thoughts: int,
    calls: dict[str, ToolCall],
    media: tuple[MediaProduced, ...],
    told: dict[str, Any],
    speech: SpeechSoFar | None,
    n_bytes: int,
) -> ChatMessage:
    thought = "".join(thoughts[:n_thoughts])
    blocks = content("".join(pieces[:n]), thought=thought, calls=list(calls.values()), told=told, media=media)
    if speech is not None:
        blocks.append(AudioBlock(audio=speech.first(n_bytes), format=extension_of(speech.mime_type)[1:] or None))
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=told)


def _tokens(usage: Usage) -> dict[str, Any]:
    """Return the counts under the names that LlamaIndex's token counters and tracers read."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": max(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens),
    }
