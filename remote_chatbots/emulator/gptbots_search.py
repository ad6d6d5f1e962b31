"""The knowledge of agents: what an answer came from, what fits a query, what there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .gptbots_call import Call
from .gptbots_checks import ids, number, one_of, text
from .gptbots_faults import LateCitations, NumbersAsText
from .gptbots_forms import Record, source_url
from .gptbots_library import Document
from .gptbots_refusals import NO_CREDITS, TOO_MANY_DOCUMENTS, AgentRefusal, bad_parameters
from .gptbots_turn import Scope
from .usage import token_count

_MAX_TOP_K = 50
_MAX_DOCUMENTS = 10
_RERANKERS = ("BGE-Rerank", "Jina-reranker-v2-base-multilingual", "Jina-colbert-v2", "BCE-Rerank")
_OWNER = "harbour-office@saltmouth.example"
# The documents were there before the server started.
_ADDED_AT = 1_767_000_000


def correlated(call: Call) -> Record:
    """Answer `GET /v1/correlate/dataset`: what was found for an answer, whether or not it was used."""
    call.state.require_credits(call.agent, NO_CREDITS)
    conversation, turn = call.turn_of(text(call.values, "message_id"))
    library = call.state.library
    found = [
        {
            "content": hit.segment.content,
            "data_id": library.document_id(hit.segment.document_name),
            "data_name": hit.segment.document_name,
            "source_url": source_url(hit.segment.document_name),
            "score": str(hit.score) if call.faults.one(NumbersAsText) else hit.score,
        }
        for hit in turn.sources
    ]
    return {
        "conversation_id": conversation.id,
        "question_id": turn.question_id,
        "answer_id": turn.answer_id,
        "correlate_dataset": [] if call.faults.one(LateCitations) else found,
    }


def references(call: Call) -> Record:
    """Answer `POST /v1/bot/data/references`, in an envelope and in camelCase as no other (correlated documents)."""
    call.state.require_credits(call.agent, NO_CREDITS)
    conversation, turn = call.turn_of(text(call.values, "message_id"))
    names = dict.fromkeys(hit.segment.document_name for hit in turn.sources)
    documents = [
        {"dataId": call.state.library.document_id(name), "dataName": name, "sourceUrl": source_url(name)}
        for name in names
    ]
    data = {
        "conversationId": conversation.id,
        "questionId": turn.question_id,
        "answerId": turn.answer_id,
        "refDoc": documents,
    }
    return {"code": 0, "msg": "success", "data": data}


def match(call: Call) -> Record:
    """Answer `POST /v1/vector/match`: what fits a query, no model (vector similarity matching).

    `embedding_rate` and `rerank_version` are checked and change nothing: the emulator searches for words.
    """
    values = call.values
    scope = Scope(ids(values, "data_ids"), ids(values, "group_ids"))
    if scope.data_ids and len(scope.data_ids) > _MAX_DOCUMENTS:
        raise AgentRefusal(TOO_MANY_DOCUMENTS)
    top_k = number(values, "top_k", 1, _MAX_TOP_K)
    _share(values, "embedding_rate", 0.0, 1.0)
    if values.get("rerank_version") is not None:
        one_of(values, "rerank_version", _RERANKERS)
    least = _share(values, "doc_correlation", 0.1, 0.95) or 0.0
    library = call.state.library
    found = [hit for hit in library.search(text(values, "prompt"), scope, top_k) if hit.score >= least]
    told = [
        {
            "content": hit.segment.content,
            "data_id": library.document_id(hit.segment.document_name),
            "document_name": hit.segment.document_name,
            "score": hit.score,
        }
        for hit in found
    ]
    return {"total": len(told), "list": told}


def bases(call: Call) -> Record:
    """Answer `GET /v1/bot/knowledge/base/page`: all of them, in spite of its name."""
    told = [
        {
            "id": base.id,
            "name": base.name,
            "desc": "",
            "doc": len(base.documents),
            "chunk": sum(len(document.segments) for document in base.documents),
            "token": sum(_tokens(document) for document in base.documents),
            "owner_id": call.state.agent_id(call.agent),
            "owner_email": _OWNER,
        }
        for base in call.state.library.bases
    ]
    return {"knowledge_base": told}


def documents(call: Call) -> Record:
    """Answer `GET /v1/bot/doc/query/page`: the documents of a base."""
    wanted = text(call.values, "knowledge_base_id")
    base = next((each for each in call.state.library.bases if each.id == wanted), None)
    if base is None:
        raise bad_parameters("there is no such knowledge base")
    page, size = number(call.values, "page", 1), number(call.values, "page_size", 10, 100)
    shown = base.documents[(page - 1) * size : page * size]
    return {"list": [_document(call, each) for each in shown], "total": len(base.documents)}


def _document(call: Call, document: Document) -> Record:
    return {
        "id": document.id,
        "name": document.name,
        "format": document.name.rpartition(".")[2],
        "source_url": source_url(document.name),
        "status": "ACTIVE",
        "chunk": len(document.segments),
        "token": _tokens(document),
        "char_count": sum(segment.word_count for segment in document.segments),
        "create_time": _ADDED_AT,
        "update_time": _ADDED_AT,
        "creator_id": call.state.agent_id(call.agent),
        "creator_email": _OWNER,
    }


def _tokens(document: Document) -> int:
    return token_count(segment.content for segment in document.segments)


def _share(values: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    given = values.get(name)
    if given is None:
        return None
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = -1.0
    if not least <= value <= most:
        raise bad_parameters(f"{name} must be from {least} to {most}")
    return value
