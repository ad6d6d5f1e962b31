"""The figures as a picture: how much of its bar each takes, and what an event costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tests.benchmarks.cost_per_event import BARE, MEMORY, CostPerEvent
from tests.benchmarks.figure import Figure

MET, MISSED, PLAIN = "#3b7dba", "#c44e52", "#9aa5b1"


def draw(figures: Sequence[Figure], found: CostPerEvent, heading: str, path: Path) -> None:
    """Write the picture to `path`."""
    picture, (bars, costs) = plt.subplots(1, 2, figsize=(13, 7.5), gridspec_kw={"width_ratios": [3, 2]})
    _against_bars(bars, [figure for figure in figures if figure.bar])
    _costs(costs, found)
    picture.suptitle(heading, fontsize=10)
    picture.tight_layout()
    picture.savefig(path, dpi=80)
    plt.close(picture)


def _against_bars(axes: Axes, figures: Sequence[Figure]) -> None:
    names = ["\n".join(wrap(f"{figure.code} {figure.what} {figure.way}", 54)) for figure in figures]
    shares = [_shares(figure) for figure in figures]
    middles = [_share(figure, figure.median) for figure in figures]
    whiskers = [
        [m - min(s) for m, s in zip(middles, shares, strict=True)],
        [max(s) - m for m, s in zip(middles, shares, strict=True)],
    ]
    axes.barh(names, middles, color=[MET if figure.met else MISSED for figure in figures])
    axes.errorbar(middles, names, xerr=whiskers, fmt="none", ecolor="#333333", capsize=2, linewidth=1)
    axes.axvline(1.0, color="#333333", linestyle="--", linewidth=1)
    axes.set_xlabel("share of the bar (left of the line: met); median, lowest and highest")
    axes.set_xlim(left=0)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)


def _costs(axes: Axes, found: CostPerEvent) -> None:
    for place, (way, us) in enumerate(found.cpu_us.items()):
        others = [name for name in us if name not in (BARE, MEMORY)]
        places = [at + (place - 0.5) * 0.4 for at in range(len(others) + 1)]
        axes.barh(places[0], us[MEMORY], 0.38, color=PLAIN)
        axes.barh(places[0], us[BARE], 0.38, left=us[MEMORY], color="#6b7785")
        axes.barh(places[1:], [us[name] for name in others], 0.38, color=MET)
        for at, value in zip(places, [us[MEMORY] + us[BARE], *(us[name] for name in others)], strict=True):
            axes.text(value, at, f" {value:.1f} {way}", va="center", fontsize=7)
        axes.set_yticks(range(len(others) + 1), ["floor", *others], fontsize=8)
    axes.set_xlabel("processor time of one event, µs")
    axes.set_xlim(right=1.25 * max(max(us.values()) for us in found.cpu_us.values()))
    axes.invert_yaxis()


def _share(figure: Figure, value: float) -> float:
    if figure.at_least:
        return figure.bar / value
    return max(value, 0.0) / figure.bar


def _shares(figure: Figure) -> list[float]:
    return [_share(figure, value) for value in figure.values]
