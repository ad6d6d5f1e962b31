"""Dify's JSON objects as values of ours: usage, sources. Whatever is absent or odd becomes None or ""."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remote_chatbots.events import MediaProduced, Source, Usage
from remote_chatbots.reading import decimal, number, text, whole


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
        prompt_price=decimal(told.get("prompt_price")),
        completion_price=decimal(told.get("completion_price")),
    )


def files_made(items: Any, known: set[str]) -> list[MediaProduced]:
    """Return the files that a bot made, those of `known` ids left out; their ids are known then.

    A `message_end` tells of the user's own files as well (recorded: 1.14.2/agent-stream-with-image), and of those that
    a `message_file` told of before, by other ids.
    """
    found = []
    for told in items if isinstance(items, list) else ():
        if not isinstance(told, dict) or told.get("belongs_to") == "user":
            continue
        of_run = "dify_model_identity" in told
        if not (of_run or "transfer_method" not in told or told["transfer_method"] == "tool_file"):
            continue
        ids = {text(told.get(key)) for key in ("id", "related_id", "upload_file_id", "url")} - {""}
        if not ids & known:
            found.append(media_of(told))
        known |= ids
    return found


def media_of(told: Mapping[str, Any]) -> MediaProduced:
    """Return a file as a message, an event or a run tells of it."""
    return MediaProduced(
        text(told.get("type")) or "file",
        url=text(told.get("url")) or text(told.get("remote_url")),
        mime_type=text(told.get("mime_type")),
        id=text(told.get("id")) or text(told.get("related_id")),
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


def run_status(data: Mapping[str, Any]) -> str:
    """Return the word for how a run ended; one that partly succeeded (around a node that failed) has succeeded."""
    status = text(data.get("status")) or ("failed" if data.get("error") else "succeeded")
    return "succeeded" if status == "partial-succeeded" else status


def same_words(one: str, other: str) -> bool:
    """Return whether two texts differ in white space alone, or not at all."""
    return "".join(one.split()) == "".join(other.split())
