"""How Dify tells of its knowledge bases: what a search found, the bases, their documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .datasets import Dataset, Found
from .ids import Ids

Record = dict[str, Any]

# The documents were there before the server started.
_ADDED_AT = 1_767_000_000
_TOKEN_BYTES = 4


@dataclass(frozen=True, slots=True)
class DatasetRecords:
    """How one age tells it.

    Attributes:
        found: A search's answer.
        base: A knowledge base in the list.
        document: A document in the list.
    """

    found: Callable[[Dataset, str, list[Found], Ids], Record]
    base: Callable[[Dataset, Ids], Record]
    document: Callable[[Dataset, str, Ids], Record]


def _found(dataset: Dataset, query: str, found: list[Found], ids: Ids, *, newest: bool) -> Record:
    """Return the answer to a search (recorded: dataset-retrieve-default, dataset-retrieve-semantic of both ages)."""
    records = [_hit(dataset, one, ids, newest=newest) for one in found]
    return {"query": query if newest else {"content": query}, "records": records}


def _hit(dataset: Dataset, found: Found, ids: Ids, *, newest: bool) -> Record:
    segment, economy = found.segment, dataset.plan.technique == "economy"
    words = sorted({word.strip(".,") for word in segment.content.split() if len(word) > 3})
    document: Record = {
        "id": segment.document_id,
        "data_source_type": "upload_file",
        "name": segment.document_name,
        "doc_type": None,
    }
    if newest:
        document["doc_metadata"] = dict(dataset.metadata.get(segment.document_name, {})) or None
    told: Record = {
        "id": segment.id,
        "position": segment.position,
        "document_id": segment.document_id,
        "content": segment.content,
        **({"sign_content": None} if newest else {}),
        "answer": None,
        "word_count": segment.word_count,
        "tokens": 0 if economy else len(segment.content.encode()) // _TOKEN_BYTES,
        "keywords": words[:10] if economy or not newest else [],
        "index_node_id": ids.uuid("index node", segment.id),
        "index_node_hash": segment.index_node_hash,
        "hit_count": found.hit_count,
        "enabled": True,
        "disabled_at": None,
        "disabled_by": None,
        "status": "completed",
        "created_by": _owner(ids),
        "created_at": None if newest else _ADDED_AT,
        "indexing_at": _ADDED_AT,
        "completed_at": _ADDED_AT + 1,
        "error": None,
        "stopped_at": None,
        "document": document,
    }
    score = found.score
    return {
        "segment": told,
        "child_chunks": _children(found, ids) or ([] if newest else None),
        "score": 0.0 if score is None and newest else score,
        "tsne_position": None,
        **({"files": [], "summary": None} if newest else {}),
    }


def _children(found: Found, ids: Ids) -> list[Record]:
    return [
        {
            "id": ids.uuid("child", found.segment.id, position),
            "content": text,
            "position": position,
            "score": found.score,
        }
        for position, text in enumerate(found.children or (), 1)
    ]


def _base(dataset: Dataset, ids: Ids, *, newest: bool) -> Record:
    """Return one of the list (recorded: datasets-list of both ages)."""
    economy = dataset.plan.technique == "economy"
    owner, count = _owner(ids), len(dataset.documents)
    words = sum(segment.word_count for segments in dataset.documents.values() for segment in segments)
    told: Record = {
        "id": dataset.id,
        "name": dataset.plan.name,
        "description": "",
        "provider": "vendor",
        "permission": "only_me",
        "data_source_type": "upload_file",
        "indexing_technique": dataset.plan.technique,
        "app_count": 1,
        "document_count": count,
        "word_count": words,
        "created_by": owner,
        **({"author_name": "admin"} if newest else {}),
        "created_at": _ADDED_AT,
        "updated_by": owner,
        "updated_at": _ADDED_AT,
        "embedding_model": None if economy else "harbour-embed",
        "embedding_model_provider": None if economy else "openai_api_compatible",
        "embedding_available": True,
        "retrieval_model_dict": {
            "search_method": dataset.method,
            "reranking_enable": False,
            "reranking_mode": None,
            "reranking_model": {"reranking_provider_name": "", "reranking_model_name": ""},
            "weights": None,
            "top_k": dataset.top_k,
            "score_threshold_enabled": False,
            "score_threshold": None,
        },
    }
    if newest:
        keys = ("enable", "model_name", "model_provider_name", "summary_prompt")
        told["summary_index_setting"] = dict.fromkeys(keys)
    told |= {
        "tags": [],
        "doc_form": dataset.form,
        "external_knowledge_info": {
            f"external_knowledge_{key}": None for key in ("id", "api_id", "api_name", "api_endpoint")
        },
        "external_retrieval_model": {
            "top_k": dataset.top_k,
            "score_threshold": None if economy else 0.0,
            "score_threshold_enabled": False if economy else None,
        },
    }
    if newest:
        kinds = {name: value for metadata in dataset.metadata.values() for name, value in metadata.items()}
        told |= {
            "doc_metadata": [_field(name, value, ids) for name, value in kinds.items()],
            "built_in_field_enabled": False,
            "pipeline_id": None,
            "runtime_mode": "general",
            "chunk_structure": None,
            "icon_info": dict.fromkeys(("icon_type", "icon", "icon_background", "icon_url")),
            "is_published": False,
            "total_documents": count,
            "total_available_documents": count,
            "enable_api": True,
            "is_multimodal": False,
        }
    return told


def _document(dataset: Dataset, name: str, ids: Ids, *, newest: bool) -> Record:
    """Return one of the list (recorded: dataset-documents of both ages)."""
    segments = dataset.documents[name]
    size = sum(len(segment.content) for segment in segments)
    file_id = ids.uuid("upload", segments[0].document_id)
    told: Record = {
        "id": segments[0].document_id,
        "position": list(dataset.documents).index(name) + 1,
        "data_source_type": "upload_file",
        "data_source_info": {"upload_file_id": file_id},
        "data_source_detail_dict": {
            "upload_file": {
                "id": file_id,
                "name": name,
                "size": size,
                "extension": name.rpartition(".")[2],
                "mime_type": "text/plain",
                "created_by": _owner(ids),
                "created_at": float(_ADDED_AT),
            }
        },
        "dataset_process_rule_id": ids.uuid("rule", segments[0].document_id),
        "name": name,
        "created_from": "api",
        "created_by": _owner(ids),
        "created_at": _ADDED_AT,
        "tokens": 0,
        "indexing_status": "completed",
        "error": None,
        "enabled": True,
        "disabled_at": None,
        "disabled_by": None,
        "archived": False,
        "display_status": "available",
        "word_count": size,
        "hit_count": sum(segment.hit_count for segment in segments),
        "doc_form": dataset.form,
    }
    if newest:
        metadata: Mapping[str, Any] = dataset.metadata.get(name, {})
        fields = [_field(key, value, ids) | {"value": value} for key, value in metadata.items()]
        told |= {"doc_metadata": fields or None, "summary_index_status": None, "need_summary": False}
    return told


def _field(name: str, value: Any, ids: Ids) -> Record:
    kind = "string" if isinstance(value, str) else "number"
    return {"id": ids.uuid("metadata", name), "name": name, "type": kind}


def _owner(ids: Ids) -> str:
    return ids.uuid("owner")


DATASET_RECORDS_0_15 = DatasetRecords(
    partial(_found, newest=False), partial(_base, newest=False), partial(_document, newest=False)
)
DATASET_RECORDS_1_14 = DatasetRecords(
    partial(_found, newest=True), partial(_base, newest=True), partial(_document, newest=True)
)
