"""Leaving an answer early, seen from the server: it is told to stop, once."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from contextlib import aclosing, closing

import pytest

from llama_index_chatbots import Dify, RemoteChatEngine, RemoteQueryEngine
from remote_chatbots.emulator import Emulator
from tests.asked import stops
from tests.llama_index_adapter.asking import KINDS, user

SLOW = "[[slow]] Tell me a long story."


@pytest.fixture(scope="module")
def slow() -> Iterator[Emulator]:
    with Emulator(held_open_s=0.1) as running:
        yield running


class Told:
    """An LLM, and what the server was told of its user's turns."""

    def __init__(self, emulator: Emulator, kind: str, name: str) -> None:
        self._emulator = emulator
        self.user = name
        self.llm = Dify(api_key=emulator.key(kind), base_url=emulator.dify_url, user=name)
        self.engine = RemoteChatEngine.from_llm(self.llm)

    @property
    def stops(self) -> int:
        return stops(self._emulator, self.user)


@pytest.fixture(params=KINDS)
def told(slow: Emulator, request: pytest.FixtureRequest) -> Told:
    return Told(slow, request.param, request.node.nodeid)


def test_a_break_out_of_stream_chat(told: Told) -> None:
    for response in told.llm.stream_chat([user(SLOW)]):
        if response.delta:
            break
    assert told.stops == 1


def test_a_break_out_of_stream_complete(told: Told) -> None:
    with closing(told.llm.stream_complete(SLOW)) as stream:
        next(stream)
    assert told.stops == 1


def test_a_break_out_of_response_gen(told: Told) -> None:
    threads = threading.active_count()
    answer = told.engine.stream_chat(SLOW)
    for _ in answer.response_gen:
        break
    assert told.stops == 1
    assert threading.active_count() == threads
    asked, said = told.engine.chat_history
    assert asked.content == SLOW
    assert said.content == str(answer) != ""
    assert said.additional_kwargs["finish_reason"] == "stopped"


def test_the_turn_after_one_that_was_left_goes_on_in_its_conversation(told: Told) -> None:
    for _ in told.engine.stream_chat(SLOW).response_gen:
        break
    begun = told.engine.conversation_id
    assert begun
    assert told.engine.chat("[[echo]]And now?").metadata["conversation_id"] == begun


async def test_the_aclose_of_an_async_answer(told: Told) -> None:
    answer = await told.engine.astream_chat(SLOW)
    async with aclosing(answer.async_response_gen()) as pieces:
        await anext(pieces)
    assert told.stops == 1
    assert len(told.engine.chat_history) == 2


async def test_a_bare_break_out_of_an_async_answer_and_the_next_question(told: Told) -> None:
    async for _ in (await told.engine.astream_chat(SLOW)).async_response_gen():
        break
    gc.collect()
    await told.engine.achat("[[echo]]And now?")  # waits for its turn
    assert told.stops == 1
    assert len(told.engine.chat_history) == 4


@pytest.mark.parametrize("way", ["achat", "astream_chat", "llm.astream_chat", "aquery"])
async def test_the_cancellation_of_a_task(told: Told, way: str) -> None:
    begun = asyncio.Event()

    async def ask() -> None:
        if way == "achat":
            asyncio.get_running_loop().call_later(0.5, begun.set)
            await told.engine.achat(SLOW)
        elif way == "astream_chat":
            async for _ in (await told.engine.astream_chat(SLOW)).async_response_gen():
                begun.set()
        elif way == "aquery":
            streamed = await RemoteQueryEngine.from_llm(told.llm, streaming=True).aquery(SLOW)
            async for _ in streamed.async_response_gen():  # type: ignore[union-attr]
                begun.set()
        else:
            async for response in await told.llm.astream_chat([user(SLOW)]):
                if response.delta:
                    begun.set()

    task = asyncio.create_task(ask())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if way == "aquery":  # LlamaIndex's own response stands between, and leaves our generator to the loop
        del task
        gc.collect()
        for _ in range(100):
            if told.stops:
                break
            await asyncio.sleep(0.02)
    assert told.stops == 1
