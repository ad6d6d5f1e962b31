"""A bot's steps as spans of LlamaIndex's instrumentation, below the span of the call."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any
from uuid import uuid4

from llama_index.core.instrumentation import Dispatcher, get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.span_handlers import NullSpanHandler
from llama_index.core.tools import BaseTool, ToolMetadata, ToolOutput

from remote_chatbots import BotUsageError, Step
from remote_chatbots.arguments import TOOLS_REFUSED
from remote_chatbots.step_spans import Begun, Ended, Key, StepSpans

dispatcher = get_dispatcher(__name__)
_TAKES_NOTHING = inspect.Signature()
_TAKES_INPUT = inspect.Signature([inspect.Parameter("input", inspect.Parameter.POSITIONAL_OR_KEYWORD)])


class StepSpansTold:
    """Tells the steps of one call as spans, each in the one in which it happens.

    Args:
        call: The id of the call's own span.
    """

    def __init__(self, call: str) -> None:
        self._call = call
        self._spans = StepSpans()
        self._told: dict[Key, dict[str, Any]] = {}
        # A handler may put a span where the reader's own code, which runs between two states of a step, would find it.
        self._context = copy_context()

    @classmethod
    def of(cls, call: str | None) -> StepSpansTold | None:
        """Return what tells the steps of a call; None if it has no span, or nobody listens to spans."""
        return cls(call) if call is not None and _listened_to() else None

    def tell(self, step: Step) -> None:
        """Tell a state of a step."""
        for what in self._spans.of(step):
            if isinstance(what, Begun):
                self._begin(what)
            else:
                self._end(what)

    def end(self, error: BaseException | None = None) -> None:
        """End what is open, with the call."""
        for what in self._spans.rest(error):
            self._end(what)

    def _begin(self, span: Begun) -> None:
        given = _TAKES_NOTHING.bind() if span.input is None else _TAKES_INPUT.bind(span.input)
        id_ = f"{span.name.replace('-', '_')}-{uuid4()}"  # handlers take what stands before the first hyphen for a name
        told: dict[str, Any] = {"id_": id_, "bound_args": given, "instance": _BotTool(span.name) if span.tool else None}
        self._told[span.key] = told
        above = self._told[span.parent]["id_"] if span.parent is not None else self._call
        self._context.run(dispatcher.span_enter, **told, parent_id=above)

    def _end(self, span: Ended) -> None:
        told = self._told.pop(span.key)
        if span.error is not None:
            self._context.run(dispatcher.span_drop, **told, err=span.error)
        else:
            self._context.run(dispatcher.span_exit, **told, result=span.output)


class _BotTool(BaseTool):
    """A tool that a bot called: by its class a trace knows it for a tool."""

    def __init__(self, name: str) -> None:
        self._metadata = ToolMetadata(name=name, description="A tool of the bot's own.", fn_schema=None)

    @property
    def metadata(self) -> ToolMetadata:
        return self._metadata

    def __call__(self, *_: Any, **__: Any) -> ToolOutput:
        raise BotUsageError(TOOLS_REFUSED)


def reached(at: Dispatcher) -> Iterator[Dispatcher]:
    """Yield the dispatchers whose handlers hear what `at` is told: itself, and those above as far as it propagates."""
    yield at
    while at.propagate:
        at = at.parent
        yield at


def _listened_to() -> bool:
    return any(not isinstance(one, NullSpanHandler) for at in reached(dispatcher) for one in at.span_handlers)
