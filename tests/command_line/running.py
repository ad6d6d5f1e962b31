"""The command in a process of its own, for tests of signals, pipes and terminals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The fixture `chat`: some lines in; out comes what was answered, and what was told beside.
Chat = Callable[..., tuple[str, str]]
COMMAND = [sys.executable, "-W", "error", "-m", "remote_chatbots.cli"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command; it is gone when the test is over."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def done(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command to its end, `said` being its standard input."""
    return subprocess.run(
        [*COMMAND, *arguments], input=said, capture_output=True, text=True, env=environment(), timeout=60, check=False
    )


def lines_until(process: subprocess.Popen[str], words: str) -> Sequence[str]:
    """Return the lines of its output up to one that holds `words`."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if words in line:
            return lines
    raise AssertionError(f"no line with {words!r} in {lines}; {process.stderr and process.stderr.read()}")
