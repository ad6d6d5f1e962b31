"""A search of a GPTBots agent's knowledge, without a socket: what is sent, and what is made of what comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from remote_chatbots import (
    BotAuthError,
    BotError,
    BotNotFoundError,
    BotProtocolError,
    BotQuotaError,
    BotRejectedError,
    BotUsageError,
    Finished,
    GPTBotsKnowledge,
    SourcesFound,
)
from remote_chatbots.wire import ResponseHead
from tests.unit.conftest import JSON, Played
from tests.unit.test_dify_management import call, saying

Drive = Callable[..., Played]
FOUND = {"content": "Staff have 25 days.", "data_id": "d-1", "document_name": "Leave policy.pdf", "score": 0.81}


@pytest.fixture
def knowledge() -> GPTBotsKnowledge:
    return GPTBotsKnowledge("app-secret-key-123", "https://bots.example.com")


def matched(drive: Drive, knowledge: GPTBotsKnowledge, body: Any, status: int = 200, **options: Any) -> Played:
    (part,) = knowledge.retrieve("leave days", **options).parts
    return drive(part, (ResponseHead(status, JSON.headers), [json.dumps(body).encode()]))


def test_a_search_sends_numbers_and_leaves_out_what_is_not_set(drive: Drive, knowledge: GPTBotsKnowledge) -> None:
    played = matched(drive, knowledge, {"total": 1, "list": [FOUND]})
    assert played.paths == ["/v1/vector/match"]
    assert played.posted == [{"prompt": "leave days", "top_k": 4}]
    assert [type(event) for event in played.events] == [SourcesFound, Finished]


def test_every_option_has_the_name_of_the_page(drive: Drive, knowledge: GPTBotsKnowledge) -> None:
    options = {"embedding_rate": 0.7, "rerank_version": "BGE-Rerank", "doc_correlation": 0.4}
    played = matched(drive, knowledge, {"list": []}, k=3, **options, group_ids="g-1", data_ids=["d-1", "d-2"])
    assert played.posted == [
        {"prompt": "leave days", "top_k": 3, **options, "group_ids": ["g-1"], "data_ids": ["d-1", "d-2"]}
    ]


def test_a_passage_has_every_key_and_a_score_that_is_none_is_none(drive: Drive, knowledge: GPTBotsKnowledge) -> None:
    second = {"content": "Older pages name no document.", "data_id": "d-2", "score": "0.5"}
    third = {"content": "And no score.", "data_id": "d-3"}
    sources = matched(drive, knowledge, {"total": 3, "list": [FOUND, second, third]}).answer.sources
    assert [(one.title, one.document_id, one.segment_id, one.score) for one in sources] == [
        ("Leave policy.pdf", "d-1", "", 0.81),
        ("", "d-2", "", 0.5),
        ("", "d-3", "", None),
    ]
    assert [one.raw for one in sources] == [FOUND, second, third]


def test_no_more_come_than_were_asked_for(drive: Drive, knowledge: GPTBotsKnowledge) -> None:
    assert len(matched(drive, knowledge, {"list": [FOUND] * 5}, k=2).answer.sources) == 2


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"query": " "}, "the query is empty"),
    ({"k": 51}, "k must be a whole number from 1 to 50"),
    ({"k": 0}, "k must be"),
    ({"embedding_rate": 2}, "embedding_rate must be a number from 0 to 1"),
    ({"doc_correlation": 0.05}, "doc_correlation must be a number from 0.1 to 0.95"),
    ({"rerank_version": 2}, "rerank_version must be"),
    ({"group_ids": []}, "group_ids must be an id, or a list of ids that is not empty"),
    ({"data_ids": [""]}, "data_ids must be"),
    ({"search_method": "x"}, "search_method is no option of a search"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
def test_what_cannot_be_searched_is_refused_before_anything_is_sent(
    knowledge: GPTBotsKnowledge, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(BotUsageError, match=words):
        knowledge.retrieve(**{"query": "x", **given})


REFUSED: list[tuple[int, Any, type[BotError]]] = [
    (401, {"code": 40127, "message": "Developer authentication failed"}, BotAuthError),
    (200, {"code": 40127, "msg": "Developer authentication failed"}, BotAuthError),
    (400, {"code": 40000, "message": "Invalid parameters"}, BotRejectedError),
    (400, {"code": 40332, "message": "Too many documents"}, BotRejectedError),
    (400, {"code": 20059, "message": "The agent is deleted"}, BotNotFoundError),
    (402, {"code": 40379, "message": "Credits are used up"}, BotQuotaError),
    (200, ["no object"], BotProtocolError),
]


@pytest.mark.parametrize(("status", "body", "kind"), REFUSED)
def test_a_refusal_is_typed_by_status_and_code(
    drive: Drive, knowledge: GPTBotsKnowledge, status: int, body: Any, kind: type[BotError]
) -> None:
    played = matched(drive, knowledge, body, status)
    assert type(played.error) is kind
    assert "secret-key" not in f"{played.error!r}"


def test_bases_and_documents_are_listed(knowledge: GPTBotsKnowledge) -> None:
    base = {"id": "g-1", "name": "Staff", "desc": "For the staff", "doc": 2}
    found, (request,) = call(knowledge.knowledge_bases(), saying({"knowledge_base": [base, base]}))
    assert request.url == "https://bots.example.com/v1/bot/knowledge/base/page"
    told = (found[0].dataset_id, found[0].name, found[0].description, found[0].document_count, found[0].raw)
    assert told == ("g-1", "Staff", "For the staff", 2, base)
    document = {"id": "d-1", "name": "Leave.pdf", "status": "ACTIVE", "create_time": 1_767_000_000}
    pages = ({"list": [document | {"id": str(n)} for n in range(50)], "total": 51}, {"list": [document], "total": 51})
    documents, requests = call(knowledge.documents("g-1"), saying(*pages))
    assert len(documents) == 51
    assert (documents[-1].document_id, documents[-1].status, documents[-1].created_at) == ("d-1", "ACTIVE", 1767000000)
    assert [urlsplit(one.url).query for one in requests] == [
        f"knowledge_base_id=g-1&page={page}&page_size=50" for page in (1, 2)
    ]
    assert len(call(knowledge.documents("g-1", limit=3), saying(*pages))[0]) == 3


def test_a_region_is_an_address() -> None:
    assert GPTBotsKnowledge("app-x", "jp").base_url == "https://api-jp.gptbots.ai"
