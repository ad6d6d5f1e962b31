"""Leaving a LangChain stream early, seen from the server: it is told to stop, once, and keeps what it said."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableConfig, RunnableGenerator
from langchain_core.tracers._streaming import _V2StreamingCallbackHandler
from langgraph.graph import START, MessagesState, StateGraph

from langchain_chatbots import ChatDify
from remote_chatbots.emulator import Emulator
from tests.asked import stops
from tests.langchain_adapter.asking import KINDS

SLOW = "[[slow]] Tell me a long story."


@pytest.fixture(scope="module")
def slow() -> Iterator[Emulator]:
    with Emulator(held_open_s=0.1) as running:
        yield running


class Told:
    """A model, and what the server was told of its user's turns."""

    def __init__(self, emulator: Emulator, kind: str, user: str) -> None:
        self._emulator = emulator
        self.user = user
        self.model = ChatDify(api_key=emulator.key(kind), base_url=emulator.dify_url, user=user)

    @property
    def stops(self) -> int:
        return stops(self._emulator, self.user)


@pytest.fixture(params=KINDS)
def told(slow: Emulator, request: pytest.FixtureRequest) -> Told:
    return Told(slow, request.param, request.node.nodeid)


def test_a_break_out_of_a_sync_stream(told: Told) -> None:
    for chunk in told.model.stream(SLOW):
        if chunk.text:
            break
    gc.collect()
    assert told.stops == 1


def test_the_close_of_a_sync_stream(told: Told) -> None:
    with closing(told.model.stream(SLOW)) as chunks:
        next(chunk for chunk in chunks if chunk.text)
    assert told.stops == 1


async def test_the_aclose_of_an_async_stream(told: Told) -> None:
    async with aclosing(told.model.astream(SLOW)) as chunks:
        async for chunk in chunks:
            if chunk.text:
                break
    assert told.stops == 1


class Refuses(BaseCallbackHandler):
    """Raises at the first token."""

    raise_error = True

    def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        if token:
            raise KeyError("enough")


class RefusesEvents(Refuses, _V2StreamingCallbackHandler):
    """Raises at the first text of a v3 event."""

    def on_stream_event(self, event: Any, **kwargs: Any) -> None:
        if event["event"] == "content-block-delta":
            raise KeyError("enough")


@pytest.mark.parametrize("way", ["invoke", "stream"])
@pytest.mark.parametrize("handler", [Refuses, RefusesEvents])
def test_a_callback_that_raises(told: Told, way: str, handler: type[Refuses]) -> None:
    told.model.streaming = True
    config: RunnableConfig = {"callbacks": [handler()]}
    with pytest.raises(KeyError) as kept:  # its traceback keeps LangChain's generators alive
        told.model.invoke(SLOW, config) if way == "invoke" else list(told.model.stream(SLOW, config))
    assert told.stops == 1, kept


@pytest.mark.parametrize("way", ["ainvoke", "astream"])
@pytest.mark.parametrize("handler", [Refuses, RefusesEvents])
async def test_a_callback_that_raises_in_async_code(told: Told, way: str, handler: type[Refuses]) -> None:
    told.model.streaming = True
    config: RunnableConfig = {"callbacks": [handler()]}

    async def read() -> None:
        async for _ in told.model.astream(SLOW, config):
            pass

    with pytest.raises(KeyError) as kept:
        await (told.model.ainvoke(SLOW, config) if way == "ainvoke" else read())
    assert told.stops == 1, kept


@pytest.mark.parametrize("way", ["astream", "ainvoke", "v3"])
async def test_a_cancelled_task(told: Told, way: str) -> None:
    async def ask() -> None:
        if way == "astream":
            async for _ in told.model.astream(SLOW):
                pass
        elif way == "ainvoke":
            await told.model.ainvoke(SLOW)
        else:
            async with await told.model.astream_events(SLOW, version="v3") as stream:
                async for _ in stream:
                    pass

    task = asyncio.create_task(ask())
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told.stops == 1


async def as_they_come(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("wrapped", ["alone", "bound", "in a chain"])
def test_a_bare_break_as_the_last_act_of_a_loop(told: Told, wrapped: str, caplog: pytest.LogCaptureFixture) -> None:
    model = told.model
    asked = {"alone": model, "bound": model.bind(inputs={}), "in a chain": model | RunnableGenerator(as_they_come)}

    async def leave() -> None:
        async for chunk in asked[wrapped].astream(SLOW):
            if chunk.text:
                break

    asyncio.run(leave())
    assert told.stops == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []  # asyncio's complaints


WRAPPED: dict[str, Callable[[Any], Any]] = {
    "bound": lambda model: model.bind(inputs={}),
    "with a config": lambda model: model.with_config(tags=["x"]),
    "in a chain": lambda model: model | StrOutputParser(),
}


def has_text(chunk: Any) -> bool:
    return bool(chunk if isinstance(chunk, str) else chunk.text)


@pytest.mark.parametrize("wrapped", ["bound", "with a config"])
def test_the_close_of_a_sync_stream_of_what_binds_the_model(told: Told, wrapped: str) -> None:
    with closing(WRAPPED[wrapped](told.model).stream(SLOW)) as chunks:
        next(filter(has_text, chunks))
    assert told.stops == 1


def test_a_sync_chain_is_left_by_parsing_the_models_own_chunks(told: Told) -> None:
    parser = StrOutputParser()
    with closing(told.model.stream(SLOW)) as chunks:
        next(filter(None, map(parser.invoke, chunks)))
    assert told.stops == 1


def test_a_sync_chain_itself_reads_the_answer_to_its_end(told: Told) -> None:
    said = "[[slow]][[echo]]one two three"
    with closing(WRAPPED["in a chain"](told.model).stream(said)) as texts:
        next(filter(None, texts))
    assert told.stops == 0


@pytest.mark.parametrize("wrapped", WRAPPED)
async def test_the_aclose_of_what_is_around_the_model(told: Told, wrapped: str) -> None:
    async with aclosing(WRAPPED[wrapped](told.model).astream(SLOW)) as chunks:
        async for chunk in chunks:
            if has_text(chunk):
                break
    await until(lambda: told.stops == 1)


@pytest.mark.parametrize("closed", [True, False])
async def test_an_async_graph_that_is_left(told: Told, closed: bool) -> None:
    async def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await told.model.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("bot", ask)
    builder.add_edge(START, "bot")
    told_of = builder.compile().astream({"messages": [HumanMessage(SLOW)]}, stream_mode="messages")
    async for chunk, _ in told_of:
        if chunk.text:
            break
    if closed:
        await told_of.aclose()
        assert told.stops == 1
    del told_of
    await until(lambda: told.stops == 1)


async def until(held: Callable[[], bool]) -> None:
    """Wait until it is so, for no longer than 3 s: on a busy machine what happens at once takes its time."""
    async with asyncio.timeout(3):
        while not held():
            await asyncio.sleep(0.02)


async def test_an_exhausted_stream_stops_nothing(told: Told) -> None:
    assert list(told.model.stream("Hello"))
    assert [chunk async for chunk in told.model.astream("Hello")]
    assert told.stops == 0


def test_a_stop_sequence_tells_the_server_once(told: Told) -> None:
    answer = told.model.invoke("[[slow]][[echo]]one two three four five six seven", stop=["three"])
    assert answer.text.endswith("one two ")
    assert told.stops == 1
