"""The sources that stand in an answer's metadata, or that a search found, read the same way by both faces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from remote_chatbots.errors import BotUsageError
from remote_chatbots.events import Source
from remote_chatbots.metadata import resource
from remote_chatbots.reading import text


class Passage(NamedTuple):
    """One source of an answer, or one find of a search.

    Attributes:
        text: The passage's text; "" if the server gave none.
        segment_id: The server's id of the passage; "" if it gave none. Of a find that has none: one of ours, equal for
            equal passages of a document.
        document_id: The server's id of the document it stands in; "" if it gave none.
        score: The server's score; None if it gave none.
        metadata: All the server's keys but the text, and `source` and `title` (the document's name), `score`, `bot`
            and `message_id`; of a find, without these two.
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
    return [_passage(one, of_answer) for one in resources if isinstance(one, Mapping)]


def found_passages(sources: Iterable[Source]) -> list[Passage]:
    """Return what a search found, in its order."""
    return [_found(source) for source in sources]


def _found(source: Source) -> Passage:
    passage = _passage(resource(source), {})
    # Whoever joins the finds of several searches, or stores them, tells them apart by their ids.
    ours = hashlib.sha256(f"{source.document_id}\0{source.content}".encode()).hexdigest()[:32]
    return passage._replace(
        text=source.content,
        score=source.score,
        segment_id=source.segment_id or ours,
        metadata={**passage.metadata, "score": source.score},
    )


def _passage(told: Mapping[str, Any], of_answer: Mapping[str, Any]) -> Passage:
    name, score = told.get("document_name") or told.get("title"), told.get("score")
    return Passage(
        text(told.get("content")),
        text(told.get("segment_id")),
        text(told.get("document_id")),
        score if isinstance(score, (int, float)) else None,
        {
            **{key: value for key, value in told.items() if key != "content"},
            "source": name,
            "title": told.get("title") or name,
            "score": score,
            **of_answer,
        },
    )


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
