"""How many connections a thousand turns in a row open, and whether any is left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.benchmarks.contenders import QUESTION, adrain, drain
from tests.benchmarks.faces import chat_dify
from tests.benchmarks.figure import Figure
from tests.benchmarks.server import Counts, Server

NOTICED_S = 0.5  # for the server to see the last close


def measure(turns: int) -> list[Figure]:
    """Measure P5.

    The held-open turns run beside each other, sync and async, each against a server of its own: each turn waits
    `end_grace_s` (0.1 s) for the end of the body, as users have it, and only counts are taken.
    """
    with ThreadPoolExecutor() as pool:
        found = {
            (reply, way): pool.submit(_counted, reply, run, turns)
            for reply in ("short", "held")
            for way, run in (("sync", _sync), ("async", _async))
        }
    counts = {which: counted.result() for which, counted in found.items()}
    ended = [
        Figure("P5", f"connections opened by {turns:,} turns, body ends", way, 1, [counts["short", way].opened], "")
        for way in ("sync", "async")
    ]
    held = [
        figure
        for way in ("sync", "async")
        for figure in (
            Figure("P5", "the same, body held open 1 s: opened", way, turns, [counts["held", way].opened], ""),
            Figure("P5", "the same, body held open 1 s: left open", way, 0, [counts["held", way].open_now], ""),
        )
    ]
    return [*ended, *held]


def _counted(reply: str, run: Callable[[str, int, Server], Counts], turns: int) -> Counts:
    with Server() as server:
        return run(reply, turns, server)


def _sync(reply: str, turns: int, server: Server) -> Counts:
    model = chat_dify(server.url(reply))
    for _ in range(turns):
        drain(model.stream(QUESTION))
    return _settled(server)


def _async(reply: str, turns: int, server: Server) -> Counts:
    async def all_turns() -> Counts:
        model = chat_dify(server.url(reply))
        for _ in range(turns):
            await adrain(model.astream(QUESTION))
        # Inside the loop: its end would close whatever is open.
        return await asyncio.to_thread(_settled, server)

    return asyncio.run(all_turns())


def _settled(server: Server) -> Counts:
    until = time.monotonic() + NOTICED_S
    while (counts := server.counts()).open_now and time.monotonic() < until:
        time.sleep(0.01)
    return counts
