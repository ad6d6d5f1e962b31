"""What the emulator was asked, for tests to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_REDACTED = "[redacted]"


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it arrived.

    Attributes:
        method: In capitals.
        path: Without the query, for example `/v1/chat-messages`.
        query: The query's parameters; of repeated ones the first.
        app: The name of the app that the key belongs to, `None` if to none.
        headers: As sent; the value of Authorization is replaced.
        body: The parsed JSON, `None` if there is none.
    """

    method: str
    path: str
    query: Mapping[str, str]
    app: str | None
    headers: Mapping[str, str]
    body: Any


def redacted(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with the key taken out."""
    return {name: _REDACTED if name.lower() == "authorization" else value for name, value in headers.items()}
