"""Lines that end between words, of text that comes in pieces."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Callable
from typing import TextIO

# A word with the spaces before it, or a line end.
_PARTS = re.compile(r"\n| *[^ \n]+| +")
# What is written with spaces between words; of the rest (Chinese, emoji) every character can begin a line.
_SPACED = re.compile(r"[!-\u2dff]")
_WIDE = "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\U0001f300-\U0003fffd"
# Spaces; a wide character, with the punctuation that no line begins with; a word.
_PIECES = re.compile(f" +|[{_WIDE}][，。、；：！？）》」』]*|[^ {_WIDE}]+")


def cells(text: str) -> int:
    """Return how many columns a text takes, as far as that can be known: wide characters take two."""
    return sum(0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF") for one in text)


def filled(words: str, columns: int, first: str, hanging: str) -> list[str]:
    """Return words as lines that end between words, or between wide characters; a longer word stays in one piece.

    Args:
        words: On one line.
        columns: How many a line takes.
        first: What the first line begins with.
        hanging: What the others begin with.
    """
    lines, line, empty = [], first, True
    for piece in _PIECES.findall(words):
        if not empty and not piece.isspace() and cells(line + piece) > columns:
            lines.append(line.rstrip())
            line, empty = hanging, True
        if not (empty and piece.isspace()):
            line, empty = line + piece, False
    return [*lines, line.rstrip()]


class Wrapper:
    """Puts line ends in the place of spaces, so that no word is torn at the end of a line.

    What has no spaces (Chinese, a long address) is left to the terminal, which breaks it anywhere.

    Args:
        width_of: How many columns a text takes.
    """

    def __init__(self, width_of: Callable[[str], int]) -> None:
        self._width_of = width_of
        self._held = ""
        self._column = 0

    def feed(self, text: str, columns: int) -> str:
        """Return what can be shown by now: all but the last word, which may go on."""
        parts: list[str] = _PARTS.findall(self._held + text)
        self._held = parts.pop() if parts and (parts[-1].isspace() or _SPACED.match(parts[-1][-1])) else ""
        if self._held == "\n":
            parts.append("\n")
            self._held = ""
        return "".join(self._laid(part, columns) for part in parts)

    def rest(self, columns: int) -> str:
        """Return what was held back."""
        held, self._held = self._held, ""
        return self._laid(held, columns)

    def _laid(self, part: str, columns: int) -> str:
        if part == "\n":
            self._column = 0
            return part
        word = part.lstrip(" ")
        width, begun = self._width_of(word), self._column + len(part) - len(word)
        if word != part and word and begun + width > columns >= width and _SPACED.match(word):
            self._column = width
            return f"\n{word}"
        self._column = begun + width
        while self._column > columns:
            self._column -= columns
        return part


class Wrapped:
    """Writes to a stream; to a terminal in lines that end between words, elsewhere as it comes.

    Args:
        stream: Where to. What is written last ends its line, or `close_line` does.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._wrapper = Wrapper(cells)
        self._columns = shutil.get_terminal_size().columns if stream.isatty() else 0
        self._at_line_start = True

    def write(self, text: str) -> None:
        """Show it at once, but for the last word, which may go on."""
        if text:
            self._at_line_start = text.endswith("\n")
            self._stream.write(self._wrapper.feed(text, self._columns) if self._columns else text)
            self._stream.flush()

    def close_line(self) -> None:
        """End the line, if it has begun."""
        if not self._at_line_start:
            self.write("\n")
