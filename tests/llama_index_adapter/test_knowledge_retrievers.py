"""Retrievers of knowledge bases: the suite, as parts of LlamaIndex's own, and what leaves the process."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager
from llama_index.core.instrumentation.events.retrieval import RetrievalEndEvent
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import MetadataMode, NodeRelationship, TextNode
from llama_index.core.tools import RetrieverTool
from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from llama_index_chatbots import DifyKnowledgeRetriever, GPTBotsKnowledgeRetriever, RemoteKnowledgeRetriever
from llama_index_chatbots.conformance import RetrieverConformance
from llama_index_chatbots.conformance.listening import CallbackListener, listening
from remote_chatbots import BotAuthError, BotUsageError, Timeouts
from remote_chatbots.emulator import Emulator

QUESTION = "museum ferry"
KEY = "dataset-a-key-that-must-not-show"
MAIN = "saltmouth-visitors"


def retriever(emulator: Emulator, **fields: Any) -> DifyKnowledgeRetriever:
    where = {"api_key": emulator.dataset_key, "base_url": emulator.dify_url, "dataset_id": emulator.datasets[MAIN]}
    return DifyKnowledgeRetriever(**{**where, **fields})


def of_agent(emulator: Emulator, **fields: Any) -> GPTBotsKnowledgeRetriever:
    return GPTBotsKnowledgeRetriever(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, **fields)


class TestDifyKnowledgeRetriever(RetrieverConformance):
    query = QUESTION

    @pytest.fixture(autouse=True)
    def _reached(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def make_retriever(self) -> RemoteKnowledgeRetriever:
        return retriever(self._emulator)

    def make_retriever_of(self, k: int) -> RemoteKnowledgeRetriever:
        return retriever(self._emulator, similarity_top_k=k)


class TestGPTBotsKnowledgeRetriever(TestDifyKnowledgeRetriever):
    def make_retriever(self) -> RemoteKnowledgeRetriever:
        return of_agent(self._emulator)

    def make_retriever_of(self, k: int) -> RemoteKnowledgeRetriever:
        return of_agent(self._emulator, k=k)


async def test_a_node_has_every_key_of_the_server(emulator: Emulator) -> None:
    asked = retriever(emulator, k=1)
    for (found,) in (asked.retrieve("pier 3 ferry"), await asked.aretrieve("pier 3 ferry")):
        told = found.node.metadata
        assert found.node_id == told["segment_id"]
        assert (told["source"], told["title"], told["score"]) == ("ferry.md", "ferry.md", found.score)
        assert {"word_count", "doc_metadata", "child_chunks", "dataset_id", "document_id"} <= set(told)
        source = found.node.relationships[NodeRelationship.SOURCE]
        assert source.node_id == told["document_id"]  # type: ignore[union-attr]
        assert found.node.get_content(MetadataMode.LLM).startswith("title: ferry.md")
        assert told["document_id"] not in found.node.get_content(MetadataMode.LLM)


def test_a_score_that_is_none_is_none(emulator: Emulator) -> None:
    with Emulator("0.15") as older:
        by_words = retriever(older, dataset_id=older.datasets["Around the harbour"]).retrieve("ferry")
    assert {node.score for node in by_words} == {None}
    newer = retriever(emulator, dataset_id=emulator.datasets["Around the harbour"]).retrieve("ferry")
    assert {node.score for node in newer} == {0.0}


async def test_options_make_another_retriever_that_shares_connections(emulator: Emulator) -> None:
    asked = retriever(emulator)
    bases = [emulator.datasets[name] for name in (MAIN, "Museum and tickets")]
    other = asked.with_options(similarity_top_k=2, search_method="hybrid_search").with_options(dataset_id=bases)
    assert [node.metadata["dataset_id"] for node in other.retrieve(QUESTION)] == bases
    assert [node.metadata["dataset_id"] for node in await other.aretrieve(QUESTION)] == bases
    assert len(asked.retrieve(QUESTION)) == 3
    assert other._fields._sync_client() is asked._fields._sync_client()
    for wrong in ({"k": 0}, {"search_method": "magic"}, {"usr": "x"}, {"dataset_id": [5]}):
        with pytest.raises(BotUsageError, match=next(iter(wrong))):
            asked.with_options(**wrong)
    with pytest.raises(BotUsageError, match="search_method is no option"):
        of_agent(emulator).with_options(search_method="hybrid_search")


FILTERS: list[tuple[Any, Any, Any, set[str]]] = [
    ("topic", FilterOperator.EQ, "museum", {"museum.md", "游客指南.md"}),
    ("topic", FilterOperator.NE, "museum", {"harbour.md", "ferry.md", "tickets.md", "refunds.md"}),
    ("topic", FilterOperator.IN, ["ferry", "harbour"], {"ferry.md", "harbour.md"}),
    ("topic", FilterOperator.TEXT_MATCH, "tick", {"tickets.md", "refunds.md"}),
    ("year", FilterOperator.EQ, 2023, {"museum.md"}),
    ("year", FilterOperator.GTE, 2025, {"ferry.md", "tickets.md", "游客指南.md"}),
    ("lang", FilterOperator.IS_EMPTY, None, {"lighthouse.md"}),
]
WIDE = "harbour ferry museum ticket lighthouse 博物馆"  # something of every document


@pytest.mark.parametrize(("key", "operator", "value", "expected"), FILTERS)
def test_filters_of_llama_index_filter(
    emulator: Emulator, key: str, operator: FilterOperator, value: Any, expected: set[str]
) -> None:
    filters = MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])
    for asked in (retriever(emulator, k=20, filters=filters), retriever(emulator, k=20).with_options(filters=filters)):
        assert {node.metadata["source"] for node in asked.retrieve(WIDE)} == expected


def test_filters_join_and_what_dify_has_not_is_refused(emulator: Emulator) -> None:
    one = MetadataFilter(key="topic", value="museum")
    other = MetadataFilter(key="topic", value="ferry")
    either = MetadataFilters(filters=[one, other], condition=FilterCondition.OR)
    found = retriever(emulator, k=20).with_options(filters=either).retrieve(WIDE)
    assert {node.metadata["doc_metadata"]["topic"] for node in found} == {"museum", "ferry"}
    wrong: list[tuple[Any, str]] = [
        (MetadataFilters(filters=[either]), "no filters within filters"),
        (MetadataFilters(filters=[one], condition=FilterCondition.NOT), "not by 'not'"),
        (MetadataFilters(filters=[one.model_copy(update={"operator": FilterOperator.ALL})]), "no filter 'all'"),
        ({"topic": "museum"}, "filters must be MetadataFilters"),
    ]
    for filters, words in wrong:
        with pytest.raises(BotUsageError, match=words):
            retriever(emulator, filters=filters)
    with pytest.raises(BotUsageError, match="say the same thing"):
        retriever(emulator, filters=either, metadata_filtering_conditions=[])


async def test_it_fuses_with_others(emulator: Emulator) -> None:
    parts = [
        retriever(emulator),
        retriever(emulator, dataset_id=emulator.datasets["Museum and tickets"]),
        of_agent(emulator),
    ]
    for mode in ("reciprocal_rerank", "simple"):
        told: dict[str, Any] = {"llm": MockLLM(), "num_queries": 1, "mode": mode, "similarity_top_k": 4}
        one_by_one = QueryFusionRetriever(parts, use_async=False, **told).retrieve(QUESTION)
        fused = QueryFusionRetriever(parts, use_async=True, **told)
        at_once = await asyncio.to_thread(fused.retrieve, QUESTION)
        awaited = await fused.aretrieve(QUESTION)
        assert len(one_by_one) == 4
        assert [[node.node_id for node in each] for each in (at_once, awaited)] == [
            [node.node_id for node in one_by_one]
        ] * 2


def test_a_passage_that_is_found_twice_is_fused_into_one_that_ranks_higher(emulator: Emulator) -> None:
    by_meaning, by_words = retriever(emulator), retriever(emulator, search_method="keyword_search", k=2)
    told: dict[str, Any] = {"llm": MockLLM(), "num_queries": 1, "use_async": False, "similarity_top_k": 9}
    fused = QueryFusionRetriever([by_meaning, by_words, of_agent(emulator)], mode="reciprocal_rerank", **told)
    found = fused.retrieve("When does the ferry leave?")
    assert [node.text for node in found] == list(dict.fromkeys(node.text for node in found))
    assert [found[0].score, found[1].score] == pytest.approx([3 / 60, 3 / 61])
    assert TextNode.from_dict(found[0].node.to_dict()).text == found[0].text


async def test_an_engine_answers_from_it(emulator: Emulator) -> None:
    synthesizer = get_response_synthesizer(llm=MockLLM(), response_mode="compact")  # type: ignore[arg-type]
    engine = RetrieverQueryEngine(
        retriever(emulator), synthesizer, node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=0.01)]
    )
    for answer in (engine.query(QUESTION), await engine.aquery(QUESTION)):
        assert "pier" in str(answer) or "museum" in str(answer)
        assert len(answer.source_nodes) == 3
    tool = RetrieverTool.from_defaults(retriever(emulator, k=1), name="harbour", description="Visitor information.")
    assert "pier 3" in str(tool.call("pier 3 ferry").content)


async def test_events_tell_of_the_search_and_never_of_the_key(emulator: Emulator) -> None:
    heard = CallbackListener()
    asked = retriever(emulator, callback_manager=CallbackManager([heard]))
    with listening() as listener:
        await asked.aretrieve(QUESTION)
        with pytest.raises(BotUsageError):
            asked.retrieve(" ")
    (ended,) = listener.of(RetrievalEndEvent)
    assert len(ended.nodes) == 3
    shown = "".join(f"{event!r} {event.model_dump()}" for event in listener.events) + str(heard.payloads)
    assert emulator.dataset_key not in shown


async def test_errors_are_typed(emulator: Emulator) -> None:
    with pytest.raises(BotAuthError, match="api_key is an app's"):
        retriever(emulator, api_key=emulator.dify_key).retrieve(QUESTION)
    with pytest.raises(BotAuthError, match="Check api_key"):
        await retriever(emulator, api_key="dataset-wrong").aretrieve(QUESTION)
    with pytest.raises(BotUsageError, match="at most 250"):
        await retriever(emulator).aretrieve("x" * 251)
    with pytest.raises(BotUsageError, match="Did you mean search_method"):
        retriever(emulator, search_metod="x")


def held() -> DifyKnowledgeRetriever:
    return DifyKnowledgeRetriever(
        api_key=KEY, base_url="https://dify.example", dataset_id=["a"], k=2, timeout=(1, 2, 3),
        default_headers={"X-Gateway": "gateway-secret"},
    )  # fmt: skip


def test_a_dump_gives_an_equal_retriever_whose_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.loads(json.dumps(held().with_options(k=3).to_dict()))
    assert KEY not in str(told)
    assert "gateway-secret" not in str(told)
    monkeypatch.delenv("DIFY_DATASET_API_KEY", raising=False)
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    with pytest.raises(BotUsageError, match="set DIFY_DATASET_API_KEY"):
        DifyKnowledgeRetriever.from_dict(told)
    monkeypatch.setenv("DIFY_DATASET_API_KEY", KEY)
    for again in (DifyKnowledgeRetriever.from_dict(told), DifyKnowledgeRetriever.from_dict(told, api_key=KEY)):
        assert again.to_dict() == told
        assert Timeouts.of(again._fields.timeout) == Timeouts(1, 2, 3)
        assert again._fields.api_key.get_secret_value() == KEY


def test_the_key_is_in_a_pickle_alone(emulator: Emulator) -> None:
    asked = retriever(emulator).with_options(k=1)
    asked.retrieve(QUESTION)
    assert len(pickle.loads(pickle.dumps(asked)).retrieve(QUESTION)) == 1
    shown = f"{held()!r} {held()} {vars(held())}"
    assert KEY not in shown
    assert "gateway-secret" not in shown
