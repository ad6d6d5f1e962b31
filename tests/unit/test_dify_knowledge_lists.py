"""The lists of Dify's knowledge bases and of their documents, and what is said of one that is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from remote_chatbots import BotNotFoundError, DifyKnowledge
from remote_chatbots.wire import ResponseHead
from tests.unit.conftest import Played
from tests.unit.test_dify_management import call, saying

Drive = Callable[..., Played]


@pytest.fixture
def knowledge() -> DifyKnowledge:
    return DifyKnowledge("dataset-secret-key-123", "https://dify.example.com/v1")


def test_lists_are_read_page_by_page_and_no_further_than_wanted(knowledge: DifyKnowledge) -> None:
    pages = [{"data": [{"id": "a"}, {"id": "b"}], "has_more": True}, {"data": [{"id": "c"}], "has_more": False}]
    found, requests = call(knowledge.knowledge_bases(), saying(*pages))
    assert [one.dataset_id for one in found] == ["a", "b", "c"]
    assert [urlsplit(request.url).query for request in requests] == ["page=1&limit=100", "page=2&limit=100"]
    found, requests = call(knowledge.documents("base/1", limit=2), saying(*pages))
    assert [(one.document_id, one.dataset_id) for one in found] == [("a", "base/1"), ("b", "base/1")]
    assert [request.url for request in requests] == [
        "https://dify.example.com/v1/datasets/base%2F1/documents?page=1&limit=2"
    ]


def test_a_server_that_gives_one_page_for_ever_is_not_read_for_ever(knowledge: DifyKnowledge) -> None:
    page = {"data": [{"id": "a"}], "has_more": True}
    found, requests = call(knowledge.knowledge_bases(), saying(page, page, page))
    assert (len(found), len(requests)) == (1, 2)


BASE = "3c13893d-88b8-4d01-b119-c1abc16e13df"
PAGE = (ResponseHead(404, {"content-type": "text/html"}), [b"<!doctype html>\n<title>404 Not Found</title>"])
UNKNOWN = [b'{"code": "not_found", "message": "Dataset not found.", "status": 404}']


@pytest.mark.parametrize(
    ("id_", "reply"),
    [("Ferries", PAGE), (BASE, (ResponseHead(404, {"content-type": "application/json"}), UNKNOWN))],
    ids=["name", "id"],
)
def test_a_knowledge_base_that_is_not_there_is_named_with_the_way_to_find_one(
    drive: Drive, knowledge: DifyKnowledge, id_: str, reply: Any
) -> None:
    for flow in (knowledge.retrieve("x", dataset_id=id_).parts[0], knowledge.documents(id_)):
        error = drive(flow, reply).error
        assert isinstance(error, BotNotFoundError)
        assert f"no knowledge base {id_!r}" in str(error)
        assert "KnowledgeClient.knowledge_bases()" in str(error)
        assert "<" not in str(error)
        assert error.http_status == 404


def test_where_the_id_can_be_one_and_the_page_is_not_dify_s_own_the_address_is_blamed(
    drive: Drive, knowledge: DifyKnowledge
) -> None:
    error = drive(knowledge.retrieve("x", dataset_id=BASE).parts[0], PAGE).error
    assert "Check base_url" in str(error)
