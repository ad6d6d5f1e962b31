"""What tracing systems see of our LLMs, engines and retrievers in LlamaIndex, with the usual instrumentation."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry import trace

from llama_index_chatbots import (
    DifyKnowledgeRetriever,
    DifyRetriever,
    GPTBots,
    GPTBotsKnowledgeRetriever,
    GPTBotsRetriever,
    RemoteChatEngine,
    RemoteLLM,
)
from remote_chatbots import BotError
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import QUESTION, Do, MakeLLM, user
from tests.spans import Spans, costs, exported, failure, in_dollars, told

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
    given: Any = question if "complete" in way else [user(question)]
    answer = getattr(llm, way)(given)
    if way.startswith("a"):
        answer = await answer
    if way.startswith("astream"):
        return [response async for response in answer][-1]
    return list(answer)[-1] if way.startswith("stream") else answer


@pytest.mark.parametrize("way", WAYS)
async def test_a_span_tells_the_provider_the_model_and_the_usage(spans: Spans, bot: RemoteLLM, way: str) -> None:
    answer = await asked(bot, way)
    span = spans.the("LLM")
    attributes = told(span)
    assert (span.name, attributes["llm.provider"]) == (f"{type(bot).__name__}.{way}", bot.platform)
    assert attributes["llm.model_name"] == bot.model_name
    assert attributes["llm.input_messages.0.message.content"] == QUESTION
    assert answer.message.content in json.dumps(attributes, ensure_ascii=False)
    usage = answer.raw["usage"]
    assert attributes["llm.token_count.total"] == usage["total_tokens"] > 0
    assert attributes["llm.token_count.prompt"] == usage["prompt_tokens"]
    assert attributes["llm.token_count.completion"] == usage["completion_tokens"]


@pytest.mark.parametrize("streaming", [None, False])
@pytest.mark.parametrize("way", [*WAYS, "complete", "acomplete", "stream_complete", "astream_complete"])
async def test_a_span_tells_what_the_turn_cost(
    spans: Spans, make_llm: MakeLLM, way: str, streaming: bool | None
) -> None:
    answer = await asked(make_llm(streaming=streaming), way)
    assert costs(spans.the("LLM")) == in_dollars(answer.raw["usage"])


def test_credits_are_no_cost_of_a_span(spans: Spans, emulator: Emulator) -> None:
    where = {"api_key": emulator.gptbots_key, "base_url": emulator.gptbots_url}
    answer = GPTBots(**where, user="credits", streaming=False).chat([user(QUESTION)])
    assert answer.raw["usage"]["credits"]["total_credits"] > 0
    assert costs(spans.the("LLM")) == {}


@pytest.mark.parametrize("way", WAYS)
async def test_only_the_models_own_span_is_told_of_the_provider_and_the_price(
    spans: Spans, make_llm: MakeLLM, way: str
) -> None:
    engine = RemoteChatEngine.from_llm(make_llm())
    with trace.get_tracer("tests", tracer_provider=spans.provider).start_as_current_span("of the application"):
        match way:
            case "chat":
                engine.chat(QUESTION)
            case "achat":
                await engine.achat(QUESTION)
            case "stream_chat":
                assert list(engine.stream_chat(QUESTION).response_gen)
            case "astream_chat":
                assert [token async for token in (await engine.astream_chat(QUESTION)).async_response_gen()]
    model = spans.the("LLM")
    assert costs(model)["llm.cost.total"] > 0
    others = [span for span in spans.all if span is not model]
    assert "of the application" in {span.name for span in others}
    assert not [span for span in others if costs(span) or "llm.provider" in told(span)]


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


def test_an_instrumentation_that_tells_no_spans_hinders_no_turn(
    make_llm: MakeLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = LlamaIndexInstrumentor.__module__
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert make_llm().complete(QUESTION).text
