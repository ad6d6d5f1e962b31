"""What LangChain keeps of a stream until its end: texts where nobody hears of the call, else chunks as they were."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk

from langchain_chatbots import ChatDify, RemoteChatModel
from langchain_chatbots._call import Call
from langchain_chatbots._messages import RemoteMessageChunk
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import PLATFORMS, MakeBot, summed

QUESTION = "What is the weather like on the coast today, and what will it be tomorrow?"
OF_ITS_OWN = ("conversation_id", "message_id", "task_id", "created_at", "workflow_run_id", "usage")


class Keeping(BaseCallbackHandler):
    def __init__(self) -> None:
        self.generations: list[Any] = []

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **_: Any) -> None:
        self.generations.append(chunk)


def alive() -> int:
    return sum(type(one) is RemoteMessageChunk for one in gc.get_objects())


async def texts_and_alive(model: RemoteChatModel, way: str, callbacks: list[Any]) -> tuple[list[str], int]:
    """Return the texts of a stream's chunks, and how many chunks more than before were alive at the last."""
    gc.collect()
    before, more, texts = alive(), 0, []
    config: Any = {"callbacks": callbacks}
    if way == "sync":
        for chunk in model.stream(QUESTION, config):
            texts.append(chunk.text)
            if chunk.chunk_position == "last":
                more = alive() - before
    else:
        async for chunk in model.astream(QUESTION, config):
            texts.append(chunk.text)
            if chunk.chunk_position == "last":
                more = alive() - before
    return texts, more


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_text_that_nobody_hears_of_is_let_go_of_when_its_caller_has_had_it(
    make_bot: MakeBot, platform: str, way: str
) -> None:
    model = make_bot(platform, coalesce=False)
    texts, more = await texts_and_alive(model, way, [])
    pieces = sum(map(bool, texts))
    assert pieces > 8
    assert 0 < more < pieces


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_what_a_callback_keeps_stays_whole(make_bot: MakeBot, platform: str, way: str) -> None:
    keeping = Keeping()
    texts, _ = await texts_and_alive(make_bot(platform, coalesce=False), way, [keeping])
    assert [generation.message.text for generation in keeping.generations] == texts


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_call_that_is_heard_stays_whole_inside_of_one_that_is_not(make_bot: MakeBot, platform: str) -> None:
    around, asked = (make_bot(platform, coalesce=False, streaming=True) for _ in range(2))
    keeping = Keeping()
    with Call(around, None):
        asked.generate([[HumanMessage(QUESTION)]], callbacks=[keeping])
    assert sum(bool(generation.message.text) for generation in keeping.generations) > 8


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_what_heard_of_calls_is_let_go_of_while_the_loop_runs_on(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    handlers = [Keeping() for _ in range(4)]
    heard = [weakref.ref(handler) for handler in handlers]
    await asyncio.gather(*(model.ainvoke(QUESTION, {"callbacks": [handler]}) for handler in handlers))
    del handlers
    gc.collect()
    assert [handler() for handler in heard] == [None] * 4


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_a_caller_of_the_models_own_stream_keeps_stays_whole(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform, coalesce=False)
    kept: list[ChatGenerationChunk] = list(model._stream(model._convert_input(QUESTION).to_messages()))
    assert [generation.message.text for generation in kept] == [generation.text for generation in kept]
    assert sum(bool(generation.text) for generation in kept) > 8


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_what_a_derived_class_keeps_stays_whole(emulator: Emulator, way: str) -> None:
    kept: list[ChatGenerationChunk] = []

    class Keeping(ChatDify):
        def _stream(self, *asked: Any, **given: Any) -> Iterator[ChatGenerationChunk]:
            for generation in super()._stream(*asked, **given):
                kept.append(generation)
                yield generation

        async def _astream(self, *asked: Any, **given: Any) -> AsyncIterator[ChatGenerationChunk]:
            async for generation in super()._astream(*asked, **given):
                kept.append(generation)
                yield generation

    model = Keeping(api_key=emulator.dify_key, base_url=emulator.dify_url, user=f"anna-{way}", coalesce=False)
    texts, _ = await texts_and_alive(model, way, [])
    assert [generation.message.text for generation in kept] == texts


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("output_version", [None, "v1"])
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_the_sum_of_what_is_kept_is_that_of_the_chunks(
    make_bot: MakeBot, platform: str, output_version: str | None, way: str
) -> None:
    model = make_bot(platform, coalesce=False, streaming=True, output_version=output_version)
    chunks = summed(list(model.stream(QUESTION)))
    summed_up = model.invoke(QUESTION) if way == "sync" else await model.ainvoke(QUESTION)
    assert what_it_says(summed_up) == what_it_says(chunks)


def what_it_says(message: AIMessage) -> Any:
    told = {name: value for name, value in message.response_metadata.items() if name not in OF_ITS_OWN}
    return message.content, message.additional_kwargs, told, bool(message.usage_metadata), bool(message.id)
