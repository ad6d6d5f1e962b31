"""Recorded sources, the same in every way to ask and in the server's history: Documents, nodes, citations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from llama_index.core.base.llms.types import ChatMessage, CitationBlock

from langchain_chatbots import RemoteChatMessageHistory, sources
from llama_index_chatbots import Dify, RemoteMemory, source_nodes
from tests.recorded.asking import KEY, TIMEOUT_S, question_of
from tests.recorded.asking_langchain import (
    Way,
    ask_by,
    by_ainvoke,
    by_astream,
    by_async_v3,
    by_invoke,
    by_stream,
    by_v3,
    model_for,
)
from tests.recorded.recordings import Recording, recording, told_by
from tests.recorded.replay import ReplayServer, reply_of

# One of each kind; that every recorded source is in every message and sum, `test_dify_langchain` says.
CITING = [
    recording("0.15.3", "chat-stream-hq-citations"),
    recording("0.15.3", "chatflow-stream-1-first-turn"),
    recording("1.14.2", "agent-stream-knowledge-tool-hq"),
    recording("1.14.2", "chat-block-1-first-turn"),
    recording("1.14.2", "chat-stream-zh-citations"),
]
WAYS: dict[str, Way] = {
    "invoke": by_invoke, "ainvoke": by_ainvoke, "stream": by_stream, "astream": by_astream, "v3": by_v3,
    "async v3": by_async_v3,
}  # fmt: skip
# The history of 0.15.3 tells no sources of a chatflow (recorded: 0.15.3/chatflow-messages-history).
HISTORIES = [
    (recording("1.14.2", "chatflow-messages-history"), recording("1.14.2", f"chatflow-stream-{turn}"))
    for turn in ("1-first-turn", "2-second-turn")
]


def cited(blocks: Any) -> list[tuple[Any, ...]]:
    """Return what LangChain's blocks cite."""
    annotations = [one for block in blocks for one in block.get("annotations", ())]
    return [(one["type"], one["title"], one["cited_text"], one["extras"]["segment_id"]) for one in annotations]


def expected(exchange: Recording) -> list[tuple[Any, ...]]:
    told = told_by(exchange).resources
    return [("citation", one["document_name"], one["content"], one["segment_id"]) for one in told]


def documents(message: AIMessage) -> list[tuple[Any, ...]]:
    return [(one.page_content, one.id, one.metadata["score"], one.metadata["source"]) for one in sources(message)]


def nodes(answer: Any) -> list[tuple[Any, ...]]:
    return [(one.text, one.node_id, one.score, one.metadata["source"]) for one in source_nodes(answer)]


def blocks_of(message: ChatMessage) -> list[tuple[Any, ...]]:
    """Return what LlamaIndex's blocks cite."""
    found = [block for block in message.blocks if isinstance(block, CitationBlock)]
    return [(one.title, one.cited_content.text, one.source, one.additional_location_info) for one in found]


@pytest.mark.parametrize("exchange", CITING, ids=str)
def test_citations_are_the_same_however_langchain_asks(exchange: Recording) -> None:
    question, want = question_of(exchange), expected(exchange)
    for output_version in ("v0", "v1"):
        for name, way in WAYS.items():
            with ReplayServer(reply_of(exchange)) as server:
                model = model_for(question, server.url, output_version=output_version)
                message = ask_by(way, model, [HumanMessage(question.text)]).message
            assert message is not None
            assert cited(message.content_blocks) == want, (name, output_version)
            assert [document[:2] for document in documents(message)] == [(one[2], one[3]) for one in want], name


@pytest.mark.parametrize("exchange", CITING, ids=str)
def test_citations_are_the_same_however_llama_index_asks(exchange: Recording) -> None:
    question, told = question_of(exchange), told_by(exchange).resources
    want = [(one["content"], one["segment_id"], one["score"], one["document_name"]) for one in told]
    as_blocks = [
        (one["document_name"], one["content"], one["document_id"], {"position": one["position"]}) for one in told
    ]
    asked = [ChatMessage(role="user", content=question.text)]

    def llm(url: str) -> Dify:
        streaming = False if question.blocking else None
        return Dify(api_key=KEY, api_base=url, user=question.user, streaming=streaming, inputs=question.inputs,
                    timeout=TIMEOUT_S)  # fmt: skip

    async def streamed(url: str) -> Any:
        return [response async for response in await llm(url).astream_chat(asked)][-1]

    ways = {
        "chat": lambda url: llm(url).chat(asked),
        "achat": lambda url: asyncio.run(llm(url).achat(asked)),
        "stream_chat": lambda url: list(llm(url).stream_chat(asked))[-1],
        "astream_chat": lambda url: asyncio.run(streamed(url)),
    }
    for name, way in ways.items():
        with ReplayServer(reply_of(exchange)) as server:
            response = way(server.url)
        assert nodes(response) == want, name
        assert blocks_of(response.message) == as_blocks, name


@pytest.mark.parametrize(("history", "turn"), HISTORIES, ids=str)
def test_the_servers_history_cites_what_the_answer_cited(history: Recording, turn: Recording) -> None:
    told = told_by(turn)
    with ReplayServer(reply_of(turn)) as server:
        model = model_for(question_of(turn), server.url)
        live = model.invoke(turn.sent["query"])
        asked_of = model._own_bot_id()
    with ReplayServer(reply_of(history)) as server:
        again = model_for(question_of(turn), server.url, bot_id=asked_of)
        read = RemoteChatMessageHistory(again, conversation_id=told.ids["conversation_id"]).messages
    (message,) = [one for one in read if one.id == live.id]
    assert isinstance(message, AIMessage)
    assert cited(message.content_blocks) == cited(live.content_blocks) == expected(turn)
    assert documents(message) == documents(live)

    with ReplayServer(reply_of(history)) as server:
        llm = Dify(api_key=KEY, api_base=server.url, user="reader-1", timeout=TIMEOUT_S)
        kept = RemoteMemory(llm, conversation_id=told.ids["conversation_id"]).get_all()
    (stored,) = [one for one in kept if one.additional_kwargs.get("message_id") == live.id and one.role == "assistant"]
    assert [node[:2] for node in nodes(stored)] == [document[:2] for document in documents(live)]
    assert [one[:2] for one in blocks_of(stored)] == [(one[1], one[2]) for one in expected(turn)]
