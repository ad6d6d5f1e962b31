"""A figure, its bar, and how costs are taken so that figures of one run can be compared."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

HALF_A_CHUNK_CALLS = 68  # of `_deeper`, whose frame takes some 120 bytes of the 16 KiB


@dataclass(frozen=True)
class Figure:
    """What was measured, beside what it has to be.

    Attributes:
        code: Short name.
        what: What it is, for people.
        way: "sync" or "async"; "" where that makes no difference.
        bar: What the median has to keep; None where it is told for the sake of another figure.
        values: One for each round.
        unit: What stands behind the number; "" for counts.
        face: Of which framework's face it is; "" if of none.
        at_least: Whether the bar is a lower bound.
        by_wall: The same ratios by the wall clock, where `values` are by the time the processor worked.
    """

    code: str
    what: str
    way: str
    bar: float | None
    values: Sequence[float]
    unit: str = "×"
    face: str = ""
    at_least: bool = False
    by_wall: Sequence[float] = ()

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def median_by_wall(self) -> float:
        return statistics.median(self.by_wall)

    @property
    def met(self) -> bool:
        if self.bar is None:
            return True
        return self.median >= self.bar if self.at_least else self.median <= self.bar


class Cost(NamedTuple):
    """What one run cost this process, in seconds: the processor's time (user and system), and the wall clock's."""

    cpu_s: float
    wall_s: float


def cost_of(action: Callable[[], object]) -> Cost:
    """Run `action` twice, at two depths of the stack; return what the cheaper run cost.

    Python before 3.14.4 allocates and frees 16 KiB at each call that happens to cross the end of a chunk of its stack
    (cpython issue 142183): what is called there a thousand times costs two to ten times as much. Whom that meets says
    nothing of its code, only of how deep it was called, and at half a chunk's distance it does not meet the same twice.
    """
    return min(_taken(action, 0), _taken(action, HALF_A_CHUNK_CALLS))


def _taken(action: Callable[[], object], deeper_calls: int) -> Cost:
    gc.collect()  # nobody pays for the garbage of the one before
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    _deeper(deeper_calls, action)
    return Cost(time.process_time() - cpu_s, time.perf_counter() - wall_s)


def _deeper(calls: int, action: Callable[[], object]) -> None:
    if calls:
        _deeper(calls - 1, action)
    else:
        action()


def alternating(actions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[Cost]]:
    """Run all `actions` in each round, each round beginning with another one; return the costs by name.

    What disturbs the machine then disturbs all of them alike, and no one is always first. One round before the first
    warms caches and connections and is not counted.
    """
    names = list(actions)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for action in actions.values():
        action()
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            costs[name].append(cost_of(actions[name]))
    return costs


def ratios(above: Sequence[Cost], below: Sequence[Sequence[Cost]]) -> tuple[list[float], list[float]]:
    """Return `above` over the sum of `below`, round by round: by the processor's time, and by the wall clock's."""
    by_cpu = [a.cpu_s / sum(cost.cpu_s for cost in b) for a, b in zip(above, zip(*below, strict=True), strict=True)]
    by_wall = [a.wall_s / sum(cost.wall_s for cost in b) for a, b in zip(above, zip(*below, strict=True), strict=True)]
    return by_cpu, by_wall
