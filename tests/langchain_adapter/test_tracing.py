"""What tracing systems see of our models and retrievers in LangChain, with the instrumentation that people install."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableLambda
from openinference.instrumentation.langchain import LangChainInstrumentor

from langchain_chatbots import (
    ChatDify,
    ChatGPTBots,
    DifyKnowledgeRetriever,
    DifyRetriever,
    GPTBotsKnowledgeRetriever,
    GPTBotsRetriever,
)
from remote_chatbots import BotError
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import PLATFORMS, MakeBot, MakeModel, summed
from tests.spans import Spans, costs, exported, failure, in_dollars, told

QUESTION = "When does the ferry leave?"
WAYS = ("invoke", "ainvoke", "stream", "astream")


@pytest.fixture
def spans(emulator: Emulator) -> Iterator[Spans]:
    """The spans of a test, none of which holds a key."""
    with exported(LangChainInstrumentor()) as found:
        yield found
        assert found.all
        for key in keys(emulator):
            assert key not in found.text()


def keys(emulator: Emulator) -> list[str]:
    return [emulator.dify_key, emulator.key("agent-chat"), emulator.dataset_key, emulator.gptbots_key]


async def asked(model: Any, way: str, question: Any = QUESTION, **given: Any) -> Any:
    if way == "astream":
        return summed([chunk async for chunk in model.astream(question, **given)])
    if way == "stream":
        return summed(list(model.stream(question, **given)))
    return model.invoke(question, **given) if way == "invoke" else await model.ainvoke(question, **given)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("way", WAYS)
async def test_a_span_tells_the_provider_the_model_and_the_usage(
    spans: Spans, make_bot: MakeBot, platform: str, way: str
) -> None:
    answer = await asked(make_bot(platform, model_name="ferry desk"), way)
    attributes = told(spans.the("LLM"))
    assert (attributes["llm.provider"], attributes["llm.model_name"]) == (platform, "ferry desk")
    assert attributes["llm.input_messages.0.message.content"] == QUESTION
    assert attributes["llm.output_messages.0.message.content"] == answer.text
    usage = answer.usage_metadata
    assert usage["total_tokens"] > 0
    assert attributes["llm.token_count.prompt"] == usage["input_tokens"]
    assert attributes["llm.token_count.completion"] == usage["output_tokens"]
    assert attributes["llm.token_count.total"] == usage["total_tokens"]


@pytest.mark.parametrize("way", WAYS)
async def test_the_price_stands_in_the_output_as_the_server_sent_it(
    spans: Spans, make_model: MakeModel, way: str
) -> None:
    answer = await asked(make_model(), way)
    [[generation]] = json.loads(told(spans.the("LLM"))["output.value"])["generations"]
    usage = generation["message"]["kwargs"]["response_metadata"]["usage"]
    assert usage == answer.response_metadata["usage"]
    assert (float(usage["total_price"]) > 0, usage["currency"]) == (True, "USD")


@pytest.mark.parametrize("streaming", [None, False])
@pytest.mark.parametrize("way", WAYS)
async def test_a_span_tells_what_the_turn_cost(
    spans: Spans, make_model: MakeModel, way: str, streaming: bool | None
) -> None:
    answer = await asked(make_model(streaming=streaming), way)
    assert costs(spans.the("LLM")) == in_dollars(answer.response_metadata["usage"])


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_the_span_of_a_retriever_that_asks_the_bot_tells_what_that_cost(
    spans: Spans, emulator: Emulator, way: str
) -> None:
    await asked(bot_retriever(emulator, "dify"), way)
    told_as = costs(spans.the("RETRIEVER"))
    assert told_as["llm.cost.total"] == pytest.approx(told_as["llm.cost.prompt"] + told_as["llm.cost.completion"])


def test_credits_are_no_cost_of_a_span(spans: Spans, make_bot: MakeBot) -> None:
    answer = make_bot("gptbots", streaming=False).invoke(QUESTION)
    assert answer.response_metadata["usage"]["credits"]["total_credits"] > 0
    assert costs(spans.the("LLM")) == {}


def test_each_of_many_runs_has_its_own_cost_and_their_chain_has_none(spans: Spans, make_model: MakeModel) -> None:
    answers = (RunnableLambda(str.strip) | make_model()).batch(["Hello", QUESTION, "Tell me more, and more of it."])
    assert sorted(costs(span)["llm.cost.total"] for span in spans.of_kind("LLM")) == sorted(
        in_dollars(answer.response_metadata["usage"])["llm.cost.total"] for answer in answers
    )
    assert [costs(span) for span in spans.of_kind("CHAIN")] == [{}] * len(spans.of_kind("CHAIN"))


@pytest.mark.parametrize("way", WAYS)
async def test_what_the_bot_did_on_the_way_stands_in_the_output(spans: Spans, make_model: MakeModel, way: str) -> None:
    answer = await asked(make_model("agent-chat"), way)
    [[generation]] = json.loads(told(spans.the("LLM"))["output.value"])["generations"]
    steps = generation["message"]["kwargs"]["response_metadata"]["steps"]
    assert steps == json.loads(json.dumps(answer.response_metadata["steps"]))
    assert steps


@pytest.mark.parametrize("way", WAYS)
async def test_an_error_is_told_with_its_class(spans: Spans, make_model: MakeModel, way: str) -> None:
    with pytest.raises(BotError) as caught:
        await asked(make_model(), way, "[[failmid]] Tell me")
    span = spans.the("LLM")
    assert span.status.status_code.name == "ERROR"
    told_of = failure(span)
    assert told_of["exception.type"] == "langchain_chatbots.errors.ChatbotServerError"
    assert told_of["exception.message"] == str(caught.value)


async def test_a_model_inside_a_chain_is_a_child_of_its_span(spans: Spans, make_model: MakeModel) -> None:
    await (RunnableLambda(str.strip) | make_model()).ainvoke(f" {QUESTION} ")
    [chain] = [span for span in spans.of_kind("CHAIN") if span.parent is None]
    model = spans.the("LLM")
    assert model.parent is not None
    assert model.parent.span_id == chain.context.span_id


def bot_retriever(emulator: Emulator, platform: str) -> Any:
    if platform == "dify":
        return DifyRetriever(api_key=emulator.dify_key, base_url=emulator.dify_url, user="tracing")
    return GPTBotsRetriever(
        api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, user="tracing", fetch_sources=True
    )


def knowledge_retriever(emulator: Emulator, platform: str) -> Any:
    if platform == "dify":
        return DifyKnowledgeRetriever(
            api_key=emulator.dataset_key, base_url=emulator.dify_url, dataset_id=emulator.datasets["saltmouth-visitors"]
        )
    return GPTBotsKnowledgeRetriever(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize("make", [bot_retriever, knowledge_retriever])
async def test_a_retriever_has_a_span_with_its_documents(
    spans: Spans, emulator: Emulator, platform: str, way: str, make: Any
) -> None:
    documents = await asked(make(emulator, platform), way)
    attributes = told(spans.the("RETRIEVER"))
    assert attributes["input.value"] == QUESTION
    assert documents
    for place, document in enumerate(documents):
        shown = f"retrieval.documents.{place}.document"
        assert attributes[f"{shown}.content"] == document.page_content
        assert json.loads(attributes[f"{shown}.metadata"])["source"] == document.metadata["source"]
    assert json.loads(attributes["metadata"])["ls_retriever_name"] in type(make(emulator, platform)).__name__.lower()


class Told(BaseCallbackHandler):
    """Keeps what LangSmith's tracer is given."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}

    def on_chat_model_start(self, *_: Any, metadata: dict[str, Any] | None = None, **__: Any) -> None:
        self.metadata = metadata or {}

    def on_retriever_start(self, *_: Any, metadata: dict[str, Any] | None = None, **__: Any) -> None:
        self.metadata = metadata or {}


@pytest.mark.parametrize(("kind", "provider"), [(ChatDify, "dify"), (ChatGPTBots, "gptbots")])
def test_langsmith_is_told_provider_model_kind_and_stop_sequences(
    make_bot: MakeBot, kind: type[BaseChatModel], provider: str
) -> None:
    model = make_bot(provider, stop=["END"])
    assert isinstance(model, kind)
    heard = Told()
    config: Any = {"callbacks": [heard]}
    model.invoke(QUESTION, config)
    wanted = {"ls_provider": provider, "ls_model_type": "chat", "ls_stop": ["END"]}
    assert {**heard.metadata, **wanted} == heard.metadata
    model.invoke(QUESTION, config, stop=["."], model="another label")
    wanted = {"ls_provider": provider, "ls_stop": ["."], "ls_model_name": "another label"}
    assert {**heard.metadata, **wanted} == heard.metadata
    assert not {"ls_temperature", "ls_max_tokens"} & set(heard.metadata)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_langsmith_is_told_which_knowledge_is_searched(emulator: Emulator, platform: str) -> None:
    heard = Told()
    knowledge_retriever(emulator, platform).invoke(QUESTION, {"callbacks": [heard]})
    assert heard.metadata["ls_vector_store_provider"] == platform
