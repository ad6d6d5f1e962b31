"""Steps of a bot, each at its place in time and in the step that holds it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remote_chatbots.display.view import moment
from remote_chatbots.printable import on_a_line
from remote_chatbots.reading import text
from remote_chatbots.steps import failed

MOST_STEPS = 80
LEAST_S = 0.0005
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Placed:
    """A step at its place.

    Attributes:
        name: Its name, for people; on one line.
        kind: "node", "tool", … as of `Step`.
        depth: In how many steps it stands.
        start_s: When it began, in seconds after the first.
        length_s: How long it took, in seconds; None if that is not known.
        status: "running", or the server's word for how it ended.
        failed: Whether it failed.
        error: What went wrong; "" if nothing was told.
    """

    name: str
    kind: str
    depth: int
    start_s: float
    length_s: float | None
    status: str
    failed: bool
    error: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The steps in their order, and how long they took together, in seconds; `left_out` were too many.

    Less than can be told in milliseconds is no length.
    """

    steps: tuple[Placed, ...]
    length_s: float
    left_out: int

    @property
    def failed(self) -> tuple[Placed, ...]:
        """The steps that failed."""
        return tuple(step for step in self.steps if step.failed)


def timeline(steps: Iterable[Mapping[str, Any]]) -> Timeline:
    """Return where steps stand in time.

    Servers tell to the second when a step began, and how long it took to the millisecond. So a step is put at the first
    moment of its second at which none before it in the same place was under way; where they were, all that second, it
    ran beside them. A step whose beginning is not told follows the one before it.

    Args:
        steps: As `told_of` writes them. A thought without tools is none.
    """
    found = [step for step in steps if step.get("kind") != "thought" or step.get("name")]
    shown = found[:MOST_STEPS]
    known = [at for step in shown if (at := moment(step.get("started_at"))) is not None]
    placed: list[Placed] = []
    length = _place(_children(shown), None, 0, 0.0, min(known, default=0.0), placed)
    return Timeline(tuple(placed), length if length >= LEAST_S else 0.0, len(found) - len(shown))


_Children = dict[int | None, list[tuple[int, Mapping[str, Any]]]]


def _children(steps: Sequence[Mapping[str, Any]]) -> _Children:
    """Return the steps by the place of the one that they stand in; a step stands in none that comes after it."""
    places: dict[str, int] = {}
    children: _Children = {}
    for at, step in enumerate(steps):
        children.setdefault(places.get(text(step.get("parent_id"))), []).append((at, step))
        if id_ := text(step.get("id")):
            places.setdefault(id_, at)
    return children


def _place(
    children: _Children, parent: int | None, depth: int, begin: float, epoch: float, placed: list[Placed]
) -> float:
    """Place the steps that stand in `parent`; return when the last of them ended."""
    now = begin
    for at, step in children.get(parent, ()):
        told = moment(step.get("started_at"))
        start = now if told is None or told - epoch <= now < told - epoch + 1 else told - epoch
        here = len(placed)
        within = _place(children, at, depth + 1, start, epoch, placed)
        length = moment(step.get("elapsed_s"))
        if length is None and within > start:
            length = within - start
        placed.insert(here, _placed(step, min(depth, _DEEPEST), start, length))
        now = max(now, start + (length or 0.0))
    return now


def _placed(step: Mapping[str, Any], depth: int, start_s: float, length_s: float | None) -> Placed:
    kind = on_a_line(text(step.get("kind")), 20)
    status = on_a_line(text(step.get("status")), 30)
    error = on_a_line(text(step.get("error")), 500)
    name = on_a_line(text(step.get("name")), 200) or kind or "step"
    return Placed(name, kind, depth, start_s, length_s, status, failed(status, error), error)
