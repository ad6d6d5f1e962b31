"""How Dify tells which segments an answer rests on: in the stream, in the history, in a workflow node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .apps import App
from .knowledge import Hit


def citations(app: App, sources: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return `retriever_resources` as `message_end` has them.

    recorded: 1.14.2/chat-stream-1-first-turn, 1.14.2/chatflow-stream-1-first-turn
    """
    return [
        {
            **_place(hit, position),
            "retriever_from": "workflow" if app.is_chatflow else "api",
            **_counters(app, hit),
            "content": hit.segment.content,
            "page": None,
            "doc_metadata": None,
            "title": None,
            "files": None,
            "summary": None,
        }
        for position, hit in enumerate(sources, 1)
    ]


def stored_citations(app: App, sources: Sequence[Hit], id_of: Callable[[str, int], str]) -> list[dict[str, Any]]:
    """Return `retriever_resources` as the history has them (recorded: 1.14.2/chatflow-messages-history).

    Args:
        app: Whose answer it is.
        sources: The segments, best first.
        id_of: Gives the ids of the stored rows; their `message_id` is not the id of the message.
    """
    return [
        {
            "id": id_of("citation", position),
            "message_id": id_of("citation message", position),
            **_place(hit, position),
            **_counters(app, hit),
            "content": hit.segment.content,
            "summary": None,
            "created_at": None,
        }
        for position, hit in enumerate(sources, 1)
    ]


def retrieval_result(sources: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return the output of a knowledge retrieval node (recorded: 1.14.2/chatflow-stream-1-first-turn)."""
    return [
        {
            "metadata": _node_metadata(hit, position),
            "title": hit.segment.document_name,
            "files": None,
            "content": hit.segment.content,
            "summary": None,
        }
        for position, hit in enumerate(sources, 1)
    ]


def _place(hit: Hit, position: int) -> dict[str, Any]:
    return {"position": position, **_segment(hit)}


def _segment(hit: Hit) -> dict[str, Any]:
    segment = hit.segment
    return {
        "dataset_id": segment.dataset_id,
        "dataset_name": segment.dataset_name,
        "document_id": segment.document_id,
        "document_name": segment.document_name,
        "data_source_type": "upload_file",
        "segment_id": segment.id,
    }


def _counters(app: App, hit: Hit) -> dict[str, Any]:
    # Only a chatflow tells the counters; the other apps send the keys with null.
    told = app.is_chatflow
    return {
        "score": hit.score,
        "hit_count": hit.hit_count if told else None,
        "word_count": hit.segment.word_count if told else None,
        "segment_position": hit.segment.position if told else None,
        "index_node_hash": hit.segment.index_node_hash if told else None,
    }


def _node_metadata(hit: Hit, position: int) -> dict[str, Any]:
    return {
        "_source": "knowledge",
        **_segment(hit),
        "retriever_from": "workflow",
        "score": hit.score,
        "child_chunks": [],
        "segment_hit_count": hit.hit_count,
        "segment_word_count": hit.segment.word_count,
        "segment_position": hit.segment.position,
        "segment_index_node_hash": hit.segment.index_node_hash,
        "doc_metadata": None,
        "position": position,
    }
