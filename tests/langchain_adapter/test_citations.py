"""Citations of bots that run: the same in every way to ask, and in the server's history where it holds them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from langchain_chatbots import ChatDify, ChatGPTBots, RemoteChatMessageHistory, RemoteChatModel, sources
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import KINDS, conversation, summed

QUESTION = "When does the ferry leave?"


async def astreamed(model: RemoteChatModel) -> Any:
    return summed([chunk async for chunk in model.astream(QUESTION)])


async def async_v3(model: RemoteChatModel) -> Any:
    return await (await model.astream_events(QUESTION, version="v3"))


WAYS: dict[str, Callable[[RemoteChatModel], Any]] = {
    "ainvoke": lambda model: asyncio.run(model.ainvoke(QUESTION)),
    "stream": lambda model: summed(list(model.stream(QUESTION))),
    "astream": lambda model: asyncio.run(astreamed(model)),
    "v3": lambda model: model.stream_events(QUESTION, version="v3").output,
    "async v3": lambda model: asyncio.run(async_v3(model)),
}


@pytest.fixture(params=[*KINDS, "gptbots"])
def make(request: pytest.FixtureRequest, emulator: Emulator) -> Callable[..., RemoteChatModel]:
    def of(**fields: Any) -> RemoteChatModel:
        if request.param == "gptbots":
            server = {"api_key": emulator.gptbots_key, "base_url": emulator.gptbots_url}
            return ChatGPTBots(**server, user="cited", corner_citation=True, citation_marks=False, **fields)
        return ChatDify(api_key=emulator.key(request.param), base_url=emulator.dify_url, user="cited", **fields)

    return of


def cited(message: Any) -> list[tuple[Any, ...]]:
    """Return the citations, each with the words that it is about; the server counts each hit."""
    return [
        (one["title"], one.get("cited_text"), block["text"][one["start_index"] : one["end_index"]]
         if "start_index" in one else None)
        for block in message.content_blocks
        for one in block.get("annotations", ())
    ]  # fmt: skip


def documents(message: Any) -> list[tuple[Any, ...]]:
    return [(one.id, one.page_content, one.metadata["score"], one.metadata["title"]) for one in sources(message)]


@pytest.mark.parametrize("output_version", ["v0", "v1"])
def test_citations_are_the_same_in_every_way(make: Callable[..., RemoteChatModel], output_version: str) -> None:
    model = make(output_version=output_version)
    first = model.invoke(QUESTION)
    assert cited(first)
    for name, way in WAYS.items():
        answer = way(model)
        assert cited(answer) == cited(first), name
        assert documents(answer) == documents(first), name


def test_the_words_behind_a_span_are_those_of_the_text(make: Callable[..., RemoteChatModel]) -> None:
    model = make()
    spans = [words for _, _, words in cited(model.invoke(QUESTION)) if words is not None]
    assert bool(spans) is isinstance(model, ChatGPTBots)
    assert all(words and words == words.strip() for words in spans)


def test_the_servers_history_cites_as_the_answer_did(make: Callable[..., RemoteChatModel]) -> None:
    model = make()
    answer = model.invoke(QUESTION)
    *_, read = RemoteChatMessageHistory(model, conversation_id=conversation(answer)).messages
    assert read.text == answer.text
    assert documents(read) == ([] if isinstance(model, ChatGPTBots) else documents(answer))
    assert cited(read) == ([] if isinstance(model, ChatGPTBots) else cited(answer))
