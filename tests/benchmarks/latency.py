"""What a caller waits: for the first token, and, after the last event, for the end of the loop."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine
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
        ours, aours = partial(_first, face, face.ours(url)), partial(_afirst, face, face.ours(url))
        sync = [_above(ours, lambda: _bare_first(bare), turns) for _ in range(rounds)]
        above = [_above(_run(runner, aours), _run(runner, lambda: _abare_first(abare)), turns) for _ in range(rounds)]
        what = "time to first token above the bare HTTP library"
        figures += [
            Figure("P8", what, "sync", 1.0, sync, "ms", face.name),
            Figure("P8", what, "async", 1.0, above, "ms", face.name),
        ]
    bare.close()
    runner.run(abare.close())
    return figures


def _run(runner: asyncio.Runner, turn: Callable[[], Coroutine[Any, Any, float]]) -> Callable[[], float]:
    return lambda: runner.run(turn())


def _above(ours: Callable[[], float], floor: Callable[[], float], turns: int) -> float:
    """Return how much later, in ms, ours is than the floor: the difference of the medians of alternating turns."""
    ours(), floor()  # opens the connections
    both = [(ours(), floor()) for _ in range(turns)]
    return (statistics.median(one for one, _ in both) - statistics.median(other for _, other in both)) * 1000


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
