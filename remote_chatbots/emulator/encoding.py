"""How Dify writes JSON: into streams, into bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

# An event without data (recorded: 1.14.2/chat-stream-ping-while-waiting).
PING = b"event: ping\n\n"


def compact_event(event: Mapping[str, Any]) -> bytes:
    """Write an event as compact JSON in raw UTF-8, as servers do since about 2025."""
    return b"data: " + orjson.dumps(event) + b"\n\n"


def spaced_event(event: Mapping[str, Any]) -> bytes:
    """Write an event as Python's `json` does by itself: spaces, and nothing but ASCII."""
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def compact_json(body: Mapping[str, Any]) -> bytes:
    """Write a body as Dify's newer framework does: compact, ASCII, `/` escaped, a line end after it."""
    return (json.dumps(body, separators=(",", ":")).replace("/", "\\/") + "\n").encode()


def spaced_json(body: Mapping[str, Any]) -> bytes:
    """Write a body as Dify's older framework does: spaces, ASCII, a line end after it."""
    return (json.dumps(body) + "\n").encode()
