"""What callbacks and instrumentation are told of one call of an LLM: its start, its progress, its end; each once.

LlamaIndex's own decorators do this by wrapping generators. Theirs do not close the stream inside when the reader
leaves, take leaving for a failure, and copy the whole history for each token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from llama_index.core.llms import LLM

import llama_index_chatbots
from llama_index_chatbots._call_span import CallSpan
from llama_index_chatbots._step_spans import StepSpansTold, reached
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
    """One call under way. Its start is told when it is made."""

    def __init__(self, kind: Kind, llm: LLM, asked: Any, given: Mapping[str, Any]) -> None:
        self._kind = kind
        self._manager = llm.callback_manager
        self._asked = {kind.asked: asked, "span_id": active_span_id.get()}
        self._listened = listened_to()
        self._spans = StepSpansTold(self._asked["span_id"])
        self._last: Any = None
        self._over = False
        model, given = llm.to_payload(), dict(given)
        self._span = CallSpan(model["provider"])
        if self._listened:  # making it looks at each message of the history
            dispatcher.event(kind.start(model_dict=model, additional_kwargs=given, **self._asked))
        self._id = self._manager.on_event_start(
            CBEventType.LLM,
            payload={
                kind.payload[0]: asked,
                EventPayload.ADDITIONAL_KWARGS: given,
                EventPayload.SERIALIZED: model,
            },
        )

    def progress(self, response: Any) -> None:
        """Tell the answer so far."""
        self._last = response
        if self._listened:
            _whole(response)
            # Without validation, which would copy the list of messages for each piece.
            dispatcher.event(self._kind.progress.model_construct(**self._asked, response=response))

    def happened(self, event: BotStep | UsageReported) -> None:
        """Tell a step of the bot's, or what the turn cost."""
        if isinstance(event, UsageReported):
            self._span.cost(event.usage)
            return
        if self._listened:
            told = llama_index_chatbots.RemoteStepEvent(
                step=told_of(event), call_span_id=self._asked["span_id"], span_id=None
            )
            dispatcher.event(told)
        self._spans.tell(event)

    def ended(self, response: Any) -> None:
        """Tell the end, with the answer as far as it came."""
        _whole(response)
        asked_as, came_as = self._kind.payload
        self._over = True
        self._spans.end()
        self._manager.on_event_end(
            CBEventType.LLM, payload={asked_as: self._asked[self._kind.asked], came_as: response}, event_id=self._id
        )
        # A completion's event cannot say that nothing came.
        if self._listened and (response is not None or self._kind is CHAT):
            dispatcher.event(self._kind.end(response=response, **self._asked))

    def failed(self, error: BaseException) -> None:
        """Tell that it came to `error`."""
        self._over = True
        self._spans.end(error)
        self._manager.on_event_end(CBEventType.LLM, payload={EventPayload.EXCEPTION: error}, event_id=self._id)
        dispatcher.event(ExceptionEvent(exception=error, span_id=self._asked["span_id"]))

    @contextmanager
    def following(self) -> Iterator[None]:
        """Tell how the block, which reads the answer, ends. To leave it early is an end and no failure."""
        try:
            yield
        except _LEAVING:
            self.ended(self._last)
            raise
        except BaseException as error:
            self.failed(error)
            raise
        if not self._over:
            self.ended(self._last)


@contextmanager
def begun(kind: Kind, llm: LLM, asked: Any, given: Mapping[str, Any]) -> Iterator[Step]:
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
    heard = (handler for at in reached(dispatcher) for handler in at.event_handlers)
    return any(not isinstance(handler, NullEventHandler) for handler in heard)
