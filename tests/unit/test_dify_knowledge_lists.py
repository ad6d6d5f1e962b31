"""The lists of Dify's knowledge bases and of their documents, without a socket."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from remote_chatbots import DifyKnowledge
from tests.unit.test_dify_management import call, saying


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
