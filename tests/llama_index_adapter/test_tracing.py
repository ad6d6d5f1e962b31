"""What tracing systems see of our LLMs, engines and retrievers in LlamaIndex, with the usual instrumentation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

from llama_index_chatbots import (
    DifyKnowledgeRetriever,
    DifyRetriever,
    GPTBotsKnowledgeRetriever,
    GPTBotsRetriever,
    RemoteChatEngine,
    RemoteLLM,
)
from remote_chatbots import BotError
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import QUESTION, Do, MakeLLM, user
from tests.spans import Spans, exported, failure, told

# The instrumentation calls pydantic by a name of old.
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated:DeprecationWarning")

PLATFORMS = ("dify", "gptbots")
WAYS = ("chat", "achat", "stream_chat", "astream_chat")


@pytest.fixture
def spans(emulator: Emulator) -> Iterator[Spans]:
    """The spans of a test, none of which holds a key."""
    with exported(LlamaIndexInstrumentor()) as found:
        yield found
        assert found.all
        for key in (emulator.dify_key, emulator.key("agent-chat"), emulator.dataset_key, emulator.gptbots_key):
            assert key not in found.text()


async def asked(llm: RemoteLLM, way: str, question: str = QUESTION) -> Any:
    """Return the answer, or the last response of a stream."""
    messages = [user(question)]
    match way:
        case "chat":
            return llm.chat(messages)
        case "achat":
            return await llm.achat(messages)
        case "stream_chat":
            return list(llm.stream_chat(messages))[-1]
    return [response async for response in await llm.astream_chat(messages)][-1]


@pytest.mark.parametrize("way", WAYS)
async def test_a_span_tells_the_model_and_the_usage(spans: Spans, bot: RemoteLLM, way: str) -> None:
    answer = await asked(bot, way)
    span = spans.the("LLM")
    attributes = told(span)
    # The instrumentation names a provider only where it knows the class; this one's name stands in the span's.
    assert span.name == f"{type(bot).__name__}.{way}"
    assert attributes["llm.model_name"] == bot.model_name
    assert attributes["llm.input_messages.0.message.content"] == QUESTION
    assert answer.message.content in json.dumps(attributes, ensure_ascii=False)
    usage = answer.raw["usage"]
    assert attributes["llm.token_count.total"] == usage["total_tokens"] > 0
    assert attributes["llm.token_count.prompt"] == usage["prompt_tokens"]
    assert attributes["llm.token_count.completion"] == usage["completion_tokens"]


@pytest.mark.parametrize("way", WAYS)
async def test_the_tools_that_the_bot_called_stand_in_the_output(spans: Spans, make_llm: MakeLLM, way: str) -> None:
    answer = await asked(make_llm("agent-chat"), way)
    [called] = [block for block in answer.message.blocks if block.block_type == "tool_call"]
    shown = "llm.output_messages.0.message.tool_calls.0.tool_call"
    attributes = told(spans.the("LLM"))
    assert attributes[f"{shown}.id"] == called.tool_call_id
    assert attributes[f"{shown}.function.name"] == called.tool_name
    assert json.loads(attributes[f"{shown}.function.arguments"]) == called.tool_kwargs


@pytest.mark.parametrize("way", WAYS)
async def test_an_error_is_told_with_its_class(spans: Spans, make_llm: MakeLLM, way: str) -> None:
    with pytest.raises(BotError) as caught:
        await asked(make_llm(), way, "[[failmid]] Tell me")
    span = spans.the("LLM")
    assert span.status.status_code.name == "ERROR"
    told_of = failure(span)
    assert told_of["exception.type"] == "remote_chatbots.errors.BotServerError"
    assert told_of["exception.message"] == str(caught.value)


async def test_the_llm_is_a_child_of_the_engines_span(spans: Spans, bot: RemoteLLM, do: Do) -> None:
    answer = await do(RemoteChatEngine.from_llm(bot).chat, QUESTION)
    [engine] = [span for span in spans.of_kind("CHAIN") if span.parent is None]
    model = spans.the("LLM")
    assert model.parent is not None
    assert model.parent.span_id == engine.context.span_id
    assert answer.response in json.dumps(told(engine), ensure_ascii=False)


def bot_retriever(emulator: Emulator, platform: str) -> Any:
    if platform == "dify":
        return DifyRetriever(api_key=emulator.dify_key, base_url=emulator.dify_url, user="tracing")
    where = {"api_key": emulator.gptbots_key, "base_url": emulator.gptbots_url}
    return GPTBotsRetriever(**where, user="tracing", fetch_sources=True)


def knowledge_retriever(emulator: Emulator, platform: str) -> Any:
    if platform == "dify":
        where = {"api_key": emulator.dataset_key, "base_url": emulator.dify_url}
        return DifyKnowledgeRetriever(**where, dataset_id=emulator.datasets["saltmouth-visitors"])
    return GPTBotsKnowledgeRetriever(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("make", [bot_retriever, knowledge_retriever])
async def test_a_retriever_has_a_span_with_its_documents(
    spans: Spans, emulator: Emulator, do: Do, platform: str, make: Any
) -> None:
    nodes = await do(make(emulator, platform).retrieve, QUESTION)
    [outermost] = [span for span in spans.of_kind("RETRIEVER") if span.parent is None]
    attributes = told(outermost)
    assert attributes["input.value"] == QUESTION
    assert nodes
    for place, found in enumerate(nodes):
        shown = f"retrieval.documents.{place}.document"
        assert attributes[f"{shown}.id"] == found.node.node_id
        assert attributes[f"{shown}.content"] == found.node.get_content()
        assert attributes.get(f"{shown}.score") == found.score
        assert json.loads(attributes[f"{shown}.metadata"])["source"] == found.node.metadata["source"]
