"""The figures as Markdown: a table to quote, and below it what lies under it and how it was taken."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version

from tests.benchmarks.arrival import Arrivals, percentiles
from tests.benchmarks.cost_per_event import BARE, MEMORY, OFF, ON, PEER, CostPerEvent
from tests.benchmarks.figure import Figure
from tests.benchmarks.many_streams import STREAMS, ManyStreams

LIBRARIES = (
    "langchain-core", "llama-index-core", "requests", "urllib3", "aiohttp", "orjson", "pydantic",
    "langchain-openai", "llama-index-llms-openai-like", "openai",
)  # fmt: skip
HOW = """\
Each ratio is taken within one run: in each round all contenders stream the same tokens from the same server process,
one after the other, beginning with another one each time. *Measured* is the median of the rounds, *spread* the lowest
and the highest; a row without a bar is told for the sake of the one before it. Costs are the time that the processor
worked for the client's process, user and system, of the cheaper of two runs (`figure.cost_of` says why two); ratios by
the wall clock stand beside them. The server sends recorded events of Dify 1.14, one in each HTTP chunk.

* **Floor** (P1, P2): the framework streaming the same pieces of text from memory, with the callbacks that it gives each
  of its own models, plus the bare HTTP library (requests, aiohttp) reading, splitting and parsing the same bytes. The
  server sends as fast as the client takes.
* **Peers** (P3): what the framework itself offers for a chat API with server-sent events: `ChatOpenAI`, `OpenAILike`.
* **Many streams** (P4): each contender in a process of its own, in one event loop, as a user would have it: nothing is
  set but the operating system's limit of open files. Each text is compared. Memory is the peak of the resident set
  above what it was after ten streams, less the same of bare aiohttp, by the stream.
* **Long histories** (P6): bytes as the server counts them, heads included. LangChain itself looks at each message
  several times; the cost is what lies above LangChain from memory behind the same history.
* **Growing answers** (P9): one chunk a token, its `delta` read.
* **Much text** (P10): each stream in a process of its own, its chunks read and let go of. Memory is the peak of the
  resident set above what it was after a short turn, less the answer's text, once. 100 MB of text are read without a
  framework, and counted by tracemalloc as well, which sees no holes that the C library leaves between pieces.
* **First token** (P8): turns of ours and of the bare library alternate; so do those of the framework from memory, which
  are told below. After each wait much of what a turn needs is no longer in the processor's caches.
* **Arrival**: the text of a token is the moment of its sending. *Joined* is the default, where pieces that arrived
  together make one chunk; the other columns have one chunk an event.
"""


def heading(rounds: int, events: int, load: float) -> str:
    """Return when, on what and with what the figures were taken."""
    busy = " **Something else ran beside it: do not trust the times.**" if load > 1 else ""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"# Speed, {date.today().isoformat()}\n\n"  # noqa: DTZ011  # the day as the reader's calendar has it
        f"Printed by `make bench`. Python {platform.python_version()} on {sys.platform}, {os.cpu_count()} cores, "
        f"load {load:.1f} when it began; {rounds} rounds, turns of {events:,} events. {versions}.{busy}\n"
    )


def table(figures: Sequence[Figure]) -> str:
    """Return the table to quote."""
    rows = [
        "| | Figure | Of | | Bar | Measured | Spread | By wall clock | Met |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for figure in figures:
        low, high = _number(figure, min(figure.values), ""), _number(figure, max(figure.values))
        spread = f"{low} to {high}" if len(figure.values) > 1 else ""
        by_wall = _number(figure, figure.median_by_wall) if figure.by_wall else ""
        bar, met = "", ""
        if figure.bar is not None:
            bar = f"{'≥' if figure.at_least else '≤'} {_number(figure, figure.bar)}"
            met = "yes" if figure.met else "**no**"
        rows.append(
            f"| {figure.code} | {figure.what} | {figure.face} | {figure.way} | {bar} "
            f"| {_number(figure, figure.median)} | {spread} | {by_wall} | {met} |"
        )
    return "\n".join(rows) + "\n"


def costs(found: CostPerEvent) -> str:
    """Return what one event cost each contender."""
    names = [f"{taken.face.name}, {taken.way}" for taken in found.taken]
    cells = {
        contender: [f"{taken.cpu_us(contender, found.events):.1f}" for taken in found.taken]
        for contender in (BARE, MEMORY, OFF, ON, PEER)
    }
    floor = [f"{taken.cpu_us(BARE, found.events) + taken.cpu_us(MEMORY, found.events):.1f}" for taken in found.taken]
    rows = [
        ("Processor time of one event, median, µs", names),
        ("---", ["---"] * len(names)),
        ("bare HTTP library", cells[BARE]),
        ("the framework from memory", cells[MEMORY]),
        ("*floor: the sum of these two*", floor),
        ("`ChatDify`, `Dify`, one chunk an event", cells[OFF]),
        ("`ChatDify`, `Dify`", cells[ON]),
        ("the framework's peer: `ChatOpenAI`, `OpenAILike`", cells[PEER]),
    ]
    chunks = ", ".join(f"{taken.chunks:,} ({name})" for taken, name in zip(found.taken, names, strict=True))
    return (
        _markdown(rows) + f"\nWith coalescing on, a turn of {found.events:,} events came as so many chunks: {chunks}.\n"
    )


def crowds(found: ManyStreams) -> str:
    """Return what lies under the figures of many streams."""
    rows = [(f"{STREAMS:,} streams at once, medians", ["wall, s", "processor, s", "memory above the first few, MiB"])]
    rows.append(("---", ["---"] * 3))
    for name, taken in found.crowds.items():
        cost = [statistics.median(getattr(crowd.cost, clock) for crowd in taken) for clock in ("wall_s", "cpu_s")]
        grown = statistics.median(crowd.grown_bytes for crowd in taken) / 1024**2
        rows.append((name, [*(f"{seconds:.2f}" for seconds in cost), f"{grown:.1f}"]))
    return _markdown(rows) + f"\nThe server was at most {found.server_latest_s * 1000:.0f} ms late with an event.\n"


def arrivals(found: Sequence[Arrivals]) -> str:
    """Return how long after its sending a token was in the caller's hands."""
    heads = ["median", "95 %", "99 %", "longest"]
    rows = [("A token's arrival after its sending, ms (`ChatDify`)", [*heads, *(f"{head}, joined" for head in heads)])]
    rows.append(("---", ["---"] * 8))
    for one in found:
        both = (*percentiles(one.apart_ms), *percentiles(one.joined_ms))
        rows.append((f"a token each {one.pace_ms} ms, {one.way}", [f"{late_ms:.2f}" for late_ms in both]))
    return _markdown(rows)


def _markdown(rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    return "".join(f"| {name} | {' | '.join(cells)} |\n" for name, cells in rows)


def _number(figure: Figure, value: float, unit: str | None = None) -> str:
    unit = figure.unit if unit is None else unit
    if not figure.unit:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}{' ' if unit not in ('', '×') else ''}{unit}"
