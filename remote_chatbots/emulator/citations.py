"""How Dify tells which segments an answer rests on: in the stream, in the history, in a workflow node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .apps import App
from .knowledge import Hit
from .turn import Message


def citations(app: App, sources: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return `retriever_resources` as `message_end` has them.

    recorded: 1.14.2/chat-stream-1-first-turn, 1.14.2/chatflow-stream-1-first-turn
    """
    return [
        {
            "position": position,
            **_segment(hit),
            "retriever_from": "workflow" if app.is_chatflow else "api",
            "score": hit.score,
            # Only a chatflow tells the counters; the other apps send the keys with null.
            **_counters(hit if app.is_chatflow else None),
            "content": hit.segment.content,
            "page": None,
            "doc_metadata": None,
            "title": None,
            "files": None,
            "summary": None,
        }
        for position, hit in enumerate(sources, 1)
    ]


def citations_of_0_15(app: App, sources: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return `retriever_resources` as `message_end` of 0.15 has them: each kind of app has keys of its own.

    recorded: 0.15.3/chat-stream-1-first-turn, agent-stream-knowledge-tool-hq, chatflow-stream-1-first-turn
    """
    told = []
    for position, hit in enumerate(sources, 1):
        content = hit.segment.content
        if app.is_chatflow:
            found = {"retriever_from": "workflow", "score": hit.score, **_counters(hit), "content": content}
            told.append({"position": position, **_segment(hit), **found, "page": None})
            continue
        found = {**_segment(hit), "retriever_from": "api", "score": hit.score, "content": content}
        told.append({**found, "position": position} if app.mode == "chat" else {"position": position, **found})
    return told


def stored_citations(app: App, message: Message, id_of: Callable[[str, int], str]) -> list[dict[str, Any]]:
    """Return `retriever_resources` as the history has them (recorded: 1.14.2/chatflow-messages-history).

    Args:
        app: Whose answer it is.
        message: The answer.
        id_of: Gives the ids of the stored rows; their `message_id` is not the id of the message.
    """
    return [
        {
            "id": id_of("citation", position),
            "message_id": id_of("citation message", position),
            "position": position,
            **_segment(hit),
            "score": hit.score,
            **_counters(hit if app.is_chatflow else None),
            "content": hit.segment.content,
            "summary": None,
            "created_at": None,
        }
        for position, hit in enumerate(message.sources, 1)
    ]


def stored_citations_of_0_15(app: App, message: Message, id_of: Callable[[str, int], str]) -> list[dict[str, Any]]:
    """Return `retriever_resources` as the history of 0.15 has them; a chatflow's are not kept.

    recorded: 0.15.3/messages-with-feedback, chatflow-messages-history
    """
    if app.is_chatflow:
        return []
    return [
        {
            "id": id_of("citation", position),
            "message_id": message.id,
            "position": position,
            **_segment(hit),
            "score": hit.score,
            "hit_count": 0,
            "word_count": 0,
            "segment_position": 0,
            "index_node_hash": None,
            "content": hit.segment.content,
            "created_at": message.created_at,
        }
        for position, hit in enumerate(message.sources, 1)
    ]


def retrieval_result(sources: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return the output of a knowledge retrieval node (recorded: 1.14.2/chatflow-stream-1-first-turn)."""
    return [
        {
            "metadata": {
                "_source": "knowledge",
                **_segment(hit),
                "retriever_from": "workflow",
                "score": hit.score,
                "child_chunks": [],
                **_segment_counters(hit),
                "doc_metadata": None,
                "position": position,
            },
            "title": hit.segment.document_name,
            "files": None,
            "content": hit.segment.content,
            "summary": None,
        }
        for position, hit in enumerate(sources, 1)
    ]


def retrieval_result_of_0_15(sources: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return the output of a knowledge retrieval node (recorded: 0.15.3/chatflow-stream-1-first-turn)."""
    return [
        {
            "metadata": {
                "_source": "knowledge",
                **_segment(hit, source_type="document_data_source_type"),
                "retriever_from": "workflow",
                "score": hit.score,
                **_segment_counters(hit),
                "position": position,
            },
            "title": hit.segment.document_name,
            "content": hit.segment.content,
        }
        for position, hit in enumerate(sources, 1)
    ]


def _segment(hit: Hit, *, source_type: str = "data_source_type") -> dict[str, Any]:
    segment = hit.segment
    return {
        "dataset_id": segment.dataset_id,
        "dataset_name": segment.dataset_name,
        "document_id": segment.document_id,
        "document_name": segment.document_name,
        source_type: "upload_file",
        "segment_id": segment.id,
    }


def _counters(hit: Hit | None) -> dict[str, Any]:
    return {
        "hit_count": hit.hit_count if hit else None,
        "word_count": hit.segment.word_count if hit else None,
        "segment_position": hit.segment.position if hit else None,
        "index_node_hash": hit.segment.index_node_hash if hit else None,
    }


def _segment_counters(hit: Hit) -> dict[str, Any]:
    return {f"segment_{key.removeprefix('segment_')}": value for key, value in _counters(hit).items()}
