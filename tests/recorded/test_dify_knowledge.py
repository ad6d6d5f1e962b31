"""Every recorded search of a knowledge base, and the lists, made again; what must come is read from the recording."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest

import langchain_chatbots
import llama_index_chatbots
from remote_chatbots import AsyncKnowledgeClient, BotAuthError, BotError, BotUsageError, DifyKnowledge, KnowledgeClient
from tests.recorded.asking import DRIVERS, TIMEOUT_S
from tests.recorded.recordings import Recording, calls_of_knowledge
from tests.recorded.replay import Received, ReplayServer, reply_of

KEY = "dataset-a-key-of-the-tests"
# Refused before they are sent, each by a message of its own.
NOT_SENT = {
    "dataset-retrieve-unknown-search-method": "search_method must be one of",
    "err-dataset-empty-query": "the query is empty",
    "err-dataset-no-query": "the query is empty",
}
# A search that is described in part is completed.
COMPLETED = "err-dataset-retrieval-model-partial"
EVERY = [exchange for exchange in calls_of_knowledge() if exchange.name != COMPLETED]
SENT = [exchange for exchange in EVERY if exchange.name not in NOT_SENT]
both_drivers = pytest.mark.parametrize("driver", DRIVERS)


def options_of(exchange: Recording) -> dict[str, Any]:
    model = dict(exchange.sent.get("retrieval_model", {}))
    if "top_k" in model:
        model["k"] = model.pop("top_k")
    return model


def made(driver: str, url: str, exchange: Recording, key: str = KEY) -> Any:
    """Make the recorded call; return what it gives, or the error that was raised."""
    path = urlsplit(exchange.target).path.split("/")[2:]
    knowledge = DifyKnowledge(key, url, path[1] if len(path) > 1 else ())

    def call(client: Any) -> Any:
        match path:
            case ["datasets"]:
                return client.knowledge_bases(limit=20)
            case ["datasets", dataset_id, "documents"]:
                return client.documents(dataset_id, limit=20)
        return client.retrieve(exchange.sent.get("query", ""), **options_of(exchange))

    async def through_a_loop() -> Any:
        async with AsyncKnowledgeClient(knowledge, timeout=TIMEOUT_S) as client:
            return await call(client)

    try:
        if driver == "aiohttp":
            return asyncio.run(through_a_loop())
        with KnowledgeClient(knowledge, timeout=TIMEOUT_S) as client:
            return call(client)
    except BotError as error:
        return error


@cache
def over_a_socket(driver: str, exchange: Recording) -> tuple[Any, list[Received]]:
    with ReplayServer(reply_of(exchange)) as server:
        got = made(driver, server.url, exchange)
    return got, server.received


def test_every_recorded_call_to_knowledge_bases_is_made_or_named() -> None:
    assert Counter(exchange.version for exchange in calls_of_knowledge()) == {"0.15.3": 13, "1.14.2": 13}
    assert set(NOT_SENT) | {COMPLETED} <= {exchange.name for exchange in calls_of_knowledge()}


@pytest.mark.parametrize("exchange", SENT, ids=str)
@both_drivers
def test_the_request_is_the_recorded_one_and_is_sent_once(driver: str, exchange: Recording) -> None:
    _, (request,) = over_a_socket(driver, exchange)
    assert (request.method, request.path) == (exchange.method, exchange.target)
    assert (json.loads(request.body) if request.body else None) == exchange.sent
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("exchange", [one for one in SENT if one.name.startswith("dataset-retrieve")], ids=str)
@both_drivers
def test_a_search_finds_what_the_server_found_with_every_key(driver: str, exchange: Recording) -> None:
    found, _ = over_a_socket(driver, exchange)
    records = json.loads(exchange.body)["records"]
    assert len(found) == len(records)
    for source, record in zip(found, records, strict=True):
        segment = record["segment"]
        document = segment["document"]
        assert (source.content, source.segment_id, source.document_id, source.title, source.score) == (
            segment["content"], segment["id"], segment["document_id"], document["name"], record["score"],
        )  # fmt: skip
        flat = segment | record | {"document_name": document["name"], "data_source_type": document["data_source_type"]}
        assert {key: source.raw[key] for key in flat if key not in ("segment", "document")} == {
            key: value for key, value in flat.items() if key not in ("segment", "document")
        }


def searched(face: Any, driver: str, url: str, exchange: Recording) -> list[Any]:
    """Make the recorded search with the retriever of a framework."""
    dataset_id = urlsplit(exchange.target).path.split("/")[3]
    made = face.DifyKnowledgeRetriever(api_key=KEY, base_url=url, dataset_id=dataset_id, timeout=TIMEOUT_S)
    query, options = exchange.sent["query"], options_of(exchange)
    if face is llama_index_chatbots:
        made = made.with_options(**options)
        found = asyncio.run(made.aretrieve(query)) if driver == "aiohttp" else made.retrieve(query)
    else:
        found = asyncio.run(made.ainvoke(query, **options)) if driver == "aiohttp" else made.invoke(query, **options)
    return list(found)


@pytest.mark.parametrize("face", [langchain_chatbots, llama_index_chatbots], ids=lambda face: face.__name__)
@pytest.mark.parametrize("exchange", [one for one in SENT if one.name.startswith("dataset-retrieve")], ids=str)
@both_drivers
def test_the_retrievers_of_both_frameworks_find_it(driver: str, exchange: Recording, face: Any) -> None:
    with ReplayServer(reply_of(exchange)) as server:
        found = searched(face, driver, server.url, exchange)
        assert [json.loads(request.body) for request in server.received] == [exchange.sent]
    records = json.loads(exchange.body)["records"]
    assert len(found) == len(records)
    for one, record in zip(found, records, strict=True):
        segment = record["segment"]
        text, id_ = (one.page_content, one.id) if hasattr(one, "page_content") else (one.text, one.node_id)
        assert (text, id_, one.metadata["score"]) == (segment["content"], segment["id"], record["score"])
        assert one.metadata["source"] == one.metadata["title"] == segment["document"]["name"]
        assert (
            one.metadata.items()
            >= {
                key: value
                for key, value in (segment | record).items()
                if key not in ("segment", "document", "content") and not isinstance(value, list)
            }.items()
        )


@pytest.mark.parametrize("exchange", [one for one in SENT if one.method == "GET"], ids=str)
@both_drivers
def test_a_list_holds_what_the_server_told(driver: str, exchange: Recording) -> None:
    listed, _ = over_a_socket(driver, exchange)
    records = json.loads(exchange.body)["data"]
    assert [one.raw for one in listed] == records
    assert [one.name for one in listed] == [record["name"] for record in records]
    if exchange.name == "datasets-list":
        counts = [(record["id"], record["document_count"]) for record in records]
        assert [(one.dataset_id, one.document_count) for one in listed] == counts
    else:
        told = [(record["id"], record["created_at"], "completed") for record in records]
        assert [(one.document_id, one.created_at, one.status) for one in listed] == told


@pytest.mark.parametrize("exchange", [one for one in SENT if one.status == 401], ids=str)
@both_drivers
def test_a_key_that_opens_nothing_is_told_from_one_of_an_app(driver: str, exchange: Recording) -> None:
    for key, words in ((KEY, "Check api_key"), ("app-of-some-bot", "api_key is an app's")):
        with ReplayServer(reply_of(exchange)) as server:
            error = made(driver, server.url, exchange, key)
        assert type(error) is BotAuthError
        assert (error.http_status, error.code) == (401, "unauthorized")
        assert words in str(error)


@pytest.mark.parametrize("exchange", [one for one in EVERY if one.name in NOT_SENT], ids=str)
@both_drivers
def test_what_a_server_refuses_or_finds_nothing_by_is_not_sent(driver: str, exchange: Recording) -> None:
    error, received = over_a_socket(driver, exchange)
    assert isinstance(error, BotUsageError)
    assert NOT_SENT[exchange.name] in str(error)
    assert received == []


@pytest.mark.parametrize("exchange", [one for one in calls_of_knowledge() if one.name == COMPLETED], ids=str)
@both_drivers
def test_a_search_that_is_described_in_part_goes_out_whole(driver: str, exchange: Recording) -> None:
    _, received = over_a_socket(driver, exchange)
    looked, *_ = received
    assert (looked.method, looked.path) == ("GET", "/v1/datasets?page=1&limit=100")
    model = json.loads(received[1].body)["retrieval_model"]
    assert model.items() >= exchange.sent["retrieval_model"].items()
    assert set(model) == {"search_method", "reranking_enable", "top_k", "score_threshold_enabled"}
