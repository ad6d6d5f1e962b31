"""Where a chat is shown and read: a terminal, or a pipe that takes plain text and gives it."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import Literal, Protocol, TextIO

from remote_chatbots.cli.ends import Unusable

Look = Literal["plain", "dim", "strong", "wrong"]
_BETWEEN_TOLD_S = 5.0


class Screen(Protocol):
    """Shows text, which is printable already, and reads lines.

    Attributes:
        interactive: Whether a person is there to be asked things.
    """

    interactive: bool

    def write(self, text: str, look: Look = "plain") -> None:
        """Show more of what was asked for: answers, sources, histories."""

    def note(self, text: str, look: Look = "dim") -> None:
        """Show more of what stands beside it: steps, thoughts, follow-ups, errors."""

    def progress(self, text: str) -> None:
        """Show how far a long work is, in the place of what it was before; the next text takes its place."""

    def fit(self, text: str) -> str:
        """Return a line's text, cut where the line ends."""

    def read(self) -> str | None:
        """Return the next line that the person writes; None at the end."""

    def ask(self, what: str) -> str | None:
        """Return what the person answers; None if nothing is to be had."""


class PlainScreen:
    """Plain text: what was asked for goes to standard output, what stands beside it to standard error."""

    interactive = False

    def __init__(self, lines: TextIO, out: TextIO, beside: TextIO) -> None:
        self._lines = lines
        self._out = out
        self._beside = beside
        self._told_at = time.monotonic()

    def write(self, text: str, look: Look = "plain") -> None:  # noqa: ARG002  # plain text has no looks
        """Show it at once."""
        self._out.write(text)
        self._out.flush()

    def note(self, text: str, look: Look = "dim") -> None:  # noqa: ARG002
        """Show it at once."""
        self._beside.write(text)
        self._beside.flush()

    def progress(self, text: str) -> None:
        """Show it as a line of its own, where some time has gone by since the last."""
        if time.monotonic() - self._told_at >= _BETWEEN_TOLD_S:
            self._told_at = time.monotonic()
            self.note(f"{text}\n")

    def fit(self, text: str) -> str:
        """Return all of it: there is no line that ends."""
        return text

    def read(self) -> str | None:
        """Return the next line of standard input."""
        line = self._lines.readline()
        return line.rstrip("\r\n") if line else None

    def ask(self, what: str) -> str | None:
        """Return the next line of standard input."""
        self.note(what)
        line = self.read()
        self.note("\n")
        return line


def screen_here(commands: list[str]) -> Screen:
    """Return the terminal, if there is one on both sides; else plain text.

    Args:
        commands: What the terminal completes behind a slash.

    Raises:
        Unusable: If there is a terminal, and the extra that knows how to use it is not installed.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return PlainScreen(sys.stdin, sys.stdout, sys.stderr)
    try:
        terminal = import_module("remote_chatbots.cli.terminal")
    except ModuleNotFoundError as error:
        if error.name != "prompt_toolkit":
            raise
        raise Unusable(
            "It needs prompt-toolkit, which is not installed. Install it: pip install 'remote-chatbots[cli]'"
        ) from None
    screen: Screen = terminal.Terminal(commands)
    return screen
