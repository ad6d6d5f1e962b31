"""The sources that stand in an answer's metadata, read the same way by both faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remote_chatbots.errors import BotUsageError


@dataclass(frozen=True, slots=True)
class Passage:
    """One source of an answer.

    Attributes:
        text: The passage's text; "" if the server gave none.
        segment_id: The server's id of the passage; "" if it gave none.
        document_id: The server's id of the document it stands in; "" if it gave none.
        score: The server's score; None if it gave none.
        metadata: All the server's keys but the text, and `source` and `title` (the document's name), `score`, `bot`
            and `message_id`.
    """

    text: str
    segment_id: str
    document_id: str
    score: float | None
    metadata: dict[str, Any]


def passages(told: Mapping[str, Any], message_id: str | None = None) -> list[Passage]:
    """Return the sources of an answer, in the server's order; [] where there are none.

    Args:
        told: The answer's metadata.
        message_id: The answer's id, where the metadata does not hold it.
    """
    resources = told.get("retriever_resources")
    if not isinstance(resources, (list, tuple)):
        return []
    of_answer = {"bot": told.get("bot"), "message_id": told.get("message_id") or message_id}
    return [_passage(resource, of_answer) for resource in resources if isinstance(resource, Mapping)]


def _passage(resource: Mapping[str, Any], of_answer: Mapping[str, Any]) -> Passage:
    name, score = resource.get("document_name") or resource.get("title"), resource.get("score")
    return Passage(
        _text(resource.get("content")),
        _text(resource.get("segment_id")),
        _text(resource.get("document_id")),
        score if isinstance(score, (int, float)) else None,
        {
            **{key: value for key, value in resource.items() if key != "content"},
            "source": name,
            "title": resource.get("title") or name,
            "score": score,
            **of_answer,
        },
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def answer_metadata(text: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what rides beside each passage that a retriever found by asking: the answer and its ids."""
    ids = {f"answer_{name}": told[name] for name in ("conversation_id", "message_id") if told.get(name)}
    return {"answer_text": text, **ids}


def checked_k(k: Any) -> int | None:
    """Return `k`, how many passages a retriever returns at most; None is all.

    Raises:
        BotUsageError: If it is no whole number of at least 1.
    """
    if k is None or (isinstance(k, int) and not isinstance(k, bool) and k > 0):
        return k
    raise BotUsageError("k must be a whole number of at least 1. Give such a number, or None for all.")
