"""Dify's knowledge bases on the emulator, against the recordings of both servers; and that conditions really filter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import Emulator
from tests.contract.test_emulator_helpers import AGES, UNKNOWN_ID, recorded_body, recording, shape

METHOD = {"search_method": "semantic_search", "reranking_enable": False, "top_k": 20, "score_threshold_enabled": False}
NEWEST = "1.14"


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    with ExitStack() as stack:
        yield {age: stack.enter_context(Emulator(age, token_delay_s=0)) for age in ("2023", *AGES)}


def call(
    emulator: Emulator, method: str, path: str, body: Any = None, key: str = "", **query: Any
) -> requests.Response:
    headers = {"Authorization": f"Bearer {key or emulator.dataset_key}"}
    url = f"{emulator.dify_url}/datasets{path}"
    return requests.request(method, url, json=body, params=query, headers=headers, timeout=5)


def search(emulator: Emulator, query: str, base: str = "saltmouth-visitors", **model: Any) -> Any:
    body = {"query": query} | ({"retrieval_model": {**METHOD, **model}} if model else {})
    return call(emulator, "POST", f"/{emulator.datasets[base]}/retrieve", body).json()


def documents_in(found: Any) -> set[str]:
    return {record["segment"]["document"]["name"] for record in found["records"]}


@pytest.mark.parametrize(
    ("name", "base"),
    [("dataset-retrieve-default", "Around the harbour"), ("dataset-retrieve-semantic", "saltmouth-visitors")],
)
@pytest.mark.parametrize("age", AGES)
def test_a_search_is_answered_with_the_recorded_keys(
    emulators: dict[str, Emulator], age: str, name: str, base: str
) -> None:
    # The lighthouse has no metadata, as the recorded documents had none.
    ours = search(emulators[age], "lighthouse steps", base, **({"top_k": 1} if base[0] == "s" else {}))
    theirs = recorded_body(age, name)
    assert documents_in(ours) == {"lighthouse.md"}
    for body in (ours, theirs):
        body["records"][0]["segment"]["position"] = 1
    assert shape(ours) == shape(theirs)


@pytest.mark.parametrize("age", AGES)
def test_the_knowledge_bases_are_listed_with_the_recorded_keys(emulators: dict[str, Emulator], age: str) -> None:
    ours = call(emulators[age], "GET", "", page=1, limit=20).json()
    theirs = recorded_body(age, "datasets-list")
    for one in (*ours["data"], *theirs["data"]):
        one.pop("doc_metadata", None)
    assert {one["id"] for one in ours["data"]} == set(emulators[age].datasets.values())
    # The recorded ones were an economy base and, before it, one with embeddings.
    for technique in ("high_quality", "economy"):
        (mine, *_), (other,) = (
            [one for one in body["data"] if one["indexing_technique"] == technique] for body in (ours, theirs)
        )
        assert shape(mine) == shape(other)
    assert [(key, type(value)) for key, value in ours.items()] == [(key, type(value)) for key, value in theirs.items()]
    assert call(emulators[age], "GET", "", page=2, limit=2).json()["total"] == 3
    assert len(call(emulators[age], "GET", "", page=2, limit=2).json()["data"]) == 1


@pytest.mark.parametrize("age", AGES)
def test_documents_are_listed_with_the_recorded_keys(emulators: dict[str, Emulator], age: str) -> None:
    path = f"/{emulators[age].datasets['saltmouth-visitors']}/documents"
    ours = call(emulators[age], "GET", path, page=1, limit=20).json()
    theirs = recorded_body(age, "dataset-documents")
    assert len(ours["data"]) == 7
    ours["data"] = [one for one in ours["data"] if one["name"] == "lighthouse.md"]
    for body in (ours, theirs):
        for one in body["data"]:
            del one["position"]
    assert shape(ours) == shape(theirs)


REFUSED = (
    "err-dataset-app-key", "err-dataset-bad-key", "err-dataset-empty-query", "err-dataset-no-query",
    "err-dataset-retrieval-model-partial", "dataset-retrieve-unknown-search-method", "dataset-retrieve-no-match",
)  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("age", AGES)
def test_a_search_is_refused_or_comes_to_nothing_in_the_recorded_words(
    emulators: dict[str, Emulator], age: str, name: str
) -> None:
    emulator, exchange = emulators[age], recording(age, name)
    key = {"err-dataset-app-key": emulator.dify_key, "err-dataset-bad-key": "dataset-doesnotexist000"}.get(name, "")
    path = f"/{emulator.datasets['saltmouth-visitors']}/retrieve"
    response = call(emulator, "POST", path, exchange["request"]["body"], key)
    expected = exchange["response"]
    assert (response.status_code, response.text) == (expected["status"], expected["body"])
    assert set(response.headers) == set(expected["headers"])


def test_an_app_does_not_open_to_the_knowledge_bases_key(emulators: dict[str, Emulator]) -> None:
    emulator = emulators[NEWEST]
    headers = {"Authorization": f"Bearer {emulator.dataset_key}"}
    assert requests.get(f"{emulator.dify_url}/info", headers=headers, timeout=5).status_code == 401
    assert emulator.requests[-1].app is None
    search(emulator, "ferry")
    assert (emulator.requests[-1].app, emulator.requests[-1].body) == ("datasets", {"query": "ferry"})


def test_too_long_a_query_and_an_unknown_base_are_refused(emulators: dict[str, Emulator]) -> None:
    for age in AGES:
        emulator = emulators[age]
        too_long = call(emulator, "POST", f"/{emulator.datasets['saltmouth-visitors']}/retrieve", {"query": "x" * 251})
        assert (too_long.status_code, too_long.json()["code"]) == (400, "invalid_param")
        unknown = call(emulator, "POST", f"/{UNKNOWN_ID}/retrieve", {"query": "x"})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        no_uuid = call(emulator, "POST", "/base-1/retrieve", {"query": "x"})
        assert (no_uuid.status_code, no_uuid.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_the_age_of_2023_has_no_knowledge_bases_to_search(emulators: dict[str, Emulator]) -> None:
    assert call(emulators["2023"], "GET", "").status_code == 404


ZH = "游客指南.md"
CONDITIONS: list[tuple[str, str, Any, set[str]]] = [
    ("lang", "is", "zh", {ZH}),
    ("topic", "is not", "ferry", {"harbour.md", "museum.md", "tickets.md", "refunds.md", ZH}),
    ("topic", "in", ["ferry", "tickets"], {"ferry.md", "tickets.md", "refunds.md"}),
    ("topic", "not in", "ferry,tickets", {"harbour.md", "museum.md", ZH}),
    ("topic", "contains", "muse", {"museum.md", ZH}),
    ("topic", "not contains", "e", {"harbour.md"}),
    ("topic", "start with", "tick", {"tickets.md", "refunds.md"}),
    ("topic", "end with", "bour", {"harbour.md"}),
    ("year", "=", 2023, {"museum.md"}),
    ("year", "≠", 2025, {"harbour.md", "museum.md", "refunds.md"}),
    ("year", "≥", "2025", {"ferry.md", "tickets.md", ZH}),
    ("year", "<", 2025, {"harbour.md", "museum.md", "refunds.md"}),
    ("lang", "empty", None, {"lighthouse.md"}),
    ("lang", "is", "fr", set()),
]
WIDE = "harbour ferry museum ticket lighthouse 博物馆"  # something of every document


@pytest.mark.parametrize(("name", "operator", "value", "expected"), CONDITIONS)
def test_conditions_filter(
    emulators: dict[str, Emulator], name: str, operator: str, value: Any, expected: set[str]
) -> None:
    condition = {"name": name, "comparison_operator": operator, "value": value}
    wanted = {"logical_operator": "and", "conditions": [condition]}
    found = documents_in(search(emulators[NEWEST], WIDE, top_k=20, metadata_filtering_conditions=wanted))
    assert found == expected


def test_conditions_join_by_and_or_or_and_an_unknown_operator_is_refused(emulators: dict[str, Emulator]) -> None:
    conditions = [
        {"name": "topic", "comparison_operator": "is", "value": "ferry"},
        {"name": "topic", "comparison_operator": "is", "value": "museum"},
    ]
    either = {"logical_operator": "or", "conditions": conditions}
    assert documents_in(search(emulators[NEWEST], "museum ferry", metadata_filtering_conditions=either)) >= {
        "ferry.md", "museum.md",
    }  # fmt: skip
    both = {"logical_operator": "and", "conditions": conditions}
    assert search(emulators[NEWEST], "museum ferry", metadata_filtering_conditions=both)["records"] == []
    odd = {"conditions": [{"name": "topic", "comparison_operator": "~", "value": "x"}]}
    assert search(emulators[NEWEST], "museum", metadata_filtering_conditions=odd)["code"] == "invalid_param"


def test_0_15_knows_no_conditions_and_says_no_word(emulators: dict[str, Emulator]) -> None:
    never = {"conditions": [{"name": "topic", "comparison_operator": "is", "value": "nothing"}]}
    assert search(emulators["0.15"], "ferry", metadata_filtering_conditions=never)["records"]


@pytest.mark.parametrize("age", AGES)
def test_a_threshold_counts_where_there_are_scores(emulators: dict[str, Emulator], age: str) -> None:
    scores = [record["score"] for record in search(emulators[age], "ferry", top_k=20)["records"]]
    assert scores == sorted(scores, reverse=True)
    least = {"score_threshold_enabled": True, "score_threshold": scores[1]}
    assert [record["score"] for record in search(emulators[age], "ferry", **least)["records"]] == scores[:2]
    by_words = search(emulators[age], "ferry", "Around the harbour")
    assert {record["score"] for record in by_words["records"]} == ({None} if age == "0.15" else {0.0})


@pytest.mark.parametrize("age", AGES)
def test_an_economy_base_has_no_model_to_search_with(emulators: dict[str, Emulator], age: str) -> None:
    refused = search(emulators[age], "ferry", "Around the harbour", search_method="hybrid_search")
    assert refused["code"] == "provider_not_initialize"


@pytest.mark.parametrize("age", AGES)
def test_sentences_are_found_and_their_segment_given(emulators: dict[str, Emulator], age: str) -> None:
    (record,) = search(emulators[age], "compass", "Museum and tickets")["records"]
    (child,) = record["child_chunks"]
    assert child["content"] in record["segment"]["content"] != child["content"]
    assert list(child) == ["id", "content", "position", "score"]
    ids = [found["segment"]["id"] for base in ("Museum and tickets", "saltmouth-visitors")
           for found in search(emulators[age], "compass", base)["records"]]  # fmt: skip
    assert len(set(ids)) == len(ids)


def test_documents_and_metadata_may_be_yours() -> None:
    told = {"a.md": "Cats sleep.", "b.md": "Cats purr."}
    with Emulator(documents=told, metadata={"b.md": {"lang": "en"}}) as emulator:
        assert list(emulator.datasets) == ["documents"]
        wanted = {"conditions": [{"name": "lang", "comparison_operator": "not empty"}]}
        found = search(emulator, "cats", "documents", metadata_filtering_conditions=wanted)
        assert documents_in(found) == {"b.md"}
        assert found["records"][0]["segment"]["document"]["doc_metadata"] == {"lang": "en"}
        assert json.dumps(found)
