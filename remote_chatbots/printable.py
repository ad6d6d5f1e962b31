"""Text of others, made fit for a terminal: what a terminal would obey is taken out, what a person reads stays."""

from __future__ import annotations

import re

# A sequence that begins with ESC, or with its one-character form: CSI, then those that run to a terminator (OSC, DCS,
# SOS, PM, APC), then the short ones. ECMA-48, 5.4 and 5.6; xterm ends an OSC with BEL as well. Of one that does not end
# within 2,048 characters only the beginning is taken out: else it would be a way to swallow an answer.
_CSI = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
_STRING = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]{0,2048}(?:\x07|\x1b\\|\x9c)"
_SHORT = r"\x1b(?:[ -/]+[0-~]|[0-OQ-WYZ\\`-~])"
_SEQUENCE = re.compile("|".join((_CSI, _STRING, _SHORT)))
_BEGUN = re.compile(r"(?:\x1b|[\x9b\x9d\x90\x98\x9e\x9f])[^\x07\x9c]{0,2049}\Z")
_LINE_END = re.compile(r"\r\n|[\x0b\x0c\x85\u2028\u2029]|\r(?!\Z)")
# Control characters but for tab and line feed, marks that turn the direction of writing, halves of characters. What
# joins emoji (U+200D, U+FE0F) is none of them.
_OBEYED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    """Return `text` without escape sequences, control characters and marks of direction; line ends are LF."""
    cleaner = Cleaner()
    return cleaner.feed(text) + cleaner.rest()


def on_a_line(text: str, most: int | None = None) -> str:
    """Return `text` as `printable` would, on one line; cut after `most` characters, if there are more."""
    line = " ".join(printable(text).split())
    return line if most is None or len(line) <= most else line[: most - 1].rstrip() + "…"


class Cleaner:
    """Makes text printable that comes in pieces: a sequence may be cut anywhere."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what can be shown by now."""
        text = _SEQUENCE.sub("", self._held + piece)
        begun = _BEGUN.search(text)
        at = begun.start() if begun else len(text) - text.endswith("\r")
        self._held = text[at:]
        return _cleaned(text[:at])

    def rest(self) -> str:
        """Return what was held back at the end: it was the beginning of nothing."""
        held, self._held = self._held, ""
        return _cleaned(held)


def _cleaned(text: str) -> str:
    return _OBEYED.sub("", _LINE_END.sub("\n", text).removesuffix("\r"))
