"""Dify's JSON objects as values of ours: usage, sources, steps. Whatever is absent or odd becomes None or ""."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remote_chatbots.events import Source, Step, Usage
from remote_chatbots.reading import decimal, number, text, whole

# Recorded: 1.14.2/agent-stream-1-one-tool, chatflow-stream-iteration, chatflow-stream-parallel, human-5-events.
_STEP_KINDS = {
    "agent_thought": "thought",
    "agent_log": "log",
    "node": "node",
    "iteration": "iteration",
    "loop": "loop",
    "parallel_branch": "branch",
    "human_input_form": "form",
}


def usage_of(told: Mapping[str, Any]) -> Usage:
    """Return what a `metadata.usage` object says. Prices are decimal strings there, and decimals here."""
    return Usage(
        prompt_tokens=whole(told.get("prompt_tokens")) or 0,
        completion_tokens=whole(told.get("completion_tokens")) or 0,
        total_tokens=whole(told.get("total_tokens")) or 0,
        total_price=decimal(told.get("total_price")),
        currency=text(told.get("currency")),
        latency_s=number(told.get("latency")),
        time_to_first_token_s=number(told.get("time_to_first_token")),
        raw=told,
    )


def source_of(told: Mapping[str, Any]) -> Source:
    """Return what an item of `retriever_resources` says."""
    return Source(
        content=text(told.get("content")),
        title=text(told.get("document_name")) or text(told.get("title")),
        document_id=text(told.get("document_id")),
        segment_id=text(told.get("segment_id")),
        dataset_id=text(told.get("dataset_id")),
        score=number(told.get("score")),
        position=whole(told.get("position")),
        raw=told,
    )


def step_of(name: str, event: Mapping[str, Any]) -> Step:
    """Return what an event about a step says.

    Args:
        name: The event's name, e.g. "node_finished".
        event: The whole event.
    """
    if name == "agent_thought":
        done = bool(event.get("observation")) or (bool(event.get("thought")) and not event.get("tool"))
        return Step(
            id=text(event.get("id")),
            kind="thought",
            name=text(event.get("tool")),
            status="succeeded" if done else "running",
            raw=event,
        )
    data = event.get("data")
    data = data if isinstance(data, Mapping) else {}
    kind, _, stage = (name, "", "") if name == "agent_log" else name.rpartition("_")
    return Step(
        id=text(data.get("id") or data.get("parallel_branch_id") or data.get("node_id") or data.get("form_id")),
        kind=_STEP_KINDS[kind],
        name=text(data.get("title") or data.get("label") or data.get("node_title")),
        status=text(data.get("status")) or ("running" if stage in ("started", "next") else stage or "running"),
        error=text(data.get("error")),
        elapsed_s=number(data.get("elapsed_time")),
        raw=event,
    )


def run_status(data: Mapping[str, Any]) -> str:
    """Return the word for how a run ended; one that partly succeeded (around a node that failed) has succeeded."""
    status = text(data.get("status")) or ("failed" if data.get("error") else "succeeded")
    return "succeeded" if status == "partial-succeeded" else status


def same_words(one: str, other: str) -> bool:
    """Return whether two texts differ in white space alone, or not at all."""
    return "".join(one.split()) == "".join(other.split())
