"""What a streamed event costs: against the floor, with coalescing off and on, and against the framework's own peer."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.benchmarks import wire
from tests.benchmarks.contenders import BareAiohttp, BareRequests, adrain, drain
from tests.benchmarks.faces import FACES, Face
from tests.benchmarks.figure import Cost, Figure, alternating, ratios
from tests.benchmarks.server import Server

BARE, MEMORY, OFF, ON, PEER = "bare", "memory", "off", "on", "peer"  # the contenders
PEER_TOKENS = 1000  # of a peer's turn: it takes some hundred times as long, and is counted by the token


class Taken(NamedTuple):
    """What one way of one face cost, by contender, and how many chunks one turn gave with coalescing on."""

    face: Face
    way: str
    costs: Mapping[str, list[Cost]]
    chunks: int

    def cpu_us(self, contender: str, events: int) -> float:
        """Return the median time of the processor for each event, in µs."""
        return statistics.median(cost.cpu_s for cost in self.costs[contender]) / events * 1e6


class CostPerEvent(NamedTuple):
    """The figures, and what lies under them.

    Attributes:
        figures: P1, P2, P3; of each face, sync, then async.
        taken: What was taken, in the same order.
        events: How many events a turn had.
    """

    figures: list[Figure]
    taken: list[Taken]
    events: int


def measure(events: int, rounds: int) -> CostPerEvent:
    """Measure P1, P2 and P3 with turns of so many events."""
    with Server() as server, asyncio.Runner() as runner:
        taken = [
            found
            for face in FACES
            for found in (_sync(face, server, events, rounds), _async(face, server, events, rounds, runner))
        ]
    return CostPerEvent([*_against_floor(taken), *_against_peer(taken)], taken, events)


def _sync(face: Face, server: Server, events: int, rounds: int) -> Taken:
    pieces, burst = wire.pieces(events), server.url(f"burst-{events}")
    bare = BareRequests(burst)
    memory, off, on = face.memory(pieces), face.ours(burst, coalesce=False), face.ours(burst)
    peer = face.peer(server.url(f"openai-{PEER_TOKENS}"))
    for model in (memory, off, on):
        _same_text(face.texts(model), pieces)
    _same_text(face.texts(peer), wire.pieces(PEER_TOKENS))
    _one_chunk_an_event(face.texts(off), pieces)
    chunks = len(face.texts(on))
    actions: Mapping[str, Callable[[], None]] = {
        BARE: lambda: drain(bare.batches()),
        MEMORY: lambda: drain(face.stream(memory)),
        OFF: lambda: drain(face.stream(off)),
        ON: lambda: drain(face.stream(on)),
        PEER: lambda: drain(face.stream(peer)),
    }
    costs = alternating(actions, rounds)
    bare.close()
    return Taken(face, "sync", _by_the_token(costs, events), chunks)


def _async(face: Face, server: Server, events: int, rounds: int, runner: asyncio.Runner) -> Taken:
    async def bare_in_loop() -> BareAiohttp:
        return BareAiohttp(burst)

    pieces, burst = wire.pieces(events), server.url(f"burst-{events}")
    bare = runner.run(bare_in_loop())
    memory, off, on = face.memory(pieces), face.ours(burst, coalesce=False), face.ours(burst)
    peer = face.peer(server.url(f"openai-{PEER_TOKENS}"))
    for model in (memory, off, on):
        _same_text(runner.run(face.atexts(model)), pieces)
    _same_text(runner.run(face.atexts(peer)), wire.pieces(PEER_TOKENS))
    _one_chunk_an_event(runner.run(face.atexts(off)), pieces)
    chunks = len(runner.run(face.atexts(on)))
    actions: Mapping[str, Callable[[], None]] = {
        BARE: lambda: runner.run(adrain(bare.batches())),
        MEMORY: lambda: runner.run(adrain(face.astream(memory))),
        OFF: lambda: runner.run(adrain(face.astream(off))),
        ON: lambda: runner.run(adrain(face.astream(on))),
        PEER: lambda: runner.run(adrain(face.astream(peer))),
    }
    costs = alternating(actions, rounds)
    runner.run(bare.close())
    return Taken(face, "async", _by_the_token(costs, events), chunks)


def _by_the_token(costs: Mapping[str, list[Cost]], events: int) -> Mapping[str, list[Cost]]:
    """Return `costs` with the peer's as they would be for as many tokens as the others had events."""
    times = events / PEER_TOKENS
    return {**costs, PEER: [Cost(cost.cpu_s * times, cost.wall_s * times) for cost in costs[PEER]]}


def _same_text(said: list[str], pieces: list[str]) -> None:
    # Not about time: figures of contenders that do not do the same would be worth nothing.
    if "".join(said) != "".join(pieces):
        raise ValueError("a contender does not give the text that the server sends")


def _one_chunk_an_event(said: list[str], pieces: list[str]) -> None:
    if said != pieces:
        raise ValueError("with coalescing off there is not one chunk for each event")


def _against_floor(taken: list[Taken]) -> list[Figure]:
    figures = []
    for code, what, name, bar in (
        ("P1", "cost of an event against the floor, one chunk an event", OFF, 1.25),
        ("P2", "cost of an event against the floor, server faster than client", ON, 0.25),
    ):
        for face, way, costs, _ in taken:
            by_cpu, by_wall = ratios(costs[name], [costs[BARE], costs[MEMORY]])
            figures.append(Figure(code, what, way, bar, by_cpu, face=face.name, by_wall=by_wall))
    return figures


def _against_peer(taken: list[Taken]) -> list[Figure]:
    figures = []
    for what, name, bar in (("one chunk an event", OFF, 6.0), ("server faster than client", ON, 25.0)):
        for face, way, costs, _ in taken:
            by_cpu, by_wall = ratios(costs[PEER], [costs[name]])
            what_of_it = f"times cheaper a token than {face.peer_name}, {what}"
            figures.append(Figure("P3", what_of_it, way, bar, by_cpu, face=face.name, at_least=True, by_wall=by_wall))
    return figures
