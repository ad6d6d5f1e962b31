"""The command in a real pseudo-terminal, and what stands on its screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable, Iterator, Mapping

import pyte

from tests.command_line.running import PROGRAM, environment
from tests.forks import Fork, Forks

_PATIENCE_S = 30.0
CTRL_C, CTRL_D, ENTER = "\x03", "\x04", "\r"


class Seen:
    """A terminal: what is typed into it, what stands on it, and every byte that reached it."""

    def __init__(self, child: Fork, master: int, columns: int, rows: int) -> None:
        self.bytes = b""
        self._child = child
        self._master = master
        self._screen = pyte.HistoryScreen(columns, rows, history=5000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def lines(self) -> list[str]:
        """All lines, those that left the screen at its top as well."""
        above = ["".join(row[at].data for at in range(self._screen.columns)) for row in self._screen.history.top]
        return [line.rstrip() for line in (*above, *self._screen.display)]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def style_of(self, words: str) -> pyte.screens.Char:
        """Return how the words look that stand on the screen now."""
        for row, line in enumerate(self._screen.display):
            if (at := line.find(words)) >= 0:
                return self._screen.buffer[row][at]
        raise AssertionError(f"{words!r} is not on the screen:\n{self.text}")

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def say(self, line: str) -> None:
        """Type a line, and wait until a new one can be written."""
        before = self._prompts
        self.type(line + ENTER)
        self.until(lambda: self._prompts > before and self.at_prompt)

    @property
    def at_prompt(self) -> bool:
        """Whether a new line can be written."""
        return self._prompts > 0 and self._screen.display[self._screen.cursor.y].rstrip() == "›"

    @property
    def _prompts(self) -> int:
        """How many lines could be written so far: each begins with a request to mark what is pasted."""
        return self.bytes.count(b"\x1b[?2004h")

    def until(self, holds: Callable[[], bool]) -> None:
        """Read on until something holds."""
        over = time.monotonic() + _PATIENCE_S
        while not holds():
            before = len(self.bytes)
            while len(self.bytes) == before:
                assert time.monotonic() < over, f"in vain:\n{self.text}"
                assert self._read(), f"it has ended:\n{self.text}"

    def until_seen(self, words: str) -> None:
        self.until(lambda: words in self.text)

    def end(self) -> int:
        """Return the exit code, once the program has ended."""
        over = time.monotonic() + _PATIENCE_S
        while self._read():
            assert time.monotonic() < over, f"it does not end:\n{self.text}"
        return self._child.wait(_PATIENCE_S)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 0.05)[0]:
            return True
        data = b""
        with contextlib.suppress(OSError):  # so Linux tells that the other side is gone
            data = os.read(self._master, 65536)
        if not data:
            return False
        self.bytes += data
        self._stream.feed(data)
        # Programs ask a terminal where its cursor is, and wait for the answer.
        if b"\x1b[6n" in data:
            self.type(f"\x1b[{self._screen.cursor.y + 1};{self._screen.cursor.x + 1}R")
        return True


@contextlib.contextmanager
def terminal(
    commands: Forks, *arguments: str, columns: int = 80, rows: int = 40, more: Mapping[str, str] | None = None
) -> Iterator[Seen]:
    """Run the command in a terminal of its own, `more` in its environment; it is gone when the test is over."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    settings = {**environment(), "TERM": "xterm-256color", "COLUMNS": "", "NO_COLOR": "", **(more or {})}
    with os.fdopen(slave, "r+b", buffering=0) as side:
        child = commands.start(PROGRAM, *arguments, streams=(side, side, side), environment=settings)
    try:
        yield Seen(child, master, columns, rows)
    finally:
        child.kill()
        os.close(master)
