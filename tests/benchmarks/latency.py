"""What a caller waits: for the first token, and, after the last event, for the end of the loop."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from langchain_core.language_models import BaseChatModel

from tests.benchmarks.contenders import QUESTION, BareAiohttp, BareRequests
from tests.benchmarks.faces import FACES, Face, chat_dify
from tests.benchmarks.figure import Figure
from tests.benchmarks.server import Server


def measure(rounds: int, turns: int) -> list[Figure]:
    """Measure P8, with so many turns in each round, and P11, with a turn in each round."""
    with Server() as server, asyncio.Runner() as runner:
        return [*_first_token(server, rounds, turns, runner), *_last_event(server, rounds, runner)]


def _first_token(server: Server, rounds: int, turns: int, runner: asyncio.Runner) -> list[Figure]:
    url = server.url("first")
    bare, abare = BareRequests(url), runner.run(_bare_in_loop(url))
    figures = []
    for face in FACES:
        for way, first, floor in (
            ("sync", partial(_first, face), partial(_bare_first, bare)),
            ("async", partial(_first_in, runner, face), lambda: runner.run(_abare_first(abare))),
        ):
            ours, memory = partial(first, face.ours(url)), partial(first, face.memory(["x"]))
            above = [_both(ours, floor, turns) for _ in range(rounds)]
            own = [_both(memory, floor, turns)[0] for _ in range(rounds)]
            what = "time to first token above the bare HTTP library"
            figures += [
                Figure("P8", what, way, 1.0, [ours_ms - bare_ms for ours_ms, bare_ms in above], "ms", face.name),
                Figure("P8", "the same, of which the framework's own (from memory)", way, None, own, "ms", face.name),
            ]
    bare.close()
    runner.run(abare.close())
    return figures


def _both(one: Callable[[], float], floor: Callable[[], float], turns: int) -> tuple[float, float]:
    """Return the medians, in ms, of alternating turns: what each finds of the other in the caches is as in programs."""
    one(), floor()  # opens the connections
    both = [(one(), floor()) for _ in range(turns)]
    return statistics.median(first for first, _ in both) * 1000, statistics.median(other for _, other in both) * 1000


def _first(face: Face, model: Any) -> float:
    begun, first = time.perf_counter(), 0.0
    for chunk in face.stream(model):
        if not first and face.text_of(chunk):
            first = time.perf_counter() - begun
    return first


def _bare_first(bare: BareRequests) -> float:
    begun, first = time.perf_counter(), 0.0
    for events in bare.batches():
        if not first and events:
            first = time.perf_counter() - begun
    return first


def _first_in(runner: asyncio.Runner, face: Face, model: Any) -> float:
    return runner.run(_afirst(face, model))


async def _afirst(face: Face, model: Any) -> float:
    begun, first = time.perf_counter(), 0.0
    async for chunk in face.astream(model):
        if not first and face.text_of(chunk):
            first = time.perf_counter() - begun
    return first


async def _abare_first(bare: BareAiohttp) -> float:
    begun, first = time.perf_counter(), 0.0
    async for events in bare.batches():
        if not first and events:
            first = time.perf_counter() - begun
    return first


async def _bare_in_loop(url: str) -> BareAiohttp:
    return BareAiohttp(url)


def _last_event(server: Server, rounds: int, runner: asyncio.Runner) -> list[Figure]:
    model, amodel = chat_dify(server.url("held")), chat_dify(server.url("held"))
    what = "from the last event on the wire to the end of the loop, body held open 1 s"
    return [
        Figure("P11", what, "sync", 150, [_end(model) for _ in range(rounds)], "ms", "LangChain"),
        Figure("P11", what, "async", 150, [runner.run(_aend(amodel)) for _ in range(rounds)], "ms", "LangChain"),
    ]


def _end(model: BaseChatModel) -> float:
    sent_at = 0.0
    for chunk in model.stream(QUESTION):
        sent_at = float(chunk.response_metadata.get("sent_at", sent_at))
    return (time.monotonic() - sent_at) * 1000


async def _aend(model: BaseChatModel) -> float:
    sent_at = 0.0
    async for chunk in model.astream(QUESTION):
        sent_at = float(chunk.response_metadata.get("sent_at", sent_at))
    return (time.monotonic() - sent_at) * 1000
