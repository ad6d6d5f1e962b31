"""How much a soak does: a minute and a half in all, or with SOAK=long what takes five."""

from __future__ import annotations

import os

_LONG = {"short": False, "long": True}[os.environ.get("SOAK", "short")]


def many(short: int, long: int) -> int:
    """Return how many there are, of whatever a soak has many of."""
    return long if _LONG else short
