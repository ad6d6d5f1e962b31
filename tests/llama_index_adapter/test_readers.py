"""Conversations as Documents, for export and evaluation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document, MetadataMode

from llama_index_chatbots import RemoteConversationReader, RemoteLLM
from remote_chatbots import BotNotFoundError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import AGAIN, QUESTION, Do, MakeLLM, user


def talk(bot: RemoteLLM) -> list[dict[str, Any]]:
    """Ask twice in a conversation; return what rides on its answers."""
    first = bot.chat([user(QUESTION)]).message
    second = bot.chat([user(QUESTION), first, user(AGAIN)]).message
    return [{**one.additional_kwargs, "text": one.content} for one in (first, second)]


async def test_a_conversation_is_a_document_with_its_messages_in_full(bot: RemoteLLM, do: Do) -> None:
    first, second = talk(bot)
    bot._sync_client().feedback(first["message_id"], "like", user=bot.user)
    (document,) = await do(RemoteConversationReader(bot).load_data)
    texts = (f"user: {QUESTION}", f"assistant: {first['text']}", f"user: {AGAIN}", f"assistant: {second['text']}")
    assert document.text == "\n\n".join(texts)
    assert document.id_ == document.metadata["conversation_id"] == first["conversation_id"]
    assert document.metadata["user"] == bot.user
    assert (document.metadata["bot"], document.metadata["model_provider"]) == (first["bot"], bot.platform)
    assert document.metadata["updated_at"] > 0
    assert document.metadata["ratings"] == ["like"]
    messages = document.metadata["messages"]
    assert [one["role"] for one in messages] == ["user", "assistant"] * 2
    assert messages[1]["message_id"] == first["message_id"]
    assert messages[1]["rating"] == "like"
    assert json.loads(json.dumps(document.to_dict()))["metadata"] == document.metadata


def test_sources_stand_in_it_where_the_history_holds_them(make_llm: MakeLLM) -> None:
    llm = make_llm()
    talk(llm)
    (document,) = RemoteConversationReader(llm).load_data()
    assert document.metadata["sources"] == ["ferry.md"]
    assert document.metadata["messages"][1]["retriever_resources"][0]["document_name"] == "ferry.md"


async def test_a_turn_may_be_a_document(bot: RemoteLLM, do: Do) -> None:
    answers = talk(bot)
    documents = await do(RemoteConversationReader(bot, per="turn").load_data)
    assert [one.id_ for one in documents] == [one["message_id"] for one in answers]
    assert [one.text for one in documents] == [
        f"user: {question}\n\nassistant: {answer['text']}"
        for question, answer in zip((QUESTION, AGAIN), answers, strict=True)
    ]
    assert all(one.metadata["created_at"] and len(one.metadata["messages"]) == 2 for one in documents)


def test_a_conversation_is_read_when_its_document_is_asked_for(emulator: Emulator, bot: RemoteLLM) -> None:
    older, newer = talk(bot)[0]["conversation_id"], talk(bot)[0]["conversation_id"]
    before = len(emulator.requests)
    documents = RemoteConversationReader(bot).lazy_load_data()
    assert len(emulator.requests) == before
    assert next(iter(documents)).id_ == newer
    read = len(emulator.requests)
    assert [one.id_ for one in documents] == [older]
    assert len(emulator.requests) > read


async def test_an_async_reading_is_as_lazy_and_may_be_awaited_as_a_whole(emulator: Emulator, bot: RemoteLLM) -> None:
    older, newer = talk(bot)[0]["conversation_id"], talk(bot)[0]["conversation_id"]
    reader = RemoteConversationReader(bot)
    before = len(emulator.requests)
    lazy = reader.alazy_load_data()
    assert len(emulator.requests) == before
    assert [one.id_ async for one in lazy] == [newer, older]
    assert [one.id_ for one in await reader.alazy_load_data(limit=1)] == [newer]


async def test_conversations_may_be_named_or_numbered(bot: RemoteLLM, do: Do) -> None:
    older, newer = talk(bot)[0]["conversation_id"], talk(bot)[0]["conversation_id"]
    reader = RemoteConversationReader(bot)
    assert [one.id_ for one in await do(reader.load_data, [older])] == [older]
    assert [one.id_ for one in await do(reader.load_data, limit=1)] == [newer]
    assert await do(reader.load_data, []) == []
    with pytest.raises(BotNotFoundError):
        await do(reader.load_data, ["00000000-0000-4000-8000-000000000000"])


def test_models_read_the_name_alone_and_a_splitter_can_split_it(bot: RemoteLLM) -> None:
    talk(bot)
    (document,) = RemoteConversationReader(bot).load_data()
    assert isinstance(document, Document)
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert document.get_metadata_str(mode) == f"name: {document.metadata['name']}"
    nodes = SentenceSplitter(chunk_size=64, chunk_overlap=0)([document])
    assert len(nodes) > 1
    assert {node.metadata["conversation_id"] for node in nodes} == {document.id_}


def test_what_it_cannot_do_is_refused(make_llm: MakeLLM) -> None:
    with pytest.raises(BotUsageError, match=r"^dify: per: "):
        RemoteConversationReader(make_llm(), per="month")  # type: ignore[arg-type]
    reader = RemoteConversationReader(make_llm(), per="turn")
    for ids, limit in (("c-1", None), (["c-1"], -1), (["c-1"], "3"), (None, True)):
        with pytest.raises(BotUsageError, match=r"^dify: .* Give (a list|such a number)"):
            list(reader.lazy_load_data(ids, limit=limit))  # type: ignore[arg-type]
    assert RemoteConversationReader.from_dict({**reader.to_dict(), "llm": reader.llm}) == reader
    assert make_llm().api_key.get_secret_value() not in reader.to_json()
