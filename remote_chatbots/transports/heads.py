"""Whether a response's head can be believed: one rule for both drivers, whose libraries are not equally strict."""

from __future__ import annotations

from collections.abc import Mapping


def is_sound(headers: Mapping[str, str]) -> bool:
    """Return whether a head tells in one way, and in one only, where its body ends (RFC 9112, 6.3).

    Args:
        headers: Names in lower case, and values.
    """
    coding = headers.get("transfer-encoding", "identity").strip().lower()
    length = headers.get("content-length")
    if length is None:
        return coding in ("chunked", "identity")
    return coding == "identity" and length.isascii() and length.isdigit()
