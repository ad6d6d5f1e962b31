"""A bot's steps as spans of a trace: what begins and what ends with each state that is told. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from remote_chatbots.errors import BotServerError
from remote_chatbots.events import Step
from remote_chatbots.steps import failed, tool_calls

Key = tuple[str, str]  # kind and id
_UNDER_WAY = ("running", "retry")  # a node that is tried again is not over: Dify API reference, `node_retry`


class Begun(NamedTuple):
    """A span that begins.

    Attributes:
        key: Which it is.
        parent: The span in which it happens; None if that is the bot's whole answer.
        name: Its name, for people.
        tool: Whether a tool is called in it.
        input: What goes in, as far as it is known at the beginning; None if it is not.
    """

    key: Key
    parent: Key | None
    name: str
    tool: bool
    input: Any


class Ended(NamedTuple):
    """A span that ends.

    Attributes:
        key: Which it is.
        input: What went in; None if that was not told.
        output: What came out; None if nothing was told.
        error: What went wrong; None if nothing.
    """

    key: Key
    input: Any = None
    output: Any = None
    error: BaseException | None = None


class StepSpans:
    """The spans of one turn. A thought without a tool is none: it is words of the answer."""

    def __init__(self) -> None:
        self._open: list[Key] = []
        self._over: set[Key] = set()

    def of(self, step: Step) -> Iterator[Begun | Ended]:
        """Yield what begins, and what ends, with a state of a step."""
        if step.kind in ("thought", "tool"):
            for call in tool_calls(step):
                error = BotServerError(step.error or f"{call.name or 'The tool'} failed.") if call.failed else None
                came = Ended(("tool", call.id), dict(call.args), call.output, error)
                yield from self._told(came, step, call.name, done=call.done)
            return
        told = step.error or f"{step.name or step.kind}: {step.status}."
        error = BotServerError(told) if failed(step.status, step.error) else None
        came = Ended((step.kind, step.id), step.input, step.output, error)
        yield from self._told(came, step, step.name, done=step.status not in _UNDER_WAY)

    def rest(self, error: BaseException | None) -> Iterator[Ended]:
        """Yield the end of what is open, the innermost first, when the whole turn ends: by `error`, if there is one."""
        while self._open:
            yield Ended(self._open.pop(), error=error)

    def _told(self, came: Ended, step: Step, name: str, *, done: bool) -> Iterator[Begun | Ended]:
        if came.key not in self._open:
            if done and came.key in self._over:  # told once more; but a loop in a loop may begin again
                return
            parent = next((key for key in reversed(self._open) if key[1] == step.parent_id), None)
            yield Begun(came.key, parent, name or step.kind, came.key[0] == "tool", came.input)
            self._open.append(came.key)  # not before it has begun: a listener may fail, and then there is none to end
        if done:
            self._open.remove(came.key)
            self._over.add(came.key)
            yield came
