"""Single values of a server's JSON, read leniently: whatever is absent or odd becomes None or ""."""

from __future__ import annotations

import base64
import binascii
from decimal import Decimal, InvalidOperation
from typing import Any


def text(value: Any) -> str:
    """Return a string; "" if it is none."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """Return a number; None if it is none, or too large for one."""
    try:
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def whole(value: Any) -> int | None:
    """Return a whole number; None if it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def decimal(value: Any) -> Decimal | None:
    """Return a price, which servers write as text or as a number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() else None


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list; of a lone object, a list of it; an empty list if it is neither."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def texts(value: Any) -> list[str]:
    """Return the strings in a list; an empty list if it is none."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def mapping(value: Any) -> dict[str, Any]:
    """Return an object; an empty one if it is none."""
    return value if isinstance(value, dict) else {}


def octets(value: Any) -> bytes | None:
    """Return the bytes that a base64 text means; b"" for nothing, None for what is none."""
    try:
        return base64.b64decode(value or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        return None
