"""What a streamed event costs: against the floor, with coalescing off and on, and against ChatOpenAI."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.benchmarks import wire
from tests.benchmarks.contenders import (
    QUESTION,
    BareAiohttp,
    BareRequests,
    FromMemory,
    adrain,
    atexts,
    dify,
    drain,
    openai,
    texts,
)
from tests.benchmarks.figure import Cost, Figure, alternating, ratios
from tests.benchmarks.server import Server

BARE, MEMORY = "bare HTTP library", "LangChain from memory"
OFF, ON, PEER = "ChatDify, one chunk an event", "ChatDify", "ChatOpenAI"


class CostPerEvent(NamedTuple):
    """The figures, and what lies under them.

    Attributes:
        figures: P1, P2, P3; sync, then async.
        cpu_us: Median time of the processor for each event, in µs, by way and contender.
        chunks: How many chunks with text one turn gave, by way, with coalescing on.
        events: How many events a turn had.
    """

    figures: list[Figure]
    cpu_us: dict[str, dict[str, float]]
    chunks: dict[str, int]
    events: int


def measure(events: int, rounds: int) -> CostPerEvent:
    """Measure P1, P2 and P3 with turns of so many events."""
    pieces = wire.pieces(events)
    with Server(events) as server:
        sync_costs, sync_chunks = _sync(server, pieces, rounds)
        with asyncio.Runner() as runner:
            async_costs, async_chunks = _async(server, pieces, rounds, runner)
    costs = {"sync": sync_costs, "async": async_costs}
    return CostPerEvent(
        [*_against_floor(costs), *_against_peer(costs)],
        {way: {name: _median_us(of, events) for name, of in found.items()} for way, found in costs.items()},
        {"sync": sync_chunks, "async": async_chunks},
        events,
    )


def _sync(server: Server, pieces: list[str], rounds: int) -> tuple[dict[str, list[Cost]], int]:
    burst, bare = server.url("burst"), BareRequests(server.url("burst"))
    memory, off, on = FromMemory(pieces=pieces, cache=False), dify(burst, coalesce=False), dify(burst)
    peer = openai(server.url("openai"))
    for model in (memory, off, on, peer):
        _same_text(texts(model.stream(QUESTION)), pieces)
    _one_chunk_an_event(texts(off.stream(QUESTION)), pieces)
    chunks = len(texts(on.stream(QUESTION)))
    actions: Mapping[str, Callable[[], None]] = {
        BARE: lambda: drain(bare.batches()),
        MEMORY: lambda: drain(memory.stream(QUESTION)),
        OFF: lambda: drain(off.stream(QUESTION)),
        ON: lambda: drain(on.stream(QUESTION)),
        PEER: lambda: drain(peer.stream(QUESTION)),
    }
    costs = alternating(actions, rounds)
    bare.close()
    return costs, chunks


def _async(server: Server, pieces: list[str], rounds: int, runner: asyncio.Runner) -> tuple[dict[str, list[Cost]], int]:
    async def bare_in_loop() -> BareAiohttp:
        return BareAiohttp(server.url("burst"))

    burst, bare = server.url("burst"), runner.run(bare_in_loop())
    memory, off, on = FromMemory(pieces=pieces, cache=False), dify(burst, coalesce=False), dify(burst)
    peer = openai(server.url("openai"))
    for model in (memory, off, on, peer):
        _same_text(runner.run(atexts(model.astream(QUESTION))), pieces)
    _one_chunk_an_event(runner.run(atexts(off.astream(QUESTION))), pieces)
    chunks = len(runner.run(atexts(on.astream(QUESTION))))
    actions: Mapping[str, Callable[[], None]] = {
        BARE: lambda: runner.run(adrain(bare.batches())),
        MEMORY: lambda: runner.run(adrain(memory.astream(QUESTION))),
        OFF: lambda: runner.run(adrain(off.astream(QUESTION))),
        ON: lambda: runner.run(adrain(on.astream(QUESTION))),
        PEER: lambda: runner.run(adrain(peer.astream(QUESTION))),
    }
    costs = alternating(actions, rounds)
    runner.run(bare.close())
    return costs, chunks


def _same_text(said: list[str], pieces: list[str]) -> None:
    # Not about time: figures of contenders that do not do the same would be worth nothing.
    if "".join(said) != "".join(pieces):
        raise ValueError("a contender does not give the text that the server sends")


def _one_chunk_an_event(said: list[str], pieces: list[str]) -> None:
    if said != pieces:
        raise ValueError("with coalescing off there is not one chunk for each event")


def _against_floor(costs: Mapping[str, Mapping[str, list[Cost]]]) -> list[Figure]:
    figures = []
    for code, what, name, bar in (
        ("P1", "cost of an event against the floor, one chunk an event", OFF, 1.25),
        ("P2", "cost of an event against the floor, server faster than client", ON, 0.25),
    ):
        for way, found in costs.items():
            by_cpu, by_wall = ratios(found[name], [found[BARE], found[MEMORY]])
            figures.append(Figure(code, what, way, bar, by_cpu, by_wall=by_wall))
    return figures


def _against_peer(costs: Mapping[str, Mapping[str, list[Cost]]]) -> list[Figure]:
    figures = []
    for what, name, bar in (
        ("times cheaper a token than ChatOpenAI, one chunk an event", OFF, 6.0),
        ("times cheaper a token than ChatOpenAI, server faster than client", ON, 25.0),
    ):
        for way, found in costs.items():
            by_cpu, by_wall = ratios(found[PEER], [found[name]])
            figures.append(Figure("P3", what, way, bar, by_cpu, at_least=True, by_wall=by_wall))
    return figures


def _median_us(costs: list[Cost], events: int) -> float:
    return statistics.median(cost.cpu_s for cost in costs) / events * 1e6
