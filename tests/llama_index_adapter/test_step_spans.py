"""A bot's steps in traces of LlamaIndex: spans below the call's own, in the order of the bot, all of them ended."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry import trace

from llama_index_chatbots import RemoteChatEngine, RemoteLLM
from remote_chatbots import BotError
from remote_chatbots.emulator import Cut, Emulator
from tests.llama_index_adapter.asking import MakeLLM, user
from tests.spans import Spans, exported, failure, told

# The instrumentation calls pydantic by a name of old.
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated:DeprecationWarning")
TIME = "What time is it? [[time]]"
WAYS = ("chat", "achat", "stream_chat", "astream_chat", "complete", "astream_complete")


@pytest.fixture
def spans(emulator: Emulator) -> Iterator[Spans]:
    with exported(LlamaIndexInstrumentor()) as found:
        yield found
        assert emulator.key("agent-chat") not in found.text()


async def ask(llm: RemoteLLM, question: str, way: str) -> str:
    """Return the name of the call's span."""
    asked: Any = question if "complete" in way else [user(question)]
    answer = getattr(llm, way)(asked)
    if way.startswith("a"):
        answer = await answer
    if way.startswith("astream"):
        assert [response async for response in answer]
    elif way.startswith("stream"):
        assert list(answer)
    return f"Dify.{way}"


def tree(spans: Spans) -> list[tuple[str, str | None]]:
    """Return the names of the steps' spans in the order in which they began, each with its parent's."""
    names = {span.context.span_id: span.name for span in spans.all}
    began = sorted(spans.all, key=lambda span: span.start_time or 0)
    return [(span.name, names[span.parent.span_id]) for span in began if span.parent is not None]


@pytest.mark.parametrize("way", WAYS)
async def test_a_tool_that_the_bot_calls_is_a_span_below_the_calls(
    spans: Spans, make_llm: MakeLLM, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "openinference"):
        call = await ask(make_llm("agent-chat"), TIME, way)
    assert tree(spans) == [("current_time", call)]
    attributes = told(spans.the("TOOL"))
    assert (attributes["tool.name"], attributes["input.value"]) == ("current_time", '{"input": {}}')
    assert attributes["output.value"] in told(spans.the("LLM"))["output.value"]
    assert caplog.messages == []  # nothing that the instrumentation does not know


@pytest.mark.parametrize("way", ["chat", "astream_chat"])
async def test_nodes_are_spans_in_the_order_of_the_bot_each_in_the_one_that_holds_it(
    spans: Spans, make_llm: MakeLLM, way: str
) -> None:
    call = await ask(make_llm("advanced-chat"), "Hello [[iterate]]", way)
    assert tree(spans) == [
        ("Start", call), ("Knowledge Retrieval", call), ("Iteration", call),
        ("LLM in iteration", "Iteration"), ("LLM", call), ("Answer", call),
    ]  # fmt: skip
    [searched] = [span for span in spans.all if span.name == "Knowledge Retrieval"]
    assert "result" in json.loads(told(searched)["output.value"])
    assert {span.status.status_code.name for span in spans.all} == {"OK"}


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("way", WAYS)
async def test_a_node_that_fails_or_is_open_when_the_stream_breaks_is_a_failed_span(
    spans: Spans, emulator: Emulator, make_llm: MakeLLM, way: str, broken: bool
) -> None:
    if broken:
        emulator.faults.add(Cut(after_bytes=6000))
    with pytest.raises(BotError) as caught:
        await ask(make_llm("advanced-chat"), "Hello" if broken else "[[failmid]] Tell me", way)
    [node] = [span for span in spans.all if span.name == "LLM"]
    assert failure(node)["exception.type"] == f"remote_chatbots.errors.{type(caught.value).__name__}"
    assert type(caught.value).__name__ == ("BotTruncatedError" if broken else "BotServerError")


@pytest.mark.parametrize("awaited", [False, True])
async def test_what_is_open_when_the_reader_leaves_is_ended_once(make_llm: MakeLLM, awaited: bool) -> None:
    handler = SimpleSpanHandler()
    root = get_dispatcher()
    root.add_span_handler(handler)
    try:
        llm = make_llm("advanced-chat")
        if awaited:
            stream = await llm.astream_chat([user("[[slow]] Tell me")])
            async for response in stream:
                if response.delta:
                    break
            await stream.aclose()
        else:
            read = llm.stream_chat([user("[[slow]] Tell me")])
            next(response for response in read if response.delta)
            read.close()
    finally:
        root.span_handlers.remove(handler)
    names = [span.id_.partition("-")[0] for span in handler.completed_spans]
    assert [name for name in names if "." not in name] == ["Start", "Knowledge Retrieval", "LLM"]
    assert (handler.open_spans, handler.dropped_spans) == ({}, [])


def test_the_readers_own_code_is_in_no_steps_span(spans: Spans, make_llm: MakeLLM) -> None:
    for response in RemoteChatEngine.from_llm(make_llm("advanced-chat")).stream_chat("Hello").response_gen:
        assert response
        assert trace.get_current_span() is trace.INVALID_SPAN
    assert len(tree(spans)) == 4
