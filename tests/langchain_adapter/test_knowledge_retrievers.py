"""Retrievers of knowledge bases: LangChain's own suite, options per call, traces, what leaves the process."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest
from langchain_core.exceptions import ModelAuthenticationError, ModelInvalidRequestError, ModelNotFoundError
from langchain_core.load import dumpd, load
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnablePassthrough
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from langchain_tests.integration_tests import RetrieversIntegrationTests

from langchain_chatbots import DifyKnowledgeRetriever, GPTBotsKnowledgeRetriever, RemoteKnowledgeRetriever
from remote_chatbots import BotAuthError, BotUsageError, Timeouts
from remote_chatbots.emulator import Emulator, Hang
from tests.langchain_adapter.asking import MakeModel
from tests.tracebacks import with_locals

QUESTION = "When does the ferry leave?"
KEY = "dataset-a-key-that-must-not-show"
MAIN = "saltmouth-visitors"


class TestDifyKnowledgeRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _reached(self, emulator: Emulator) -> None:
        self._emulator = emulator

    @property
    def retriever_constructor(self) -> type[RemoteKnowledgeRetriever]:
        return DifyKnowledgeRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        where = {"api_key": self._emulator.dataset_key, "base_url": self._emulator.dify_url}
        return {**where, "dataset_id": self._emulator.datasets[MAIN]}

    @property
    def retriever_query_example(self) -> str:
        return "ferry museum"


class TestSeveralBases(TestDifyKnowledgeRetriever):
    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {**super().retriever_constructor_params, "dataset_id": list(self._emulator.datasets.values())}


class TestGPTBotsKnowledgeRetriever(TestDifyKnowledgeRetriever):
    @property
    def retriever_constructor(self) -> type[RemoteKnowledgeRetriever]:
        return GPTBotsKnowledgeRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"api_key": self._emulator.gptbots_key, "base_url": self._emulator.gptbots_url}


def retriever(emulator: Emulator, **fields: Any) -> DifyKnowledgeRetriever:
    where = {"api_key": emulator.dataset_key, "base_url": emulator.dify_url, "dataset_id": emulator.datasets[MAIN]}
    return DifyKnowledgeRetriever(**{**where, **fields})


async def test_a_document_has_every_key_of_the_server(emulator: Emulator) -> None:
    asked = retriever(emulator, k=1)
    (document,) = asked.invoke("pier 3 ferry crossing")
    (awaited,) = await asked.ainvoke("pier 3 ferry crossing")
    assert document.page_content == awaited.page_content
    assert "pier 3" in document.page_content
    told = document.metadata
    assert document.id == told["segment_id"] == awaited.id
    assert (told["source"], told["title"], told["dataset_id"]) == ("ferry.md", "ferry.md", emulator.datasets[MAIN])
    assert isinstance(told["score"], float)
    assert told["doc_metadata"]["topic"] == "ferry"
    keys = {"word_count", "hit_count", "index_node_hash", "document_id", "child_chunks", "tsne_position", "keywords"}
    assert keys <= set(told)
    assert "content" not in told
    assert json.dumps(told)


async def test_every_option_may_be_given_per_call(emulator: Emulator) -> None:
    asked = retriever(emulator, k=3)
    bases = list(emulator.datasets.values())
    museum = [{"name": "topic", "comparison_operator": "is", "value": "museum"}]
    options = {"search_method": "hybrid_search", "score_threshold": 0.1, "metadata_filtering_conditions": museum}
    for documents in (
        asked.invoke("museum ferry", top_k=1, **options),
        await asked.ainvoke("museum ferry", k=1, **options),
    ):
        assert [document.metadata["doc_metadata"]["topic"] for document in documents] == ["museum"]
        body = emulator.requests[-1].body["retrieval_model"]
        assert (body["search_method"], body["top_k"], body["score_threshold"]) == ("hybrid_search", 1, 0.1)
    found = asked.invoke("museum ferry", dataset_id=bases)
    assert [document.metadata["dataset_id"] for document in found] == bases
    assert len(asked.invoke("museum ferry")) == len(asked.invoke("museum ferry", k=None)) == 3


async def test_many_queries_at_once_come_back_in_order(emulator: Emulator) -> None:
    asked = retriever(emulator, k=1)
    queries = ["compass of 1742", "pier 3 ferry", "lighthouse steps"] * 5
    batches = (asked.batch(queries, k=1), await asked.abatch(queries))
    for found in batches:
        sources = [documents[0].metadata["source"] for documents in found]
        assert sources == ["museum.md", "ferry.md", "lighthouse.md"] * 5


def test_fields_may_be_configured(emulator: Emulator) -> None:
    asked = retriever(emulator).configurable_fields(k=ConfigurableField("k"))
    assert len(asked.invoke("museum ferry", {"configurable": {"k": 1}})) == 1


def test_it_feeds_a_chain(emulator: Emulator, make_model: MakeModel) -> None:
    def joined(documents: list[Any]) -> str:
        return " ".join(document.page_content for document in documents)

    prompt = ChatPromptTemplate.from_template("[[echo]]{context}")
    chain = {"context": retriever(emulator, k=1) | joined, "question": RunnablePassthrough()} | prompt
    assert "Gull Island" in (chain | make_model() | StrOutputParser()).invoke("ferry pier 3")


def test_a_passage_without_an_id_has_one_of_ours_that_stays(emulator: Emulator) -> None:
    asked = GPTBotsKnowledgeRetriever(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, k=3)
    first, again = asked.invoke("museum ferry"), asked.invoke("museum ferry")
    assert [document.id for document in first] == [document.id for document in again]
    assert len({document.id for document in first}) == 3
    assert {"source", "title", "score", "data_id"} <= set(first[0].metadata)


async def test_it_does_not_hold_up_the_loop(emulator: Emulator) -> None:
    asked = retriever(emulator)
    await asked.ainvoke(QUESTION)
    emulator.faults.add(Hang(before_head=True, for_s=0.5), path="*/retrieve")
    searching = asyncio.ensure_future(asked.ainvoke(QUESTION))
    turns = 0
    while not searching.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 5
    assert await searching


async def test_errors_are_ours_and_langchains(emulator: Emulator) -> None:
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"api_key": emulator.dify_key}, ModelAuthenticationError, "api_key is an app's"),
        ({"api_key": "dataset-wrong"}, ModelAuthenticationError, "Check api_key"),
        ({"dataset_id": "00000000-0000-4000-8000-000000000000"}, ModelNotFoundError, "Give dataset_id"),
        ({"dataset_id": ""}, ModelInvalidRequestError, "dataset_id must be"),
        ({"dataset_id": ()}, ModelInvalidRequestError, "no knowledge base"),
    ]
    for fields, kind, words in cases:
        with pytest.raises(kind, match=words):
            retriever(emulator, **fields).invoke(QUESTION)
        with pytest.raises(kind, match=words):
            await retriever(emulator, **fields).ainvoke(QUESTION)
    with pytest.raises(BotAuthError):
        retriever(emulator, api_key="dataset-wrong").invoke(QUESTION)
    with pytest.raises(BotUsageError, match="at most 250"):
        retriever(emulator).invoke("x" * 251)
    with pytest.raises(BotUsageError, match="Did you mean search_method"):
        retriever(emulator, search_metod="x")
    with pytest.raises(BotUsageError, match="search_metod is no option of a search"):
        retriever(emulator).invoke(QUESTION, search_metod="x")
    for wrong in ({"k": 0}, {"k": "2"}, {"search_method": "magic"}, {"score_threshold": "high"}, {"weights": 3}):
        with pytest.raises(BotUsageError, match=next(iter(wrong))):
            retriever(emulator, **wrong)
        with pytest.raises(BotUsageError, match=next(iter(wrong))):
            retriever(emulator).invoke(QUESTION, **wrong)


def test_the_key_is_read_from_its_own_variable_and_from_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_API_KEY", "app-x")
    monkeypatch.setenv("DIFY_BASE_URL", "https://dify.example")
    monkeypatch.delenv("DIFY_DATASET_API_KEY", raising=False)
    with pytest.raises(BotUsageError, match=r"api_key is missing\..*set DIFY_DATASET_API_KEY"):
        DifyKnowledgeRetriever(dataset_id="x")
    monkeypatch.setenv("DIFY_DATASET_API_KEY", KEY)
    made = DifyKnowledgeRetriever(dataset_id="x")
    assert (made.api_key.get_secret_value(), made.base_url) == (KEY, "https://dify.example")
    monkeypatch.setenv("GPTBOTS_API_KEY", "app-y")
    assert GPTBotsKnowledgeRetriever().api_key.get_secret_value() == "app-y"


def held() -> DifyKnowledgeRetriever:
    secret = {"X-Gateway": "gateway-secret"}
    return DifyKnowledgeRetriever(
        api_key=KEY, base_url="https://dify.example", dataset_id=["a", "b"], k=2, default_headers=secret,
        timeout=Timeouts(connect_s=1, silence_s=2, total_s=3),
    )  # fmt: skip


def test_dumpd_and_load_give_an_equal_retriever_whose_key_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DIFY_DATASET_API_KEY", KEY)
    dumped = json.loads(json.dumps(dumpd(held())))
    assert KEY not in str(dumped)
    again = load(
        dumped, allowed_objects=[DifyKnowledgeRetriever], valid_namespaces=["langchain_chatbots"],
        secrets_from_env=True,
    )  # fmt: skip
    assert (again.dataset_id, again.k, again.base_url) == (["a", "b"], 2, "https://dify.example")
    assert again.api_key.get_secret_value() == KEY
    assert Timeouts.of(again.timeout) == Timeouts(1, 2, 3)


def test_the_key_is_in_a_pickle_alone(emulator: Emulator) -> None:
    asked = retriever(emulator)
    asked.invoke(QUESTION)
    again = pickle.loads(pickle.dumps(asked))
    assert again.invoke(QUESTION)
    made = held()
    shown = f"{made!r} {made} {made.model_dump()} {made.model_dump_json()} {dumpd(made)} {made.bind(k=1)}"
    shown += f"{made._sync_client()!r} {made._loop_client()!r}"
    assert KEY not in shown
    assert "gateway-secret" not in shown


@pytest.mark.parametrize("fields", [{"base_url": "nowhere"}, {"k": object()}, {"usr": "x"}, {"weights": "x"}])
def test_no_local_of_ours_shows_the_key_where_a_field_is_wrong(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFY_DATASET_API_KEY", KEY)
    with pytest.raises(BotUsageError) as caught:
        DifyKnowledgeRetriever(**fields)
    assert KEY not in with_locals(caught.value)
    assert KEY not in str(caught.value)


def test_a_trace_names_the_retriever_and_holds_no_key(emulator: Emulator) -> None:
    class Keeper(BaseTracer):
        def _persist_run(self, run: Run) -> None:
            kept.append(run)

    kept: list[Run] = []
    retriever(emulator, tags=["mine"], metadata={"team": "harbour"}).invoke(QUESTION, {"callbacks": [Keeper()]})
    with pytest.raises(BotUsageError):
        retriever(emulator).invoke(" ", {"callbacks": [Keeper()]})
    told = kept[0].extra["metadata"]
    assert (told["ls_retriever_name"], told["ls_vector_store_provider"]) == ("difyknowledge", "dify")
    assert told["team"] == "harbour"
    assert (kept[0].run_type, kept[0].name) == ("retriever", "DifyKnowledgeRetriever")
    assert len(kept[0].outputs["documents"]) == 3  # type: ignore[index]
    assert "the query is empty" in str(kept[1].error)
    assert emulator.dataset_key not in " ".join(f"{run.model_dump(warnings=False)} {run.error}" for run in kept)
