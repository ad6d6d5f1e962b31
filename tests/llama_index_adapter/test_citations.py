"""Citations of bots that run: nodes and blocks, the same in every way to ask, in engines and in the server's memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentOutput
from llama_index.core.base.llms.types import ChatMessage, CitationBlock, CompletionResponse

from llama_index_chatbots import Dify, GPTBots, RemoteChatEngine, RemoteLLM, RemoteMemory, source_nodes
from remote_chatbots import BotUsageError
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import KINDS, QUESTION, user

ASKED = [user(QUESTION)]


@pytest.fixture(params=[*KINDS, "gptbots"])
def llm(request: pytest.FixtureRequest, emulator: Emulator) -> RemoteLLM:
    if request.param == "gptbots":
        server = {"api_key": emulator.gptbots_key, "api_base": emulator.gptbots_url}
        return GPTBots(**server, user="cited", corner_citation=True, citation_marks=False)
    return Dify(api_key=emulator.key(request.param), api_base=emulator.dify_url, user="cited")


async def astreamed(llm: RemoteLLM) -> ChatMessage:
    return [response async for response in await llm.astream_chat(ASKED)][-1].message


def of_engine(llm: RemoteLLM) -> ChatMessage:
    engine = RemoteChatEngine.from_llm(llm)
    assert "".join(engine.stream_chat(QUESTION).response_gen)
    return engine.chat_history[-1]


WAYS: dict[str, Callable[[RemoteLLM], ChatMessage]] = {
    "achat": lambda llm: asyncio.run(llm.achat(ASKED)).message,
    "stream_chat": lambda llm: list(llm.stream_chat(ASKED))[-1].message,
    "astream_chat": lambda llm: asyncio.run(astreamed(llm)),
    "engine": of_engine,
}


def nodes(message: ChatMessage) -> list[tuple[Any, ...]]:
    return [(one.node_id, one.text, one.score, one.metadata["title"]) for one in source_nodes(message)]


def blocks(message: ChatMessage) -> list[tuple[Any, ...]]:
    """Return what the blocks cite, each with the words that it is about."""
    found = [block for block in message.blocks if isinstance(block, CitationBlock)]
    places = [block.additional_location_info for block in found]
    text = message.content or ""
    about = [text[at["start_index"] : at["end_index"]] if "start_index" in at else None for at in places]
    return [(one.title, one.source, one.cited_content.text, words) for one, words in zip(found, about, strict=True)]


def test_citations_are_the_same_in_every_way(llm: RemoteLLM) -> None:
    first = llm.chat(ASKED).message
    assert blocks(first)
    assert any(words for *_, words in blocks(first)) is isinstance(llm, GPTBots)
    for name, way in WAYS.items():
        message = way(llm)
        assert nodes(message) == nodes(first), name
        assert blocks(message) == blocks(first), name


def test_the_servers_memory_cites_as_the_answer_did(llm: RemoteLLM) -> None:
    answer = llm.chat(ASKED).message
    kept = RemoteMemory(llm, conversation_id=answer.additional_kwargs["conversation_id"]).get_all()[-1]
    gptbots = isinstance(llm, GPTBots)
    assert kept.content == answer.content
    assert nodes(kept) == ([] if gptbots else nodes(answer))
    assert blocks(kept) == ([] if gptbots else blocks(answer))


def test_a_message_with_citations_and_calls_survives_a_chat_store(llm: RemoteLLM) -> None:
    answer = llm.chat([user(f"{QUESTION} [[time]]")]).message
    again = ChatMessage.model_validate_json(answer.model_dump_json())
    assert again.blocks == answer.blocks
    assert again.additional_kwargs == answer.additional_kwargs


@pytest.mark.parametrize("answer", ["Rain.", b"Rain.", 5, None, iter(()), (one for one in ()), {"bot": "dify"}])
def test_what_can_be_no_answer_is_refused_with_what_is_taken(answer: Any) -> None:
    with pytest.raises(BotUsageError, match=f"^source_nodes takes a response, .* not {type(answer).__name__}\\. Give "):
        source_nodes(answer)


@pytest.mark.parametrize("answer", [[], (), ["Rain."], user(QUESTION), CompletionResponse(text="Rain.")])
def test_what_holds_no_answer_has_no_sources(answer: Any) -> None:
    assert source_nodes(answer) == []


def test_what_an_agent_gave_has_the_sources_of_its_answer(emulator: Emulator) -> None:
    told = Dify(api_key=emulator.dify_key, api_base=emulator.dify_url, user="cited").chat(ASKED)
    given = source_nodes(AgentOutput(response=told.message, current_agent_name="bot"))
    assert [node.text for node in given] == [node.text for node in source_nodes(told)] != []
