"""What callbacks and instrumentation are told of one call of an LLM: its start, its progress, its end; each once.

LlamaIndex's own decorators do this by wrapping generators. Theirs do not close the stream inside when the reader
leaves, take leaving for a failure, and copy the whole history for each token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.event_handlers import NullEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.instrumentation.span import active_span_id

import llama_index_chatbots
from llama_index_chatbots._call_span import CallSpan
from llama_index_chatbots._step_spans import StepSpansTold, reached
from llama_index_chatbots.settings import RemoteLLMSettings
from remote_chatbots import Step as BotStep
from remote_chatbots import UsageReported
from remote_chatbots.steps import told_of

dispatcher = get_dispatcher(__name__)
_LEAVING = (GeneratorExit, asyncio.CancelledError)
TOLD = (BotStep, UsageReported)  # the events of a turn that are told as they happen


class Kind(NamedTuple):
    """The names of one kind of call.

    Attributes:
        trace: Of the trace.
        asked: Of what was asked, in events.
        start: The event of the start.
        progress: The event of each piece.
        end: The event of the end.
        payload: What was asked, and what came of it, for callbacks.
    """

    trace: str
    asked: str
    start: Callable[..., BaseEvent]
    progress: type[BaseEvent]
    end: Callable[..., BaseEvent]
    payload: tuple[EventPayload, EventPayload]


CHAT = Kind(
    "chat", "messages", LLMChatStartEvent, LLMChatInProgressEvent, LLMChatEndEvent,
    (EventPayload.MESSAGES, EventPayload.RESPONSE),
)  # fmt: skip
COMPLETION = Kind(
    "completion", "prompt", LLMCompletionStartEvent, LLMCompletionInProgressEvent, LLMCompletionEndEvent,
    (EventPayload.PROMPT, EventPayload.COMPLETION),
)  # fmt: skip


class Step:
    """One call under way. Its start is told when it is made.

    As a context it follows the block that reads the answer, and tells how that ends: to leave early is no failure.
    """

    __slots__ = ("_asked", "_id", "_kind", "_last", "_listened", "_manager", "_of_call", "_span_id", "_spans")

    def __init__(self, kind: Kind, llm: RemoteLLMSettings, asked: Any, given: Mapping[str, Any]) -> None:
        self._kind = kind
        self._manager = llm.callback_manager
        self._asked = asked
        self._span_id = active_span_id.get()
        self._listened = listened_to()
        self._spans = StepSpansTold.of(self._span_id)
        self._of_call = CallSpan.of(llm.platform)
        self._last: Any = None
        payload: dict[str, Any] | None = None
        if self._listened or self._manager.handlers:  # else nobody asks what the LLM is
            model, given = llm.to_payload(), dict(given)
            payload = {
                kind.payload[0]: asked,
                EventPayload.ADDITIONAL_KWARGS: given,
                EventPayload.SERIALIZED: model,
            }
            if self._listened:  # making it looks at each message of the history
                self._tell(kind.start, model_dict=model, additional_kwargs=given)
        self._id = self._manager.on_event_start(CBEventType.LLM, payload=payload)

    def progress(self, response: Any) -> None:
        """Tell the answer so far."""
        self._last = response
        if self._listened:
            _whole(response)
            # Without validation, which would copy the list of messages for each piece.
            self._tell(self._kind.progress.model_construct, response=response)

    def happened(self, event: BotStep | UsageReported) -> None:
        """Tell a step of the bot's, or what the turn cost."""
        if isinstance(event, UsageReported):
            if self._of_call is not None:
                self._of_call.cost(event.usage)
            return
        if self._listened:
            told = llama_index_chatbots.RemoteStepEvent(step=told_of(event), call_span_id=self._span_id, span_id=None)
            dispatcher.event(told)
        if self._spans is not None:
            self._spans.tell(event)

    def ended(self, response: Any) -> None:
        """Tell the end, with the answer as far as it came."""
        asked_as, came_as = self._kind.payload
        if self._listened or self._manager.handlers:
            _whole(response)
        if self._spans is not None:
            self._spans.end()
        self._manager.on_event_end(
            CBEventType.LLM, payload={asked_as: self._asked, came_as: response}, event_id=self._id
        )
        # A completion's event cannot say that nothing came.
        if self._listened and (response is not None or self._kind is CHAT):
            self._tell(self._kind.end, response=response)

    def failed(self, error: BaseException) -> None:
        """Tell that it came to `error`."""
        if self._spans is not None:
            self._spans.end(error)
        self._manager.on_event_end(CBEventType.LLM, payload={EventPayload.EXCEPTION: error}, event_id=self._id)
        dispatcher.event(ExceptionEvent(exception=error, span_id=self._span_id))

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None or isinstance(error, _LEAVING):
            self.ended(self._last)
        else:
            self.failed(error)

    def _tell(self, event: Callable[..., BaseEvent], **said: Any) -> None:
        dispatcher.event(event(**{self._kind.asked: self._asked}, span_id=self._span_id, **said))


@contextmanager
def begun(kind: Kind, llm: RemoteLLMSettings, asked: Any, given: Mapping[str, Any]) -> Iterator[Step]:
    """Give a new step to the block, and tell if the block fails."""
    with llm.callback_manager.as_trace(kind.trace):
        step = Step(kind, llm, asked, given)
        try:
            yield step
        except BaseException as error:
            step.failed(error)
            raise


def _whole(response: Any) -> None:
    """Have what is made late made now: whoever writes an event down reads fields without asking for them."""
    if isinstance(response, ChatResponse):
        response.message  # noqa: B018
    elif isinstance(response, CompletionResponse):
        response.text  # noqa: B018


def listened_to() -> bool:
    """Return whether anybody listens to events: making one costs more than a token."""
    return any(not isinstance(one, NullEventHandler) for at in reached(dispatcher) for one in at.event_handlers)
