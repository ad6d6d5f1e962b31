"""Numbers that a person writes."""

from __future__ import annotations

_DIGITS = 20


def number_in(written: str) -> int:
    """Return the number that was written; 0 if it is none, or has more digits than any list's."""
    return int(written) if written.isdecimal() and len(written) <= _DIGITS else 0
