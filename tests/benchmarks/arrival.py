"""When tokens arrive that a server sends at a pace, with coalescing and without: whether one waits for another."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.benchmarks.faces import LANGCHAIN as FACE
from tests.benchmarks.server import Server
from tests.benchmarks.wire import SENT_AT

PACES_MS = (2, 10)


class Arrivals(NamedTuple):
    """How long after its sending each token of some turns was in the caller's hands, in ms.

    Attributes:
        pace_ms: Between two tokens.
        way: "sync" or "async".
        apart_ms: One chunk for each event.
        joined_ms: As a model is by default: what arrived together is one chunk.
    """

    pace_ms: int
    way: str
    apart_ms: list[float]
    joined_ms: list[float]


def measure(turns: int) -> list[Arrivals]:
    """Measure so many turns of a second for each pace, way and setting, the settings taking turns."""
    with Server() as server, asyncio.Runner() as runner:
        return [found for pace_ms in PACES_MS for found in _at_pace(server, pace_ms, turns, runner)]


def _at_pace(server: Server, pace_ms: int, turns: int, runner: asyncio.Runner) -> list[Arrivals]:
    url = server.url(f"paced-{pace_ms}")
    found = [Arrivals(pace_ms, way, [], []) for way in ("sync", "async")]
    models = {False: FACE.ours(url, coalesce=False), True: FACE.ours(url)}
    for turn in range(turns):
        for coalesce in (turn % 2 == 0, turn % 2 == 1):
            for arrivals in found:
                late = _late(models[coalesce]) if arrivals.way == "sync" else runner.run(_alate(models[coalesce]))
                (arrivals.joined_ms if coalesce else arrivals.apart_ms).extend(late)
    return found


def _late(model: object) -> list[float]:
    return [late for chunk in FACE.stream(model) for late in _since_sent(FACE.text_of(chunk))]


async def _alate(model: object) -> list[float]:
    return [late async for chunk in FACE.astream(model) for late in _since_sent(FACE.text_of(chunk))]


def _since_sent(text: str) -> Iterator[float]:
    """Yield how long ago each of the tokens in `text` was sent, in ms: a token is the moment of its sending."""
    now = time.monotonic()
    for at in range(0, len(text), len(SENT_AT)):
        yield (now - float(text[at : at + len(SENT_AT)])) * 1000


def percentiles(late_ms: list[float]) -> tuple[float, float, float, float]:
    """Return median, 95th and 99th percentile, and the longest."""
    cut = statistics.quantiles(late_ms, n=100)
    return statistics.median(late_ms), cut[94], cut[98], max(late_ms)
