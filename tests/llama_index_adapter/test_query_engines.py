"""The query engine and the retriever as parts: in a tool, in a router, under LlamaIndex's evaluators."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import CompletionResponse
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.evaluation import FaithfulnessEvaluator, RelevancyEvaluator
from llama_index.core.instrumentation.events.query import QueryEndEvent, QueryStartEvent
from llama_index.core.llms import CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.schema import MetadataMode, NodeRelationship
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.tools import QueryEngineTool

from llama_index_chatbots import DifyRetriever, GPTBots, GPTBotsRetriever, RemoteQueryEngine, source_nodes
from llama_index_chatbots.conformance.listening import listening
from remote_chatbots import BotServerError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import AGAIN, KINDS, QUESTION, MakeLLM, sent


class Scripted(CustomLLM):
    """An LLM that says what it is told to, and keeps what it was asked."""

    says: str
    asked: list[str] = []

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="scripted")

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        self.asked.append(prompt)
        return CompletionResponse(text=self.says)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        yield self.complete(prompt)


async def test_a_gptbots_agent_gives_its_sources_unless_that_is_switched_off(emulator: Emulator) -> None:
    where = {"api_key": emulator.gptbots_key, "base_url": emulator.gptbots_url, "user": "anna"}
    llm = GPTBots(**where)
    written = GPTBots.from_dict(llm.to_dict(), api_key=emulator.gptbots_key)
    retriever = GPTBotsRetriever(**where)
    again = GPTBotsRetriever.from_dict(retriever.to_dict(), api_key=emulator.gptbots_key)
    found = [retriever.retrieve(QUESTION), await GPTBotsRetriever.from_llm(llm).aretrieve(QUESTION)]
    found += [again.retrieve(QUESTION)]
    found += [RemoteQueryEngine.from_llm(one).query(QUESTION).source_nodes for one in (llm, written)]
    found += [(await RemoteQueryEngine.from_llm(llm).aquery(QUESTION)).source_nodes]
    for nodes in found:
        assert [node.metadata["source"] for node in nodes] == ["ferry.md"] * 3

    off = GPTBots(**where, fetch_sources=False)
    assert (
        GPTBotsRetriever.from_llm(off).retrieve(QUESTION) == RemoteQueryEngine(off).query(QUESTION).source_nodes == []
    )
    assert source_nodes(llm.complete(QUESTION)) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_has_its_sources_however_it_is_asked_for(make_llm: MakeLLM, kind: str) -> None:
    llm = make_llm(kind)
    whole, streaming = RemoteQueryEngine.from_llm(llm), RemoteQueryEngine.from_llm(llm, streaming=True)
    streamed, astreamed = streaming.query(QUESTION), await streaming.aquery(QUESTION)
    assert isinstance(streamed, StreamingResponse)
    assert isinstance(astreamed, AsyncStreamingResponse)
    answers = [whole.query(QUESTION), await whole.aquery(QUESTION), streamed.get_response()]
    answers.append(await astreamed.get_response())
    for answer in answers:
        assert isinstance(answer, Response)
        assert "9:00" in str(answer)
        assert [node.metadata["source"] for node in answer.source_nodes] == ["ferry.md"] * 3
        assert answer.metadata is not None
        assert answer.metadata["usage"]["total_tokens"] > 0
    assert len({answer.metadata["conversation_id"] for answer in answers}) == 4  # type: ignore[index]


def test_a_conversation_may_be_named(make_llm: MakeLLM) -> None:
    llm = make_llm()
    begun = llm.complete(QUESTION).additional_kwargs["conversation_id"]
    assert QUESTION in str(RemoteQueryEngine.from_llm(llm, conversation_id=begun).query(AGAIN))


def test_a_query_is_told_once(make_llm: MakeLLM) -> None:
    with listening() as listener:
        RemoteQueryEngine.from_llm(make_llm()).query(QUESTION)
    assert listener.count(QueryStartEvent) == listener.count(QueryEndEvent) == 1


def test_an_error_in_mid_stream_reaches_the_reader(make_llm: MakeLLM) -> None:
    streamed = RemoteQueryEngine.from_llm(make_llm(), streaming=True).query("[[failmid]] Tell me")
    with pytest.raises(BotServerError) as caught:
        str(streamed)
    assert caught.value.partial_text


async def test_it_is_a_tool(make_llm: MakeLLM) -> None:
    tool = QueryEngineTool.from_defaults(RemoteQueryEngine.from_llm(make_llm()), name="harbour", description="Ferries.")
    assert "9:00" in str(tool.call(QUESTION))
    assert "9:00" in str(await tool.acall(QUESTION))
    assert len(tool.call(QUESTION).raw_output.source_nodes) == 3


async def test_it_stands_behind_a_router(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm()
    judge = Scripted(says='[{"choice": 2, "reason": "It is about ferries."}]')
    other = QueryEngineTool.from_defaults(RemoteQueryEngine.from_llm(make_llm(user="nobody")), description="Museums.")
    ours = QueryEngineTool.from_defaults(RemoteQueryEngine.from_llm(llm), description="Ferries.")
    synthesizer = get_response_synthesizer(llm=judge, response_mode=ResponseMode.SIMPLE_SUMMARIZE)
    router = RouterQueryEngine(LLMSingleSelector.from_defaults(judge), [other, ours], llm=judge, summarizer=synthesizer)
    assert "9:00" in str(router.query(QUESTION))
    assert "9:00" in str(await router.aquery(QUESTION))
    assert len(sent(emulator, llm.user)) == 2
    assert sent(emulator, "nobody") == []


@pytest.mark.parametrize("evaluator", [FaithfulnessEvaluator, RelevancyEvaluator])
@pytest.mark.parametrize("says", ["YES", "NO"])
async def test_the_evaluators_judge_its_answers(make_llm: MakeLLM, evaluator: Any, says: str) -> None:
    judge = Scripted(says=says, asked=[])
    response = await RemoteQueryEngine.from_llm(make_llm()).aquery(QUESTION)
    result = await evaluator(llm=judge).aevaluate_response(QUESTION, response)
    assert result.passing is (says == "YES")
    assert "pier 3" in judge.asked[-1]


# Nodes


def test_a_source_is_a_node_of_its_document(make_llm: MakeLLM) -> None:
    answer = make_llm().complete(QUESTION)
    told = answer.raw["retriever_resources"][0]  # type: ignore[index]
    node = source_nodes(answer)[0]
    assert (node.node_id, node.score, node.text) == (told["segment_id"], told["score"], told["content"])
    document = node.node.relationships[NodeRelationship.SOURCE]
    assert document.node_id == told["document_id"]  # type: ignore[union-attr]
    assert node.metadata["title"] == node.metadata["source"] == told["document_name"]
    assert node.metadata["message_id"] == answer.additional_kwargs["message_id"]
    assert node.node.get_content(MetadataMode.LLM) == f"title: {told['document_name']}\n\n{told['content']}"


def test_what_names_no_sources_has_none(make_llm: MakeLLM) -> None:
    assert source_nodes(make_llm().complete("[[echo]]nothing to find")) == []
    assert source_nodes([]) == []


def test_the_newest_answer_of_a_history_is_meant(make_llm: MakeLLM) -> None:
    from llama_index_chatbots import RemoteChatEngine

    engine = RemoteChatEngine.from_llm(make_llm())
    answer = engine.chat(QUESTION)
    assert source_nodes(answer) == source_nodes(engine.chat_history)
    engine.chat("[[echo]]nothing to find")
    assert source_nodes(engine.chat_history) == []


# Retrievers


async def test_the_answer_stands_beside_each_node_and_no_model_reads_it(make_llm: MakeLLM) -> None:
    llm = make_llm()
    for nodes in (DifyRetriever.from_llm(llm).retrieve(QUESTION), await DifyRetriever(llm, k=2).aretrieve(QUESTION)):
        first = nodes[0]
        assert "9:00" in first.metadata["answer_text"]
        assert len(first.metadata["answer_conversation_id"]) == len(first.metadata["answer_message_id"]) == 36
        assert "answer" not in first.node.get_content(MetadataMode.LLM)
        assert "answer" not in first.node.get_content(MetadataMode.EMBED)
    assert len(nodes) == 2


def test_a_bot_without_sources_gives_none(make_llm: MakeLLM) -> None:
    assert DifyRetriever(make_llm()).retrieve("[[echo]]nothing to find") == []


def test_it_feeds_a_synthesizer(make_llm: MakeLLM) -> None:
    judge = Scripted(says="At nine.", asked=[])
    synthesizer = get_response_synthesizer(llm=judge, response_mode=ResponseMode.SIMPLE_SUMMARIZE)
    answer = RetrieverQueryEngine(DifyRetriever(make_llm()), synthesizer).query(QUESTION)
    assert str(answer) == "At nine."
    assert "pier 3" in judge.asked[0]


@pytest.mark.parametrize("k", [0, -1, 1.5, "2", True])
def test_a_number_of_nodes_that_is_none_is_refused(make_llm: MakeLLM, k: Any) -> None:
    with pytest.raises(BotUsageError, match="k must be"):
        DifyRetriever(make_llm(), k=k)


def test_its_fields_are_the_bots(emulator: Emulator) -> None:
    fields = {"api_key": emulator.dify_key, "base_url": emulator.dify_url, "user": "anna"}
    assert DifyRetriever(**fields).retrieve(QUESTION)
    with pytest.raises(BotUsageError, match="Did you mean user"):
        DifyRetriever(**fields, usr="x")
