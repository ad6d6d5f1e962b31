"""A picture that a bot draws reaches both frameworks alike: whole, streamed, in v1, in v3, and read back later."""

from __future__ import annotations

import asyncio
import functools
import operator
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from langchain_core.messages import AIMessage
from llama_index.core.base.llms.types import AudioBlock, ChatMessage, ImageBlock

from langchain_chatbots import ChatDify, ChatGPTBots, RemoteChatMessageHistory
from llama_index_chatbots import Dify, GPTBots, RemoteMemory
from remote_chatbots.emulator import Emulator
from remote_chatbots.signed_urls import DIFY_S

ASKED = "A gull please [[draw]]"


@pytest.fixture(scope="module", params=["1.14", "0.15"])
def emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    with Emulator(request.param, token_delay_s=0, held_open_s=0.02) as running:
        yield running


@pytest.fixture(params=["agent-chat", "advanced-chat"])
def reached(request: pytest.FixtureRequest, emulator: Emulator) -> dict[str, Any]:
    return {"api_key": emulator.key(request.param), "base_url": emulator.dify_url, "user": "ann"}


def checked_url(url: str) -> str:
    assert requests.get(url, timeout=5).content.startswith(b"\x89PNG")
    return url


def image_in(message: Any) -> dict[str, Any]:
    """Return the one image of a message's standard blocks."""
    [image] = [block for block in message.content_blocks if block["type"] == "image"]
    checked_url(image["url"])
    signed_at = int(image["url"].partition("timestamp=")[2].partition("&")[0])
    assert image["mime_type"] == "image/png"
    assert image["extras"]["expires_at"] == signed_at + DIFY_S
    return dict(image)


def answers(model: ChatDify) -> dict[str, AIMessage]:
    v1 = model.model_copy(update={"output_version": "v1"})

    async def of_a_loop() -> dict[str, Any]:
        streamed = [chunk async for chunk in model.astream(ASKED)]
        return {
            "ainvoke": await model.ainvoke(ASKED),
            "astream": functools.reduce(operator.add, streamed),
            "v1 ainvoke": await v1.ainvoke(ASKED),
        }

    return {
        "invoke": model.invoke(ASKED),
        "stream": functools.reduce(operator.add, list(model.stream(ASKED))),
        "v1 stream": functools.reduce(operator.add, list(v1.stream(ASKED))),
        "v3": model.stream_events(ASKED, version="v3").output,
        **asyncio.run(of_a_loop()),
    }


def test_langchain_has_the_picture_as_a_block_however_it_asks(reached: dict[str, Any]) -> None:
    for way, message in answers(ChatDify(**reached)).items():
        image = image_in(message)
        texts = [block["text"] for block in message.content_blocks if block["type"] == "text"]
        assert "Turn 1. From museum.md" in "".join(texts), way
        assert "http" not in "".join(texts), way
        assert image["url"].startswith("http://127.0.0.1"), way


def test_langchain_reads_the_picture_back_with_a_history(reached: dict[str, Any]) -> None:
    model = ChatDify(**reached)
    answer = model.invoke(ASKED)
    history = RemoteChatMessageHistory(model, conversation_id=answer.response_metadata["conversation_id"])

    question, stored = history.messages
    assert question.content == ASKED
    assert image_in(stored)["url"].partition("?")[0] == image_in(answer)["url"].partition("?")[0]


def image_block_of(message: ChatMessage) -> str:
    [image] = [block for block in message.blocks if isinstance(block, ImageBlock)]
    assert image.image_mimetype == "image/png"
    return checked_url(str(image.url))


def test_llama_index_has_the_picture_as_a_block_however_it_asks(reached: dict[str, Any]) -> None:
    llm = Dify(**reached)
    asked = [ChatMessage(ASKED)]

    async def of_a_loop() -> list[Any]:
        *_, last = [response async for response in await llm.astream_chat(asked)]
        return [await llm.achat(asked), last]

    *_, streamed = llm.stream_chat(asked)
    for response in (llm.chat(asked), streamed, *asyncio.run(of_a_loop())):
        url = image_block_of(response.message)
        [told] = response.message.additional_kwargs["media"]
        assert (told["url"], told["kind"]) == (url, "image")
        assert told["expires_at"] > DIFY_S
        assert "Turn 1. From museum.md" in (response.message.content or "")


def test_llama_index_reads_the_picture_back_with_a_memory(reached: dict[str, Any]) -> None:
    llm = Dify(**reached)
    answer = llm.chat([ChatMessage(ASKED)]).message
    memory = RemoteMemory(llm=llm, conversation_id=answer.additional_kwargs["conversation_id"])

    question, stored = memory.get_all()
    assert question.content == ASKED
    assert image_block_of(stored).partition("?")[0] == image_block_of(answer).partition("?")[0]


def test_what_follows_a_picture_goes_on_in_the_conversation_and_sends_no_file(
    reached: dict[str, Any], emulator: Emulator
) -> None:
    model = ChatDify(**reached)
    answer = model.invoke(ASKED)
    before = len(emulator.requests)
    model.invoke([("user", ASKED), answer, ("user", "Thanks")])

    [sent] = emulator.requests[before:]
    assert (sent.body["query"], "files" in sent.body) == ("Thanks", False)


SPOKEN = "When does the ferry leave? [[audio]]"


@pytest.fixture
def spoken_reached(emulator: Emulator) -> dict[str, Any]:
    url = emulator.gptbots_url
    return {"api_key": emulator.key("gptbots-flow"), "base_url": url, "user": "ann", "streaming": False}


def test_what_a_gptbots_flow_has_spoken_is_an_audio_block_live_and_in_the_history(
    spoken_reached: dict[str, Any],
) -> None:
    model = ChatGPTBots(**spoken_reached)
    answer = model.invoke(SPOKEN)
    history = RemoteChatMessageHistory(model, conversation_id=answer.response_metadata["conversation_id"])

    for message in (answer, history.messages[-1]):
        [audio] = [block for block in message.content_blocks if block["type"] == "audio"]
        assert audio["mime_type"] == "audio/wav"
        assert requests.get(audio["url"], timeout=5).content.startswith(b"RIFF")


def test_what_a_gptbots_flow_has_spoken_is_an_audio_block_of_llama_index(spoken_reached: dict[str, Any]) -> None:
    message = GPTBots(**spoken_reached).chat([ChatMessage(SPOKEN)]).message

    [audio] = [block for block in message.blocks if isinstance(block, AudioBlock)]
    assert audio.format == "wav"
    assert requests.get(str(audio.url), timeout=5).content.startswith(b"RIFF")
