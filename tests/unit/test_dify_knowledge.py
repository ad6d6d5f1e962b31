"""A search of Dify's knowledge bases, without a socket: what is sent, and what is made of what comes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import nan
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
    BotTimeoutError,
    BotTruncatedError,
    BotUsageError,
    DifyKnowledge,
    DifyRetrieval,
    Finished,
    Source,
    SourcesFound,
)
from remote_chatbots.flow import Flow
from remote_chatbots.passages import found_passages
from remote_chatbots.searching import Search
from remote_chatbots.wire import ResponseHead
from tests.unit.conftest import Played

JSON = {"content-type": "application/json"}
Drive = Callable[..., Played]
WHOLE = {"reranking_enable": False, "score_threshold_enabled": False}
METHOD = {"search_method": "keyword_search"}
RERANKER = {"reranking_provider_name": "cohere", "reranking_model_name": "rerank-v3"}
NO_RERANKER = {"reranking_provider_name": "", "reranking_model_name": ""}
WEIGHTS = {"weight_type": "customized", "keyword_setting": {"keyword_weight": 0.3}}


@pytest.fixture
def knowledge() -> DifyKnowledge:
    return DifyKnowledge("dataset-secret-key-123", "https://dify.example.com/v1", "base-1")


def replied(body: Any, status: int = 200, **headers: str) -> tuple[ResponseHead, list[bytes]]:
    return ResponseHead(status, {**JSON, **headers}), [json.dumps(body).encode()]


def listed(*bases: Mapping[str, Any], has_more: bool = False) -> tuple[ResponseHead, bytes]:
    return ResponseHead(200, JSON), json.dumps({"data": bases, "has_more": has_more}).encode()


def sent(drive: Drive, search: Search, *asides: Any, body: Any = None, **headers: str) -> Played:
    def whole() -> Flow[None]:
        yield from search.first or ()
        yield from search.parts[0]

    assert len(search.parts) == 1
    return drive(whole(), replied({"records": []} if body is None else body, **headers), asides=asides)


def test_the_example_of_the_api_reference_goes_as_it_stands(drive: Drive, knowledge: DifyKnowledge) -> None:
    condition = {"name": "lang", "comparison_operator": "is", "value": "en"}
    model: dict[str, Any] = {
        "search_method": "hybrid_search",
        "reranking_enable": False,
        "reranking_mode": "weighted_score",
        "reranking_model": NO_RERANKER,
        "weights": {
            "weight_type": "customized",
            "vector_setting": {"vector_weight": 0.7, "embedding_provider_name": "openai", "embedding_model_name": "e"},
            "keyword_setting": {"keyword_weight": 0.3},
        },
        "score_threshold_enabled": True,
        "score_threshold": 0.35,
        "metadata_filtering_conditions": {"logical_operator": "and", "conditions": [condition]},
    }
    played = sent(drive, knowledge.retrieve("refund period", k=5, **model))
    assert played.posted == [{"query": "refund period", "retrieval_model": {**model, "top_k": 5}}]


def test_with_nothing_set_the_query_goes_alone(drive: Drive, knowledge: DifyKnowledge) -> None:
    played = sent(drive, knowledge.retrieve("White Rabbit"))
    assert played.posted == [{"query": "White Rabbit"}]
    assert played.paths == ["/v1/datasets/base-1/retrieve"]
    assert played.events == [SourcesFound(()), Finished()]
    assert played.asides == []


CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"top_k": 4}),
    ({"k": 2}, {"top_k": 2}),
    ({"score_threshold": 0.35}, {"top_k": 4, "score_threshold_enabled": True, "score_threshold": 0.35}),
    (
        {"score_threshold": 0.35, "score_threshold_enabled": False},
        {"top_k": 4, "score_threshold_enabled": False, "score_threshold": 0.35},
    ),
    ({"reranking_model": NO_RERANKER}, {"top_k": 4, "reranking_model": NO_RERANKER}),
    ({"reranking_enable": True}, {"top_k": 4, "reranking_enable": True}),
    (
        {"reranking_model": RERANKER},
        {"top_k": 4, "reranking_enable": True, "reranking_mode": "reranking_model", "reranking_model": RERANKER},
    ),
    ({"weights": WEIGHTS}, {"top_k": 4, "reranking_mode": "weighted_score", "weights": WEIGHTS}),
]


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_a_search_by_method_goes_whole_without_a_look_at_the_base(
    drive: Drive, knowledge: DifyKnowledge, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    played = sent(drive, knowledge.retrieve("x", **METHOD, **given))
    assert played.posted == [{"query": "x", "retrieval_model": {**METHOD, **WHOLE, **expected}}]
    assert played.asides == []


def test_what_is_not_set_is_as_the_base_has_it_which_is_looked_up_once(drive: Drive, knowledge: DifyKnowledge) -> None:
    own = {
        "search_method": "hybrid_search",
        "reranking_enable": True,
        "reranking_mode": "reranking_model",
        "reranking_model": RERANKER,
        "weights": None,
        "top_k": 7,
        "score_threshold_enabled": False,
        "score_threshold": None,
    }
    pages = (listed({"id": "other"}, has_more=True), listed({"id": "base-1", "retrieval_model_dict": own}))
    played = sent(drive, knowledge.retrieve("x", k=2), *pages)
    (body,) = played.posted
    expected = {name: value for name, value in own.items() if value is not None} | {"top_k": 2}
    assert body["retrieval_model"] == expected
    assert [urlsplit(request.url).query for request in played.asides] == ["page=1&limit=100", "page=2&limit=100"]
    again = sent(drive, knowledge.retrieve("x", score_threshold=0.5))
    assert again.asides == []
    (body,) = again.posted
    assert body["retrieval_model"]["top_k"] == 7
    assert body["retrieval_model"]["score_threshold"] == 0.5


def test_an_economy_base_is_searched_by_keywords_whatever_its_record_says(
    drive: Drive, knowledge: DifyKnowledge
) -> None:
    record = {"id": "base-1", "indexing_technique": "economy", "retrieval_model_dict": {"search_method": "semantic"}}
    (body,) = sent(drive, knowledge.retrieve("x", k=1), listed(record)).posted
    assert body["retrieval_model"] == {**METHOD, **WHOLE, "top_k": 1}


UNHELPFUL = [
    (ResponseHead(404, JSON), b"{}"),
    (ResponseHead(200, JSON), b"<html>"),
    listed(has_more=True),
    listed({"id": "other"}),
]


@pytest.mark.parametrize("unhelpful", UNHELPFUL)
def test_a_base_that_does_not_tell_is_searched_by_meaning(
    drive: Drive, knowledge: DifyKnowledge, unhelpful: Any
) -> None:
    played = sent(drive, knowledge.retrieve("x", k=3), unhelpful)
    assert len(played.asides) == 1
    assert played.posted[0]["retrieval_model"] == {"search_method": "semantic_search", **WHOLE, "top_k": 3}


@pytest.mark.parametrize(
    ("given", "conditions"),
    [
        ([("lang", "is", "en")], {"logical_operator": "and"}),
        (
            {"logical_operator": "or", "conditions": [("a", "in", ["x", "y"]), ("b", "≥", 3)]},
            {"logical_operator": "or"},
        ),
    ],
)
def test_conditions_go_as_documented(
    drive: Drive, knowledge: DifyKnowledge, given: Any, conditions: dict[str, Any]
) -> None:
    def spelt(each: list[tuple[str, str, Any]]) -> list[dict[str, Any]]:
        return [{"name": name, "comparison_operator": operator, "value": value} for name, operator, value in each]

    told = {**given, "conditions": spelt(given["conditions"])} if isinstance(given, dict) else spelt(given)
    played = sent(drive, knowledge.retrieve("x", **METHOD, metadata_filtering_conditions=told))
    expected = {**conditions, "conditions": spelt(given["conditions"] if isinstance(given, dict) else given)}
    assert played.posted[0]["retrieval_model"]["metadata_filtering_conditions"] == expected


@pytest.mark.parametrize(
    ("typed", "operator"), [("!=", "≠"), (">=", "≥"), ("<=", "≤"), ("==", "="), ("not in", "not in")]
)
def test_operators_may_be_typed_in_ascii(typed: str, operator: str) -> None:
    condition = {"name": "year", "comparison_operator": typed, "value": "2024"}
    told = DifyRetrieval(metadata_filtering_conditions=[condition]).conditions()
    assert told == {"logical_operator": "and", "conditions": [{**condition, "comparison_operator": operator}]}


def test_an_empty_list_of_conditions_is_none_and_takes_back_those_of_the_constructor(
    drive: Drive, knowledge: DifyKnowledge
) -> None:
    condition = {"name": "lang", "comparison_operator": "empty"}
    filtering = replace(knowledge, options=DifyRetrieval(metadata_filtering_conditions=[condition]))
    assert sent(drive, filtering.retrieve("x", metadata_filtering_conditions=[])).posted == [{"query": "x"}]


def test_a_server_that_knows_no_metadata_is_no_server_to_filter_by(drive: Drive, knowledge: DifyKnowledge) -> None:
    condition = {"name": "lang", "comparison_operator": "is", "value": "en"}
    filtered = knowledge.retrieve("x", **METHOD, metadata_filtering_conditions=[condition])
    played = sent(drive, filtered, **{"x-version": "0.15.3"})
    assert isinstance(played.error, BotRejectedError)
    assert "searched without the conditions" in str(played.error)
    assert played.events == []


def test_a_record_is_a_source_with_every_key_of_the_server(drive: Drive, knowledge: DifyKnowledge) -> None:
    document = {"id": "d1", "name": "policy.pdf", "data_source_type": "upload_file", "doc_metadata": {"lang": "en"}}
    segment = {"id": "s1", "position": 3, "document_id": "d1", "content": "Thirty days.", "answer": None}
    children = [{"id": "c1", "content": "30 days", "position": 1, "score": 0.81}]
    record = {"segment": {**segment, "document": document}, "child_chunks": children, "score": 0.77, "files": None}
    (source,) = sent(drive, knowledge.retrieve("x"), body={"query": "x", "records": [record]}).answer.sources
    assert (source.content, source.title, source.score, source.position) == ("Thirty days.", "policy.pdf", 0.77, None)
    assert (source.segment_id, source.document_id, source.dataset_id) == ("s1", "d1", "base-1")
    assert source.raw == {
        **segment,
        "child_chunks": children,
        "score": 0.77,
        "files": None,
        "dataset_id": "base-1",
        "segment_id": "s1",
        "document_name": "policy.pdf",
        "data_source_type": "upload_file",
        "doc_metadata": {"lang": "en"},
    }


def test_an_answer_that_a_segment_holds_stands_beneath_its_question(drive: Drive, knowledge: DifyKnowledge) -> None:
    record = {"segment": {"content": "How long?", "answer": "Thirty days."}, "score": 0.5}
    (source,) = sent(drive, knowledge.retrieve("x"), body={"records": [record]}).answer.sources
    assert source.content == "How long?\nThirty days."


def test_a_record_of_an_external_base_has_no_segment(drive: Drive, knowledge: DifyKnowledge) -> None:
    record = {"content": "Text", "title": "Page", "score": 0.5, "metadata": {"url": "https://x"}}
    (source,) = sent(
        drive, knowledge.retrieve("x"), body={"query": {"content": "x"}, "records": [record]}
    ).answer.sources
    assert (source.content, source.title, source.segment_id) == ("Text", "Page", "")
    assert source.raw == {**record, "dataset_id": "base-1"}


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"segment": None, "score": "high"},
        {"segment": [], "content": 5, "title": None, "score": True},
        {"segment": {"document": None, "content": None, "id": 7, "document_id": ["d"]}, "score": {}},
        {"segment": {"document": {"id": 1, "name": {}}, "answer": 3}, "child_chunks": "x"},
    ],
)
def test_a_record_of_odd_values_is_a_source_without_them(
    drive: Drive, knowledge: DifyKnowledge, record: dict[str, Any]
) -> None:
    (source,) = sent(drive, knowledge.retrieve("x"), body={"records": [record, "no record"]}).answer.sources
    assert (source.content, source.title, source.document_id, source.segment_id) == ("", "", "", "")
    assert source.score is None
    (passage,) = found_passages([source])
    assert (passage.text, passage.metadata["source"], passage.metadata["score"]) == ("", None, None)


def test_no_more_come_than_were_asked_for_and_a_score_that_is_none_is_none(
    drive: Drive, knowledge: DifyKnowledge
) -> None:
    records = [{"segment": {"id": str(number), "content": "x"}, "score": None} for number in range(5)]
    played = sent(drive, knowledge.retrieve("x", **METHOD, k=2), body={"records": records})
    assert [(source.segment_id, source.score) for source in played.answer.sources] == [("0", None), ("1", None)]


def test_several_bases_are_asked_each_once_and_merged_rank_by_rank(knowledge: DifyKnowledge) -> None:
    search = knowledge.retrieve("x", dataset_id=["a", "b", "a"], k=4)
    assert len(search.parts) == 2
    found = [[Source("a1", score=0.1), Source("a2"), Source("a3")], [Source("b1", score=0.9)]]
    assert [source.content for source in search.merged(found)] == ["a1", "b1", "a2", "a3"]
    assert [source.content for source in replace(search, k=2).merged(found)] == ["a1", "b1"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"query": ""}, "the query is empty"),
    ({"query": " \n"}, "the query is empty"),
    ({"query": None}, "the query is empty"),
    ({"query": "é" * 251}, "the query has 251 characters, and a knowledge base takes at most 250"),
    ({"query": "half \ud83d"}, "half a character"),
    ({"dataset_id": []}, "no knowledge base"),
    ({"dataset_id": [""]}, "dataset_id must be"),
    ({"dataset_id": 5}, "dataset_id must be"),
    ({"k": 0}, "k must be"),
    ({"k": True}, "k must be"),
    ({"search_method": "magic"}, "search_method must be one of semantic_search"),
    ({"score_threshold": "0.5"}, "score_threshold must be"),
    ({"score_threshold": float("nan")}, "score_threshold must be"),
    ({"score_threshold_enabled": 1}, "score_threshold_enabled must be"),
    ({"reranking_enable": "yes"}, "reranking_enable must be"),
    ({"reranking_mode": "both"}, "reranking_mode must be one of"),
    ({"reranking_model": "cohere"}, "reranking_model must be"),
    ({"reranking_model": {"reranking_provider_name": "cohere"}}, "reranking_model must be"),
    ({"weights": 0.7}, "weights must be"),
    ({"weights": {"keyword_settings": {"keyword_weight": 0.3}}}, "weights must be a mapping with weight_type"),
    ({"metadata_filtering_conditions": "lang"}, "metadata_filtering_conditions must be"),
    ({"metadata_filtering_conditions": {"conditions": [], "operator": "and"}}, "metadata_filtering_conditions must be"),
    ({"metadata_filtering_conditions": {"logical_operator": "xor", "conditions": []}}, "must be a list of conditions"),
    ({"metadata_filtering_conditions": ["lang"]}, "a condition must be"),
    ({"metadata_filtering_conditions": [{"name": "a", "comparison_operator": "~"}]}, "comparison_operator of 'a'"),
    ({"metadata_filtering_conditions": [{"name": "a", "comparison_operator": "is"}]}, "value of 'a'"),
    ({"metadata_filtering_conditions": [{"name": "a", "comparison_operator": "<", "value": nan}]}, "value of 'a'"),
    ({"search_metod": "x"}, "search_metod is no option of a search"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
def test_what_cannot_be_searched_is_refused_before_anything_is_sent(
    knowledge: DifyKnowledge, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(BotUsageError) as caught:
        knowledge.retrieve(**{"query": "x", **given})
    assert str(caught.value).startswith(("dify: ", "k must"))
    assert words in str(caught.value)


def test_a_query_of_250_characters_is_sent(drive: Drive, knowledge: DifyKnowledge) -> None:
    assert sent(drive, knowledge.retrieve("文" * 250)).posted == [{"query": "文" * 250}]


REFUSED: list[tuple[int, str, str, type[BotError]]] = [
    (401, "unauthorized", "Access token is invalid", BotAuthError),
    (404, "not_found", "Dataset not found.", BotNotFoundError),
    (400, "provider_not_initialize", "No valid model provider credentials found.", BotRejectedError),
    (400, "dataset_not_initialized", "The dataset is still being initialized", BotRejectedError),
    (403, "forbidden", "Sorry, you have reached the knowledge base request rate limit of your plan.", BotQuotaError),
]


@pytest.mark.parametrize(("status", "code", "message", "kind"), REFUSED)
def test_a_refusal_is_typed_and_says_neither_key_nor_query(
    drive: Drive, knowledge: DifyKnowledge, status: int, code: str, message: str, kind: type[BotError]
) -> None:
    body = {"code": code, "message": f"{message} Where is the White Rabbit?", "status": status}
    played = drive(knowledge.retrieve("Where is the White Rabbit?").parts[0], replied(body, status))
    assert type(played.error) is kind
    assert "White Rabbit" not in str(played.error)
    assert "secret-key" not in f"{played.error!r}{played.error}"


@pytest.mark.parametrize(
    "reply",
    [
        replied({"code": "internal_server_error", "message": "Oops", "status": 500}, 500),
        BotTruncatedError("dify: the connection broke.", platform="dify"),
        BotTimeoutError("dify: not a byte.", platform="dify", phase="silence"),
    ],
    ids=["500", "broken", "silence"],
)
def test_what_fails_on_the_way_may_be_tried_again_and_says_so(
    drive: Drive, knowledge: DifyKnowledge, reply: Any
) -> None:
    error = drive(knowledge.retrieve("x").parts[0], reply).error
    assert error is not None
    assert error.retryable
    assert str(error).endswith("This was a search, which changes nothing: make it again.")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_apps_key_is_told_from_one_that_is_none(drive: Drive, knowledge: DifyKnowledge) -> None:
    body = {"code": "unauthorized", "message": "Access token is invalid", "status": 401}
    with_app_key = replace(knowledge, api_key="app-of-some-bot").retrieve("x")
    played = drive(with_app_key.parts[0], replied(body, 401))
    assert isinstance(played.error, BotAuthError)
    assert (played.error.http_status, played.error.code) == (401, "unauthorized")
    assert "api_key is an app's" in str(played.error)
    assert "'dataset-…'" in str(played.error)


@pytest.mark.parametrize("body", [{"records": None}, {"result": "success"}, []])
def test_a_reply_without_records_is_a_protocol_error(drive: Drive, knowledge: DifyKnowledge, body: Any) -> None:
    assert isinstance(sent(drive, knowledge.retrieve("x"), body=body).error, BotProtocolError)


def test_neither_key_nor_header_shows(knowledge: DifyKnowledge) -> None:
    told = replace(knowledge, headers={"X-Gateway": "gateway-secret"})
    assert "secret" not in repr(told)
