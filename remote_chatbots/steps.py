"""A bot's steps as the faces need them: as plain values, and the calls of tools in them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from remote_chatbots.events import Event, Step

_TOLD = ("id", "kind", "name", "status", "parent_id", "text", "input", "output", "error", "started_at", "elapsed_s")
_KEPT = ("name", "parent_id", "text", "input", "output", "started_at")
_FAILED = ("failed", "error", "exception")


def told_of(step: Step) -> dict[str, Any]:
    """Return a step as a value of JSON, under the names of `Step`, without what is not known.

    What the server sent besides is left out: in a node of a model it is the app's own prompts, and an answer is stored
    with what rides on it.
    """
    return {name: value for name in _TOLD if (value := getattr(step, name)) not in ("", None)}


def failed(status: str, error: str) -> bool:
    """Return whether a step with these words of the server's went wrong."""
    return status in _FAILED or bool(error)


def joined(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps of a paused turn and of its rest, as `told_of` writes them: of each the newest state."""
    steps: dict[tuple[Any, Any], dict[str, Any]] = {}
    for step in (*before, *after):
        key = (step.get("kind"), step.get("id"))
        steps[key] = {**steps.get(key, {}), **step}
    return list(steps.values())


class StepsSoFar:
    """The newest state of each step of a turn, in order of first appearance.

    Servers tell one id again and again, and not each time with all that was known before.
    """

    def __init__(self) -> None:
        self._steps: dict[tuple[str, str], Step] = {}

    def add(self, step: Step) -> Step | None:
        """Take a step, or a newer state of one; return it with what was known before, None if nothing in it is new."""
        old = self._steps.get((step.kind, step.id))
        if old is not None:
            # A loop in a loop begins once more under its id: what came of it the time before is no news of this one.
            again = step.status == "running" != old.status and step.kind in ("iteration", "loop")
            names = (name for name in _KEPT if not (again and name in ("input", "output", "started_at")))
            kept = {name: value for name in names if not getattr(step, name) and (value := getattr(old, name))}
            step = replace(step, **kept) if kept else step
        if old is not None and _same(step, old):
            return None
        self._steps[step.kind, step.id] = step
        return step

    def __contains__(self, step: Step) -> bool:
        """Return whether a state of the step was told."""
        return (step.kind, step.id) in self._steps

    def text_of(self, step: Step) -> str:
        """Return the text of the newest state of a step; "" if there is none."""
        old = self._steps.get((step.kind, step.id))
        return old.text if old is not None else ""

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps.values())


class StepsLeftOut:
    """Lets through all that is no step."""

    def cut(self, events: list[Event]) -> list[Event]:
        """Return `events` without the steps."""
        return [event for event in events if not isinstance(event, Step)]

    def rest(self) -> list[Event]:
        """Return []: nothing is held back."""
        return []


def _same(one: Step, other: Step) -> bool:
    try:
        return one == other
    except RecursionError:  # nested deeper than Python compares
        return False


class ToolCall(NamedTuple):
    """A call of one tool by the bot, on its server.

    Attributes:
        id: The step's id; where an agent calls several tools in one step, with the call's number behind it.
        name: The tool's name; "" if the server gave none.
        args: Its arguments; of a server that gives a lone value, that under "input".
        output: What it returned; None if that is not (yet) known.
        done: Whether it is over.
        failed: Whether the server says that it failed.
    """

    id: str
    name: str
    args: Mapping[str, Any]
    output: Any
    done: bool
    failed: bool


def tool_calls(step: Step) -> tuple[ToolCall, ...]:
    """Return the calls of tools in a step; () of a step that is none, and of a thought without one."""
    if step.kind not in ("thought", "tool"):
        return ()
    done = step.status != "running"
    failed = done and step.status != "succeeded"
    if step.kind == "tool":
        return (ToolCall(step.id, step.name, _args(step.input), step.output, done, failed),)
    names = list(dict.fromkeys(name for name in step.name.split(";") if name))
    ids = [step.id] if len(names) == 1 else [f"{step.id}-{number}" for number in range(1, len(names) + 1)]

    def share(told: Any, name: str) -> Any:
        """Return one tool's share of what is told by tools' names; where it is not told so, all of it."""
        return told.get(name) if isinstance(told, Mapping) and not told.keys().isdisjoint(names) else told

    return tuple(
        ToolCall(id_, name, _args(share(step.input, name)), share(step.output, name), done, failed)
        for id_, name in zip(ids, names, strict=True)
    )


def _args(told: Any) -> Mapping[str, Any]:
    if isinstance(told, Mapping):
        return told
    return {} if told is None else {"input": told}
