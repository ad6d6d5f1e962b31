"""A bot's steps in traces of LangChain: runs below the model's own, in the order of the bot, all of them ended."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing, closing
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.sdk.trace import ReadableSpan

from langchain_chatbots import DifyRetriever
from remote_chatbots import BotError
from remote_chatbots.emulator import Cut, Emulator
from tests.langchain_adapter.asking import MakeModel
from tests.spans import Spans, exported, failure, told

TIME = "What time is it? [[time]]"
WAYS = ("invoke", "ainvoke", "stream", "astream", "streaming", "v2", "v3", "async v3")


@pytest.fixture
def spans(emulator: Emulator) -> Iterator[Spans]:
    with exported(LangChainInstrumentor()) as found:
        yield found
        assert emulator.key("agent-chat") not in found.text()


async def ask(make_model: MakeModel, kind: str, question: str, way: str = "stream", config: Any = None) -> None:
    model = make_model(kind, streaming=True if way == "streaming" else None)
    match way:
        case "invoke" | "streaming":
            model.invoke(question, config)
        case "ainvoke":
            await model.ainvoke(question, config)
        case "stream":
            list(model.stream(question, config))
        case "astream":
            assert [chunk async for chunk in model.astream(question, config)]
        case "v2":
            assert [event async for event in model.astream_events(question, config, version="v2")]
        case "v3":
            assert model.stream_events(question, config, version="v3").output.text
        case "async v3":
            assert (await (await model.astream_events(question, config, version="v3"))).text


def tree(spans: Spans) -> list[tuple[str, str | None]]:
    """Return the names of the steps' spans in the order in which they began, each with its parent's."""
    names = {span.context.span_id: span.name for span in spans.all}
    began = sorted(spans.all, key=lambda span: span.start_time or 0)
    return [(span.name, names[span.parent.span_id]) for span in began if span.parent is not None]


def named(spans: Spans, name: str) -> ReadableSpan:
    [span] = [span for span in spans.all if span.name == name]
    return span


@pytest.mark.parametrize("way", WAYS)
async def test_a_tool_that_the_bot_calls_is_a_span_below_the_models(
    spans: Spans, make_model: MakeModel, way: str
) -> None:
    await ask(make_model, "agent-chat", TIME, way)
    called = spans.the("TOOL")
    assert tree(spans) == [("current_time", "ChatDify")]
    attributes = told(called)
    assert attributes["tool.name"] == "current_time"
    assert attributes["output.value"] in json.dumps(told(spans.the("LLM"))["output.value"])
    assert not [name for name in json.loads(attributes.get("metadata", "{}")) if name.startswith("ls_")]


@pytest.mark.parametrize("awaited", [False, True])
async def test_a_retriever_that_asks_the_bot_has_its_steps_below_it(
    spans: Spans, emulator: Emulator, awaited: bool
) -> None:
    where = {"api_key": emulator.key("agent-chat"), "base_url": emulator.dify_url, "user": "retriever"}
    retriever = DifyRetriever(**where)
    await retriever.ainvoke(TIME) if awaited else retriever.invoke(TIME)
    assert tree(spans) == [("current_time", "DifyRetriever")]


@pytest.mark.parametrize("way", ["invoke", "astream"])
async def test_nodes_are_spans_in_the_order_of_the_bot_each_in_the_one_that_holds_it(
    spans: Spans, make_model: MakeModel, way: str
) -> None:
    await ask(make_model, "advanced-chat", "Hello [[iterate]]", way)
    assert tree(spans) == [
        ("Start", "ChatDify"), ("Knowledge Retrieval", "ChatDify"), ("Iteration", "ChatDify"),
        ("LLM in iteration", "Iteration"), ("LLM", "ChatDify"), ("Answer", "ChatDify"),
    ]  # fmt: skip
    searched = told(named(spans, "Knowledge Retrieval"))
    assert (searched["input.value"], searched["openinference.span.kind"]) == ("Hello [[iterate]]", "CHAIN")
    assert "result" in json.loads(searched["output.value"])
    assert {span.status.status_code.name for span in spans.all} == {"OK"}


@pytest.mark.parametrize("way", WAYS)
async def test_a_node_that_fails_is_a_failed_span(spans: Spans, make_model: MakeModel, way: str) -> None:
    with pytest.raises(BotError):
        await ask(make_model, "advanced-chat", "[[failmid]] Tell me", way)
    node = named(spans, "LLM")
    assert node.status.status_code.name == "ERROR"
    assert failure(node)["exception.type"] == "remote_chatbots.errors.BotServerError"


@pytest.mark.parametrize("way", WAYS)
async def test_a_stream_that_breaks_ends_the_spans_that_are_open(
    spans: Spans, emulator: Emulator, make_model: MakeModel, way: str
) -> None:
    emulator.faults.add(Cut(after_bytes=6000))
    with pytest.raises(BotError) as caught:
        await ask(make_model, "advanced-chat", "Hello", way)
    [broken] = [span for span in spans.all if span.parent is not None and span.status.status_code.name == "ERROR"]
    assert failure(broken)["exception.type"].rpartition(".")[2] in {
        kind.__name__ for kind in type(caught.value).__mro__
    }


class Runs(BaseCallbackHandler):
    """Notes which runs begin, with their parents, and which end."""

    def __init__(self) -> None:
        self.began: dict[UUID, tuple[str, UUID | None]] = {}
        self.ended: Counter[UUID] = Counter()

    def _begins(self, *told: Any, run_id: UUID, parent_run_id: UUID | None = None, **known: Any) -> None:
        assert run_id not in self.began
        self.began[run_id] = known.get("name") or (told[0] or {}).get("name", ""), parent_run_id

    on_chain_start = on_tool_start = on_chat_model_start = _begins

    def _ends(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self.ended[run_id] += 1

    on_chain_end = on_tool_end = on_llm_end = on_chain_error = on_tool_error = on_llm_error = _ends

    def all_ended_once(self) -> bool:
        return self.ended == Counter(dict.fromkeys(self.began, 1))


@pytest.mark.parametrize("way", ["break", "close", "aclose"])
async def test_what_is_open_when_the_reader_leaves_is_ended_once(make_model: MakeModel, way: str) -> None:
    model, runs = make_model("advanced-chat"), Runs()
    asked: Any = "[[slow]] Tell me a long story.", {"callbacks": [runs]}
    if way == "aclose":
        async with aclosing(model.astream(*asked)) as chunks:
            async for chunk in chunks:
                if chunk.text:
                    break
    elif way == "close":
        with closing(model.stream(*asked)) as read:
            next(chunk for chunk in read if chunk.text)
    else:
        for chunk in model.stream(*asked):
            if chunk.text:
                break
    gc.collect()
    assert [name for name, _ in runs.began.values()] == ["ChatDify", "Start", "Knowledge Retrieval", "LLM"]
    assert runs.all_ended_once()


async def test_a_tool_around_the_bot_and_the_bots_own_are_told_once_each(make_model: MakeModel) -> None:
    model = make_model("agent-chat")

    @tool
    def ask_bot(question: str) -> str:
        """Ask the bot."""
        return model.invoke(question).text

    for runs in (Runs(), Runs()):
        ask_bot.invoke(TIME, {"callbacks": [runs]})
        (outer, bot, clock) = runs.began.items()
        assert [name for name, _ in runs.began.values()] == ["ask_bot", "ChatDify", "current_time"]
        assert (bot[1][1], clock[1][1]) == (outer[0], bot[0])
        assert runs.all_ended_once()


async def test_a_handler_that_is_a_coroutine_is_awaited(make_model: MakeModel) -> None:
    heard = []

    class Listener(AsyncCallbackHandler):
        async def on_tool_start(self, serialized: Any, input_str: str, **known: Any) -> None:
            heard.append((serialized["name"], input_str, known["inputs"]))

        async def on_tool_end(self, output: Any, **_: Any) -> None:
            heard.append(output)

    answer = [chunk async for chunk in make_model("agent-chat").astream(TIME, {"callbacks": [Listener()]})]
    assert heard[0] == ("current_time", "{}", {})
    assert heard[1] in "".join(chunk.text for chunk in answer)


@pytest.mark.parametrize("way", WAYS[:4])
async def test_a_handler_that_fails_when_a_step_begins_is_the_error_if_it_wants_to_be(
    make_model: MakeModel, way: str
) -> None:
    class Broken(BaseCallbackHandler):
        raise_error = True

        def on_tool_start(self, *_: Any, **__: Any) -> None:
            raise LookupError("no room for it")

    with pytest.raises(LookupError, match="no room for it"):
        await ask(make_model, "agent-chat", TIME, way, {"callbacks": [Broken()]})


async def test_a_graph_streams_the_bots_own_calls_of_tools(make_model: MakeModel) -> None:
    model = make_model("agent-chat")
    graph = StateGraph(MessagesState)
    graph.add_node("bot", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "bot")
    seen = list(graph.compile().stream({"messages": [("user", TIME)]}, stream_mode="tools"))
    assert [(one["event"], one.get("tool_name")) for one in seen if isinstance(one, dict)] == [
        ("tool-started", "current_time"), ("tool-finished", None),
    ]  # fmt: skip


def test_a_run_id_of_the_callers_stays_the_models(make_model: MakeModel) -> None:
    runs, own = Runs(), UUID(int=7)
    make_model("agent-chat").invoke(TIME, {"callbacks": [runs], "run_id": own})
    assert [(name, parent) for name, parent in runs.began.values()] == [("ChatDify", None), ("current_time", own)]
