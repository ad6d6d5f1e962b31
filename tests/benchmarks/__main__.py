"""Measures what the README says of speed: `make bench`. No test: nothing here fails because a machine is slow."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print, and write the results."""
    given = _arguments()
    _alone_with_the_server()
    # After that: the libraries look at some of these variables when they are imported.
    from tests.benchmarks import (
        arrival,
        connections,
        cost_per_event,
        growing_answer,
        import_time,
        latency,
        long_history,
        many_streams,
        much_text,
        report,
    )

    quick, rounds = given.quick, given.rounds
    heading = report.heading(rounds, given.events, os.getloadavg()[0])
    _say("cost of an event …")
    cost = cost_per_event.measure(given.events, rounds)
    _say("growing answers, long histories …")
    lengths = [*growing_answer.measure(2 if quick else 5), *long_history.measure(rounds)]
    _say("waiting …")
    waits = latency.measure(rounds, turns=20 if quick else 50)
    arrivals = arrival.measure(1 if quick else 3)
    _say("a thousand streams at once …")
    crowds = many_streams.measure(1 if quick else 3, events=40 if quick else 100)
    _say("imports …")
    imports = import_time.measure(rounds)
    _say("connections, and much text beside them (two minutes, unless quick) …")
    with ThreadPoolExecutor() as pool:  # neither takes any time
        opened = pool.submit(connections.measure, 50 if quick else 1000)
        kept = pool.submit(much_text.measure, 1 if quick else 3)
        counted = [*opened.result(), *kept.result()]
    figures = [*cost.figures, *lengths, *waits, *crowds.figures, *imports, *counted]
    figures.sort(key=lambda figure: int(figure.code[1:]))
    parts = [report.costs(cost), report.crowds(crowds), report.arrivals(arrivals), report.HOW]
    text = "\n".join([heading, report.table(figures), *parts])
    print(text)
    if given.results is None:
        _say("quick: nothing written")
        return
    from tests.benchmarks import plot

    given.results.mkdir(exist_ok=True)
    (given.results / "latest.md").write_text(text, encoding="utf-8")
    plot.draw(figures, cost, arrivals, heading.split("\n")[0].removeprefix("# "), given.results / "latest.png")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds and turns; nothing is written")
    parser.add_argument("--rounds", type=int, help="default 15; quick: 3")
    parser.add_argument("--events", type=int, help="of a long turn; default 5000; quick: 2000")
    parser.add_argument("--results", type=Path, help="where to write; default tests/benchmarks/results; quick: nowhere")
    given = parser.parse_args()
    given.rounds = given.rounds or (3 if given.quick else 15)
    given.events = given.events or (2000 if given.quick else 5000)
    given.results = given.results or (None if given.quick else RESULTS)
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
