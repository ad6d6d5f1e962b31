"""What LangChain's callbacks hear of a turn while it happens: its steps, as runs and custom events, and its price."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any, Self, TypeAlias

from langchain_core.callbacks import AsyncCallbackManager, AsyncRunManager, BaseRunManager, CallbackManager

from langchain_chatbots._prices import tell_price
from remote_chatbots import Step, UsageReported
from remote_chatbots.step_spans import Begun, Ended, Key, StepSpans
from remote_chatbots.steps import told_of

STEP_EVENT = "remote_chatbots.step"
TOLD = (Step, UsageReported)  # the events of a turn that are told
# What calls of a manager return: what came of them, or, of an async manager, what gives it when it is awaited.
_Calls: TypeAlias = Generator[Any, Any, None]


class StepsTold:
    """Tells the steps of one call: as runs below the call's own, which traces show, and as custom events.

    The custom events go to the run in which the bot is asked: a chain's, a graph's, a tool's; else to nobody, for
    LangChain has none without such a run. Runs that are open when the call ends are ended with it.

    Args:
        run: The call's own run; None if nobody hears of it.
    """

    def __init__(self, run: BaseRunManager | None) -> None:
        self._own = run
        # None if nobody hears of what is below.
        self._run = run if run is not None and run.inheritable_handlers else None
        self._manager: Any = AsyncCallbackManager if isinstance(run, AsyncRunManager) else CallbackManager
        self._spans = StepSpans()
        self._runs: dict[Key, Any] = {}

    def tell(self, event: Step | UsageReported) -> None:
        """Tell a state of a step, or the price of the turn."""
        _perform(self._news(event))

    async def atell(self, event: Step | UsageReported) -> None:
        """Do as `tell`, awaiting handlers that are coroutines."""
        await _aperform(self._news(event))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        _perform(self._end(error))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, where: object) -> None:
        await _aperform(self._end(error))

    def _news(self, event: Step | UsageReported) -> _Calls:
        if isinstance(event, UsageReported):
            tell_price(self._own, event.usage)
            return
        if self._run is None:
            return
        if (around := self._run.parent_run_id) is not None:
            yield self._below(around).on_custom_event(STEP_EVENT, told_of(event), run_id=around)
        for what in self._spans.of(event):
            if isinstance(what, Begun):
                self._runs[what.key] = yield self._begun(what)
            else:
                yield self._ended(what)

    def _end(self, error: BaseException | None) -> _Calls:
        for span in self._spans.rest(error):
            yield self._ended(span)

    def _begun(self, span: Begun) -> Any:
        assert self._run is not None
        above = self._runs[span.parent] if span.parent is not None else self._run
        manager = self._below(above.run_id)
        inputs = span.input if isinstance(span.input, dict) else {} if span.input is None else {"input": span.input}
        if span.tool:
            said = json.dumps(inputs, ensure_ascii=False, default=str)
            told = {"inputs": inputs, "name": span.name, "tool_call_id": span.key[1]}
            return manager.on_tool_start({"name": span.name}, said, **told)
        return manager.on_chain_start(None, inputs, name=span.name)

    def _ended(self, span: Ended) -> Any:
        run, tool = self._runs.pop(span.key), span.key[0] == "tool"
        if span.error is not None:
            return run.on_tool_error(span.error) if tool else run.on_chain_error(span.error)
        if tool:
            return run.on_tool_end(span.output)
        return run.on_chain_end(span.output, **({"inputs": span.input} if span.input is not None else {}))

    def _below(self, run_id: Any) -> Any:
        """Return what tells of runs, and of events, below a run."""
        assert self._run is not None
        heard, tags = self._run.inheritable_handlers, self._run.inheritable_tags
        # What LangSmith is told of the model is not true of its steps.
        told = {name: one for name, one in self._run.inheritable_metadata.items() if not name.startswith("ls_")}
        return self._manager(
            handlers=list(heard),
            inheritable_handlers=list(heard),
            parent_run_id=run_id,
            tags=list(tags),
            inheritable_tags=list(tags),
            metadata=dict(told),
            inheritable_metadata=told,
        )


def _perform(calls: _Calls) -> None:
    try:
        came = next(calls)
        while True:
            came = calls.send(came)
    except StopIteration:
        pass


async def _aperform(calls: _Calls) -> None:
    try:
        came = await next(calls)
        while True:
            came = await calls.send(came)
    except StopIteration:
        pass
