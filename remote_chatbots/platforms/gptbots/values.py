"""GPTBots' JSON objects as values of ours: usage, sources, steps. Whatever is absent or odd becomes None or "".

Sources: GPTBots API reference, "Send message", "Send message v2" and "Get correlated dataset"; the agent skills for
what tools did.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from remote_chatbots.events import Source, Step, Usage
from remote_chatbots.framing import parse_json
from remote_chatbots.reading import decimal, mapping, text, whole

CREDITS = "credits"
_MILLISECONDS_FROM = 100_000_000_000
_MOST_DIGITS = 18  # of a whole number that is one, and no text


def seconds(value: Any) -> int | None:
    """Return a time as Unix seconds; the platform writes seconds in some places and milliseconds in others."""
    time = count(value)
    return time // 1000 if time is not None and time > _MILLISECONDS_FROM else time


def count(value: Any) -> int | None:
    """Return a whole number, which some examples write as text; None if it is none."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= _MOST_DIGITS:
        return int(value)
    return whole(value)


def usage_of(told: Mapping[str, Any]) -> Usage:
    """Return what a Cost frame says (tokens alone), or the `usage` of a whole answer (tokens and credits)."""
    tokens = mapping(told.get("tokens")) or told
    total = mapping(told.get("credits")).get("total_credits")
    price: Decimal | None = decimal(total)
    return Usage(
        prompt_tokens=count(tokens.get("prompt_tokens")) or 0,
        completion_tokens=count(tokens.get("completion_tokens")) or 0,
        total_tokens=count(tokens.get("total_tokens")) or 0,
        total_price=price,
        currency="" if price is None else CREDITS,
        raw=told,
    )


def source_of(told: Mapping[str, Any]) -> Source:
    """Return what a citation says, in any of the spellings that the platform has for it.

    A blocking answer writes flat and in snake_case; a stream in camelCase, and inside a `citation` (frame 20) or not
    (frame 83); the separate request has `data_name` and `source_url`.
    """
    told = mapping(told.get("citation")) or told
    score = decimal(told.get("score"))
    return Source(
        content=text(told.get("content")),
        title=_first(told, "name", "dataName", "data_name", "document_name")
        or text(mapping(told.get("attachment")).get("name")),
        document_id=_first(told, "dataId", "data_id"),
        segment_id=_first(told, "segmentId", "segment_id"),
        score=None if score is None else float(score),
        position=count(told.get("index")),
        raw=told,
    )


def tool_step(code: int, told: Any, id_: str) -> Step:
    """Return a tool's call (frame 5) or its outcome (frame 6), whose shapes are documented nowhere.

    Args:
        code: The frame's code.
        told: The frame's data.
        id_: The step's id.
    """
    said = mapping(told)
    outcome = next((text(said.get(key)) for key in ("result", "output", "text", "content") if said.get(key)), "")
    outcome = told if isinstance(told, str) else outcome
    failed = outcome.startswith("[TOOL_ERROR]")
    status = "running" if code == TOOL_CALL else "failed" if failed else "succeeded"
    return Step(
        id=id_,
        kind="tool",
        name=_first(said, "name", "tool_name", "toolName", "function_name", "functionName"),
        status=status,
        input=_arguments(said) if code == TOOL_CALL else None,
        output=None if code == TOOL_CALL else outcome,
        error=outcome.removeprefix("[TOOL_ERROR]").strip() if failed else "",
        raw={"code": code, "data": told},
    )


def _arguments(said: Mapping[str, Any]) -> Any:
    """Return a call's arguments: an object, or JSON as text, under one of the names that others use for them."""
    told = next((said[key] for key in ("arguments", "args", "input", "parameters") if said.get(key)), None)
    if not isinstance(told, str):
        return told
    try:
        return parse_json(told.encode(errors="surrogatepass"))
    except ValueError:
        return told


def step_id(told: Any) -> str:
    """Return the id that a tool frame gives its call; "" if it gives none."""
    return _first(mapping(told), "id", "tool_call_id", "toolCallId", "call_id", "callId")


TOOL_CALL, TOOL_OUTCOME = 5, 6


def _first(told: Mapping[str, Any], *keys: str) -> str:
    return next((value for key in keys if (value := text(told.get(key)))), "")
