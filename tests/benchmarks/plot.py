"""The figures as a picture: how much of its bar each takes, what an event costs, and when tokens arrive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from tests.benchmarks.arrival import Arrivals
from tests.benchmarks.cost_per_event import BARE, MEMORY, OFF, ON, PEER, CostPerEvent
from tests.benchmarks.figure import Figure

SYNC, ASYNC, MISSED = "#2f6399", "#7fb2dd", "#c44e52"
MOST = 2.0  # shares of a bar that are shown; what is more is written


def draw(
    figures: Sequence[Figure], costs: CostPerEvent, arrivals: Sequence[Arrivals], heading: str, path: Path
) -> None:
    """Write the picture to `path`."""
    picture = plt.figure(figsize=(15, 13))
    grid = picture.add_gridspec(3, 2, width_ratios=[3, 2], height_ratios=[2, 2, 2])
    _against_bars(picture.add_subplot(grid[:, 0]), [figure for figure in figures if figure.bar])
    _costs(picture.add_subplot(grid[0, 1]), costs)
    for at, way in enumerate(("sync", "async")):
        _arrivals(picture.add_subplot(grid[at + 1, 1]), [one for one in arrivals if one.way == way], way)
    picture.suptitle(heading, fontsize=11)
    picture.tight_layout(rect=(0, 0, 1, 0.99))
    picture.savefig(path, dpi=80)
    plt.close(picture)


def _against_bars(axes: Axes, figures: Sequence[Figure]) -> None:
    """Draw a line for each figure, with one bar for sync and one for async."""
    lines: dict[str, list[Figure]] = {}
    for figure in figures:
        name = f"{figure.code} {figure.what}{f' ({figure.face})' if figure.face else ''}".replace("`", "")
        lines.setdefault(name, []).append(figure)
    for at, of_line in enumerate(lines.values()):
        for figure in of_line:
            alone = len(of_line) == 1
            place = at + (0 if alone else -0.2 if figure.way == "sync" else 0.2)
            _share_of_bar(axes, figure, place, 0.7 if alone else 0.38)
    axes.axvline(1.0, color="#333333", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(lines)), ["\n".join(wrap(name, 62)) for name in lines], fontsize=7.5)
    axes.set_xlabel("share of the bar (left of the line: met); median, lowest and highest")
    axes.set_xlim(0, MOST)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    kinds = [("sync", SYNC), ("async", ASYNC), ("not met", MISSED)]
    axes.legend(handles=[Patch(color=color, label=label) for label, color in kinds], loc="lower right", fontsize=8)


def _share_of_bar(axes: Axes, figure: Figure, place: float, height: float) -> None:
    middle = _share(figure, figure.median)
    shares = [min(max(_share(figure, value), 0), MOST) for value in figure.values]
    color = MISSED if not figure.met else ASYNC if figure.way == "async" else SYNC
    axes.barh(place, max(middle, 0), height, color=color)
    axes.plot([min(shares), max(shares)], [place, place], color="#333333", linewidth=1)
    if middle > MOST:
        axes.text(MOST * 0.99, place, f"{middle:.1f}", ha="right", va="center", fontsize=7, color="white")


def _share(figure: Figure, value: float) -> float:
    assert figure.bar is not None
    return figure.bar / value if figure.at_least else value / figure.bar


def _costs(axes: Axes, found: CostPerEvent) -> None:
    """Draw what an event costs, on a scale on which the peer does not dwarf all others."""
    names = {face.name: face for face in (taken.face for taken in found.taken)}
    labels = [
        label
        for face in names.values()
        for label in ("floor", f"{face.ours_name}, one chunk an event", face.ours_name, face.peer_name)
    ]
    for taken in found.taken:
        first = 4 * list(names).index(taken.face.name)
        us = {contender: taken.cpu_us(contender, found.events) for contender in (BARE, MEMORY, OFF, ON, PEER)}
        for at, value in enumerate((us[BARE] + us[MEMORY], us[OFF], us[ON], us[PEER])):
            place = first + at + (-0.2 if taken.way == "sync" else 0.2)
            axes.barh(place, value, 0.38, color=SYNC if taken.way == "sync" else ASYNC)
            axes.text(value, place, f" {value:.1f}", va="center", fontsize=7)
    axes.axhline(3.5, color="#333333", linewidth=0.5)
    axes.set_xscale("log")
    axes.set_xlim(1, 4 * max(taken.cpu_us(PEER, found.events) for taken in found.taken))
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_title(f"processor time of one event, µs: {', '.join(names)}", fontsize=9)
    axes.invert_yaxis()


def _arrivals(axes: Axes, found: Sequence[Arrivals], way: str) -> None:
    """Draw what part of all tokens had arrived how long after its sending: joined and apart, one on the other."""
    for one, color in zip(found, (SYNC, "#d98e04"), strict=True):
        for late_ms, style, said in ((one.apart_ms, "-", "one chunk an event"), (one.joined_ms, ":", "joined")):
            ordered = sorted(late_ms)
            shares = [(at + 1) / len(ordered) * 100 for at in range(len(ordered))]
            width = 1.2 if style == "-" else 2.6
            axes.plot(ordered, shares, style, color=color, linewidth=width, label=f"each {one.pace_ms} ms, {said}")
    axes.set_xscale("log")
    axes.set_xlim(0.1, 20)
    axes.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
    axes.minorticks_off()
    axes.set_ylabel("% of the tokens", fontsize=8)
    axes.set_xlabel("ms after it was sent", fontsize=8)
    axes.set_title(f"a token's arrival, {way}", fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="lower right")
