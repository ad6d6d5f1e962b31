"""A thousand streams at once in one event loop: how long they take, what they keep, and whether all arrive."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from remote_chatbots import AsyncBotClient, DifyApp, TextDelta
from tests.benchmarks import wire
from tests.benchmarks.apart import MEASURABLE, Growth, apart
from tests.benchmarks.contenders import KEY, QUESTION, BareAiohttp
from tests.benchmarks.crowd_server import CrowdServer
from tests.benchmarks.faces import FACES, Face
from tests.benchmarks.figure import Cost, Figure

STREAMS = 1000
INTERVAL_MS = 50
CORE, BARE = "AsyncBotClient", "bare aiohttp"
Pieces = Callable[[], AsyncIterator[str]]


class Crowd(NamedTuple):
    """What a thousand streams came to in one process.

    Attributes:
        cost: Of all of them.
        grown_bytes: How far the process' peak lies above what it took after a first few.
        lost: How many did not give the text that was sent.
    """

    cost: Cost
    grown_bytes: int
    lost: int


class ManyStreams(NamedTuple):
    """The figures, and what lies under them: what each contender used of the processor, and the server's lateness."""

    figures: list[Figure]
    crowds: dict[str, list[Crowd]]
    server_latest_s: float


def measure(rounds: int, events: int) -> ManyStreams:
    """Measure P4: each contender, in each round, in a process of its own.

    Nothing is set: the limit of connections is `max_connections`, and its default is 1,000 for each loop. An operating
    system may grant a process fewer open files (`ulimit -n`); here the soft limit is raised.
    """
    _may_open(3 * STREAMS)
    names = [BARE, CORE, *(face.name for face in FACES)]
    crowds: dict[str, list[Crowd]] = {name: [] for name in names}
    with CrowdServer() as server:
        url = server.url(events, INTERVAL_MS), server.url(2, 1)
        for turn in range(rounds):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                crowds[name].append(apart(_crowd, name, *url, events))
        latest_s = server.latest_s()
    return ManyStreams(_figures(crowds, events), crowds, latest_s)


def _figures(crowds: dict[str, list[Crowd]], events: int) -> list[Figure]:
    figures = []
    what = f"{STREAMS:,} streams at once, {events} events each at {INTERVAL_MS} ms"
    for name, found in crowds.items():
        if name == BARE:
            continue
        both = list(zip(found, crowds[BARE], strict=True))
        by_wall = [ours.cost.wall_s / bare.cost.wall_s for ours, bare in both]
        above = [(ours.grown_bytes - bare.grown_bytes) / STREAMS / 1024 for ours, bare in both]
        lost = [ours.lost for ours in found]
        figures += [
            Figure("P4", f"{what}: wall time against bare aiohttp", "async", 1.2, by_wall, face=name),
            Figure("P4", "the same: memory of a stream above bare aiohttp's", "async", 64, above, "KiB", name),
            Figure("P4", "the same: streams lost", "async", 0, lost, "", name),
        ]
    return figures


def _crowd(name: str, url: str, url_of_few: str, events: int) -> Crowd:
    return asyncio.run(_in_loop(name, url, url_of_few, events))


async def _in_loop(name: str, url: str, url_of_few: str, events: int) -> Crowd:
    async with AsyncExitStack() as stack:
        few, many = [await _pieces_of(name, at, stack) for at in (url_of_few, url)]
        await asyncio.gather(*(_text(few()) for _ in range(10)))  # imports, and whatever else there is once
        growth = Growth() if MEASURABLE else None
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        said = await asyncio.gather(*(_text(many()) for _ in range(STREAMS)), return_exceptions=True)
        cost = Cost(time.process_time() - cpu_s, time.perf_counter() - wall_s)
        grown_bytes = growth.bytes() if growth is not None else 0
    sent = "".join(wire.pieces(events))
    return Crowd(cost, grown_bytes, sum(text != sent for text in said))


async def _pieces_of(name: str, url: str, stack: AsyncExitStack) -> Pieces:
    """Return what asks once, and gives the text as it arrives."""
    if name == BARE:
        bare = BareAiohttp(url)
        stack.push_async_callback(bare.close)
        return lambda: _of_bare(bare)
    if name == CORE:
        client = await stack.enter_async_context(AsyncBotClient(DifyApp(api_key=KEY, base_url=url), user="anna"))
        return lambda: _of_core(client)
    face = next(face for face in FACES if face.name == name)
    model = face.ours(url)
    return lambda: _of_face(face, model)


async def _of_bare(bare: BareAiohttp) -> AsyncIterator[str]:
    async for events in bare.batches():
        for event in events:
            if event["event"] == "message":
                yield event["answer"]


async def _of_core(client: AsyncBotClient) -> AsyncIterator[str]:
    async for event in client.stream(QUESTION):
        if isinstance(event, TextDelta):
            yield event.text


async def _of_face(face: Face, model: Any) -> AsyncIterator[str]:
    async for chunk in face.astream(model):
        yield face.text_of(chunk)


async def _text(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


def _may_open(files: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < files:
        wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
