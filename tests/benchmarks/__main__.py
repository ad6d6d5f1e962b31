"""Measures what the README says of speed: `make bench`. No test: nothing here fails because a machine is slow."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print, and write the results."""
    given = _arguments()
    _alone_with_the_server()
    # After that: the libraries look at some of these variables when they are imported.
    from tests.benchmarks import connections, cost_per_event, import_time, latency, report

    load = os.getloadavg()[0]
    heading = report.heading(given.rounds, given.events, load)
    _say("cost of an event …")
    cost = cost_per_event.measure(given.events, given.rounds)
    _say("waiting …")
    waits = latency.measure(given.rounds, turns=20 if given.quick else 50)
    _say("imports …")
    imports = import_time.measure(given.rounds)
    _say("connections (two minutes, unless quick) …")
    opened = connections.measure(50 if given.quick else 1000)
    figures = sorted([*cost.figures, *waits, *imports, *opened], key=lambda figure: int(figure.code[1:]))
    text = "\n".join([heading, report.table(figures), report.costs(cost), report.HOW])
    print(text)
    if given.quick:
        _say("quick: nothing written")
        return
    from tests.benchmarks import plot

    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.md").write_text(text, encoding="utf-8")
    plot.draw(figures, cost, heading.split("\n")[0].removeprefix("# "), RESULTS / "latest.png")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds and turns; print, write nothing")
    parser.add_argument("--rounds", type=int, help="default 15; quick: 3")
    parser.add_argument("--events", type=int, default=5000, help="events of a long turn")
    given = parser.parse_args()
    given.rounds = given.rounds or (3 if given.quick else 15)
    return given


def _alone_with_the_server() -> None:
    """Let nothing that is set for other programs lead a request elsewhere, or send traces of it."""
    for name in list(os.environ):
        if name.upper().startswith(("DIFY_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")) or name.lower().endswith("_proxy"):
            del os.environ[name]


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
