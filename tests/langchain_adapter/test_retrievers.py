"""Retrievers that ask the bot: LangChain's own suite, and the answer beside each Document."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain_core.exceptions import ModelAuthenticationError
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_tests.integration_tests import RetrieversIntegrationTests

from langchain_chatbots import ChatGPTBots, DifyRetriever, GPTBotsRetriever, sources
from remote_chatbots import BotAuthError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import KINDS, MakeModel

QUESTION = "When does the ferry leave?"


class TestDifyRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _reached(self, emulator: Emulator) -> None:
        self._emulator = emulator

    @property
    def retriever_constructor(self) -> type[DifyRetriever]:
        return DifyRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"api_key": self._emulator.dify_key, "base_url": self._emulator.dify_url, "user": "anna"}

    @property
    def retriever_query_example(self) -> str:
        return QUESTION


class TestGPTBotsRetriever(TestDifyRetriever):
    @property
    def retriever_constructor(self) -> type[GPTBotsRetriever]:  # type: ignore[override]
        return GPTBotsRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        where = {"api_key": self._emulator.gptbots_key, "base_url": self._emulator.gptbots_url}
        return {**where, "user": "anna", "corner_citation": True}


async def test_a_gptbots_agent_gives_its_sources_unless_that_is_switched_off(emulator: Emulator) -> None:
    where = {"api_key": emulator.gptbots_key, "base_url": emulator.gptbots_url, "user": "anna"}
    asking = GPTBotsRetriever(**where)
    for documents in (asking.invoke(QUESTION), await asking.ainvoke(QUESTION)):
        assert [document.metadata["source"] for document in documents] == ["ferry.md"] * 3
        assert "9:00" in documents[0].page_content
    assert GPTBotsRetriever(**where, fetch_sources=False).invoke(QUESTION) == []
    assert asking.invoke(QUESTION, fetch_sources=False) == []
    assert sources(ChatGPTBots(**where).invoke(QUESTION)) == []


def retriever(emulator: Emulator, kind: str = "chat", **fields: Any) -> DifyRetriever:
    return DifyRetriever(**{"api_key": emulator.key(kind), "base_url": emulator.dify_url, "user": "anna", **fields})


@pytest.mark.parametrize("kind", KINDS)
async def test_the_answer_stands_beside_each_source(emulator: Emulator, kind: str) -> None:
    asked = retriever(emulator, kind)
    for documents in (asked.invoke(QUESTION), await asked.ainvoke(QUESTION)):
        assert [document.metadata["source"] for document in documents] == ["ferry.md"] * 3
        for document in documents:
            assert document.page_content
            assert "9:00" in document.metadata["answer_text"]
            assert len(document.metadata["answer_conversation_id"]) == 36
            assert document.metadata["answer_message_id"] == document.metadata["message_id"]


async def test_a_bot_without_sources_gives_none(emulator: Emulator) -> None:
    assert retriever(emulator).invoke("[[echo]]nothing to find") == []
    assert await retriever(emulator).ainvoke("[[echo]]nothing to find") == []


def test_call_and_config_say_who_asks_and_how_much_is_wanted(emulator: Emulator, make_model: MakeModel) -> None:
    name = make_model().user
    asked = retriever(emulator, k=2)
    assert len(asked.invoke(QUESTION, user=f"{name}-1", k=1)) == 1
    assert len(asked.invoke(QUESTION, {"configurable": {"user": f"{name}-2", "inputs": {"guest": "Ola"}}})) == 2
    bodies = [request.body for request in emulator.requests if isinstance(request.body, dict)]
    assert [body["inputs"] for body in bodies if body.get("user") == f"{name}-1"] == [{}]
    assert [body["inputs"] for body in bodies if body.get("user") == f"{name}-2"] == [{"guest": "Ola"}]


def test_it_feeds_a_chain(emulator: Emulator, make_model: MakeModel) -> None:
    def joined(documents: list[Any]) -> str:
        return " ".join(document.page_content for document in documents)

    prompt = ChatPromptTemplate.from_template("[[echo]]{context}")
    chain = {"context": retriever(emulator, k=1) | joined, "question": RunnablePassthrough()} | prompt
    assert "pier 3" in (chain | make_model() | StrOutputParser()).invoke(QUESTION)


async def test_errors_are_typed_and_what_is_wrong_is_named(emulator: Emulator) -> None:
    for kind in (BotAuthError, ModelAuthenticationError):
        with pytest.raises(kind):
            retriever(emulator, api_key="app-wrong").invoke(QUESTION)
        with pytest.raises(kind):
            await retriever(emulator, api_key="app-wrong").ainvoke(QUESTION)
    with pytest.raises(BotUsageError, match="Did you mean user"):
        retriever(emulator, usr="x")
    with pytest.raises(BotUsageError, match="Did you mean user"):
        retriever(emulator).invoke(QUESTION, usr="x")
    for k in (0, -1, "2", True):
        with pytest.raises(BotUsageError, match="k must be"):
            retriever(emulator, k=k)
        with pytest.raises(BotUsageError, match="k must be"):
            retriever(emulator).invoke(QUESTION, k=k)


def test_the_key_is_in_a_pickle_alone(emulator: Emulator) -> None:
    asked = retriever(emulator)
    assert len(pickle.loads(pickle.dumps(asked)).invoke(QUESTION)) == 3
    shown = f"{asked!r} {asked} {asked.model_dump()} {asked.model_dump_json()} {asked.to_json()}"
    assert emulator.dify_key not in shown
