"""The command in a process of its own, for tests of signals, pipes and terminals."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from tests.forks import ROOT, Fork, Forks

# The fixture `chat`: some lines in; out comes what was answered, and what was told beside.
Chat = Callable[..., tuple[str, str]]
# By itself; and in a fork, which costs a quarter of it.
COMMAND = [sys.executable, "-W", "error", "-m", "remote_chatbots.cli"]
PROGRAM = """
import runpy, warnings
warnings.simplefilter("error")
runpy.run_module("remote_chatbots.cli", run_name="__main__", alter_sys=True)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


class Running(NamedTuple):
    """The command as it runs: what it writes can be read as it comes, its errors in the end."""

    process: Fork
    out: TextIO
    errors: Path


@contextmanager
def running(commands: Forks, errors: Path, *arguments: str) -> Iterator[Running]:
    """Run the command; it is gone when the test is over."""
    out, into = os.pipe()
    with os.fdopen(out, encoding="utf-8") as told, os.fdopen(into, "w") as stdout, errors.open("w+b") as stderr:
        process = commands.start(PROGRAM, *arguments, streams=(stderr, stdout, stderr), environment=environment())
        stdout.close()
        try:
            yield Running(process, told, errors)
        finally:
            process.kill()


def done(commands: Forks, *arguments: str, said: str = "") -> tuple[int, str, str]:
    """Run the command to its end, `said` being its standard input; return exit code, output and errors."""
    ended = commands.run(PROGRAM, *arguments, said=said.encode(), environment=environment())
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


def lines_until(ran: Running, words: str) -> Sequence[str]:
    """Return the lines of its output up to one that holds `words`."""
    lines = []
    for line in ran.out:
        lines.append(line.rstrip("\n"))
        if words in line:
            return lines
    raise AssertionError(f"no line with {words!r} in {lines}; {ran.errors.read_text()}")
