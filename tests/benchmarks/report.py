"""The figures as Markdown: a table to quote, and below it what lies under it and how it was taken."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version

from tests.benchmarks.cost_per_event import BARE, MEMORY, CostPerEvent
from tests.benchmarks.figure import Figure

LIBRARIES = ("langchain-core", "requests", "urllib3", "aiohttp", "orjson", "pydantic", "langchain-openai", "openai")
HOW = """\
Each ratio is taken within one run: in each round all contenders stream the same tokens from the same server process,
one after the other, beginning with another one each time. *Measured* is the median of the rounds, *spread* the lowest
and the highest. Costs are the time that the processor worked for the client's process, user and system, of the cheaper
of two runs (`figure.cost_of` says why two); ratios by the wall clock stand beside them. The floor of a cost is
LangChain streaming the same pieces of text from memory, plus the bare HTTP library (requests, aiohttp) reading,
splitting and parsing the same bytes. The server sends recorded events of Dify 1.14, one in each HTTP chunk, as fast as
the client takes them.
"""


def heading(rounds: int, events: int, load: float) -> str:
    """Return when, on what and with what the figures were taken."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"# Speed, {date.today().isoformat()}\n\n"  # noqa: DTZ011  # the day as the reader's calendar has it
        f"Printed by `make bench`. Python {platform.python_version()} on {sys.platform}, {os.cpu_count()} cores, "
        f"load {load:.1f} when it began; {rounds} rounds, turns of {events:,} events. {versions}.\n"
    )


def table(figures: Sequence[Figure]) -> str:
    """Return the table to quote."""
    rows = ["| | Figure | | Bar | Measured | Spread | By wall clock | Met |", "|---|---|---|---|---|---|---|---|"]
    for figure in figures:
        bar = f"≥ {_number(figure, figure.bar)}" if figure.at_least else f"≤ {_number(figure, figure.bar)}"
        low, high = _number(figure, min(figure.values), ""), _number(figure, max(figure.values))
        spread = f"{low} to {high}" if len(figure.values) > 1 else ""
        by_wall = _number(figure, figure.median_by_wall) if figure.by_wall else ""
        met = "yes" if figure.met else "**no**"
        rows.append(
            f"| {figure.code} | {figure.what} | {figure.way} | {bar} | {_number(figure, figure.median)} | {spread} "
            f"| {by_wall} | {met} |"
        )
    return "\n".join(rows) + "\n"


def costs(found: CostPerEvent) -> str:
    """Return what one event cost each contender."""
    rows = ["| Processor time of one event, median, µs | sync | async |", "|---|---|---|"]
    names = list(found.cpu_us["sync"])
    rows += [
        f"| {name} | {' | '.join(f'{found.cpu_us[way][name]:.1f}' for way in ('sync', 'async'))} |" for name in names
    ]
    floor = {way: us[BARE] + us[MEMORY] for way, us in found.cpu_us.items()}
    rows.insert(4, f"| *floor: the sum of these two* | {floor['sync']:.1f} | {floor['async']:.1f} |")
    chunks = (
        f"With coalescing on, a turn of {found.events:,} events came as {found.chunks['sync']:,} chunks (sync) and "
        f"{found.chunks['async']:,} (async)."
    )
    return "\n".join(rows) + f"\n\n{chunks}\n"


def _number(figure: Figure, value: float, unit: str | None = None) -> str:
    unit = figure.unit if unit is None else unit
    if not figure.unit:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}{' ' if unit == 'ms' else ''}{unit}"
