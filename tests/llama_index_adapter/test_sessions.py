"""Sessions of yours know their conversations: per call, in an engine's memory, in any key-value store of LlamaIndex."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.storage.kvstore import SimpleKVStore

from llama_index_chatbots import GPTBots, RemoteChatEngine, RemoteLLM, RemoteMemory, StoredConversations
from remote_chatbots import BotNotFoundError, BotUsageError, InMemoryConversations, SQLiteConversations
from remote_chatbots.emulator import Emulator
from tests.asked import asked
from tests.llama_index_adapter.asking import AGAIN, QUESTION, Do, MakeLLM, user


@pytest.fixture(params=["memory", "SQLite", "a key-value store"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Where conversations are kept."""
    made = {
        "memory": InMemoryConversations,
        "SQLite": lambda: SQLiteConversations(tmp_path / "sessions.db"),
        "a key-value store": lambda: StoredConversations(SimpleKVStore()),
    }
    return made[request.param]()


@pytest.fixture
def in_sessions(bot: RemoteLLM, kept: Any) -> RemoteLLM:
    return bot.model_copy(update={"conversations": kept})


async def test_a_session_goes_on_though_its_history_is_lost(emulator: Emulator, in_sessions: RemoteLLM, do: Do) -> None:
    before = len(emulator.requests)
    first = await do(in_sessions.chat, [user(QUESTION)], session_id="one")
    await do(in_sessions.chat, [user(AGAIN)], session_id="one")
    await do(in_sessions.chat, [user(AGAIN)], session_id="two")
    place = first.message.additional_kwargs["conversation_id"]
    assert asked(emulator, before) == [(QUESTION, ""), (AGAIN, place), (AGAIN, "")]


@pytest.mark.parametrize("engine_class", [SimpleChatEngine, RemoteChatEngine])
async def test_a_memory_of_a_session_is_found_again_by_another(
    emulator: Emulator, in_sessions: RemoteLLM, do: Do, engine_class: type[SimpleChatEngine | RemoteChatEngine]
) -> None:
    before = len(emulator.requests)
    for question in (QUESTION, AGAIN):
        memory = RemoteMemory(in_sessions, session_id="one")
        engine = engine_class.from_defaults(llm=in_sessions, memory=memory, system_prompt="Be brief.")
        await do(engine.chat, question)
    assert asked(emulator, before) == [(f"Be brief.\n\n{QUESTION}", ""), (AGAIN, memory.conversation_id)]
    assert [one.content for one in await do(RemoteMemory(in_sessions, session_id="one").get)][2] == AGAIN
    assert await do(RemoteMemory(in_sessions, session_id="two").get) == []
    assert await do(RemoteMemory(in_sessions, session_id="one", user="somebody else").get) == []


async def test_a_session_that_is_reset_begins_anew(emulator: Emulator, in_sessions: RemoteLLM, do: Do) -> None:
    engine = RemoteChatEngine.from_llm(in_sessions, memory=(memory := RemoteMemory(in_sessions, session_id="one")))
    await do(engine.chat, QUESTION)
    old = memory.conversation_id
    engine.reset()
    assert await do(RemoteMemory(in_sessions, session_id="one").get) == []
    before = len(emulator.requests)
    await do(engine.chat, AGAIN)
    assert asked(emulator, before) == [(AGAIN, "")]
    assert RemoteMemory(in_sessions, session_id="one").get()[0].content == AGAIN
    await do(memory.set, [user("Hello")])
    assert await do(RemoteMemory(in_sessions, session_id="one").get) == []
    assert old != memory.conversation_id


async def test_a_session_whose_conversation_the_server_has_forgotten_can_be_reset(make_llm: MakeLLM, do: Do) -> None:
    llm = make_llm(conversations=InMemoryConversations())
    first = llm.chat([user(QUESTION)], session_id="one").message.additional_kwargs["conversation_id"]
    await do(RemoteMemory(llm, conversation_id=first).reset, delete=True)
    await do(RemoteMemory(llm, session_id="one").reset, delete=True)
    assert llm.chat([user(AGAIN)], session_id="one").message.additional_kwargs["conversation_id"] != first
    with pytest.raises(BotNotFoundError):
        await do(RemoteMemory(llm, conversation_id=first).reset, delete=True)


async def test_what_is_no_store_is_refused(make_llm: MakeLLM) -> None:
    no_store: Any = {}
    with pytest.raises(BotUsageError, match=r"^dify: conversations must be a store"):
        make_llm(conversations=no_store)
    with pytest.raises(BotUsageError, match="dict is no BaseKVStore"):
        StoredConversations(no_store)


def test_a_session_needs_a_store(make_llm: MakeLLM) -> None:
    with pytest.raises(BotUsageError, match=r"^dify: session_id says nothing"):
        RemoteMemory(make_llm(), session_id="one")


async def test_a_turn_that_was_left_early_is_not_lost(emulator: Emulator) -> None:
    llm = GPTBots(
        api_key=emulator.gptbots_key,
        base_url=emulator.gptbots_url,
        user="left",
        conversations=StoredConversations(SimpleKVStore(), collection="of my app"),
    )
    engine = RemoteChatEngine.from_llm(llm, memory=RemoteMemory(llm, session_id="one"))
    before = len(emulator.requests)
    for _ in engine.stream_chat(QUESTION).response_gen:
        break
    again = RemoteChatEngine.from_llm(llm, memory=RemoteMemory(llm, session_id="one"))
    again.chat(AGAIN)
    assert asked(emulator, before) == [(QUESTION, ""), (AGAIN, again.conversation_id)]


async def test_an_engine_goes_on_by_its_session_from_a_key_value_store_on_disk(
    emulator: Emulator, make_llm: MakeLLM, tmp_path: Path, do: Do
) -> None:
    file = str(tmp_path / "sessions.json")
    before = len(emulator.requests)
    stores = [SimpleKVStore()]
    for question in (QUESTION, AGAIN):
        llm = make_llm(conversations=StoredConversations(stores[-1]))  # nothing of the one before but the file
        engine = RemoteChatEngine.from_llm(llm, memory=RemoteMemory(llm, session_id="tab-1"))
        await do(engine.chat, question)
        stores[-1].persist(file)
        stores.append(SimpleKVStore.from_persist_path(file))
    assert asked(emulator, before) == [(QUESTION, ""), (AGAIN, engine.conversation_id)]
    other = RemoteChatEngine.from_llm(llm, memory=RemoteMemory(llm, session_id="tab-2"))
    await do(other.chat, QUESTION)
    assert other.conversation_id != engine.conversation_id


async def test_first_turns_of_a_session_at_once_begin_one_conversation(in_sessions: RemoteLLM) -> None:
    turns = [in_sessions.achat([user(QUESTION)], session_id="at once") for _ in range(4)]
    answers = await asyncio.gather(*turns)
    assert len({one.message.additional_kwargs["conversation_id"] for one in answers}) == 1


async def test_a_key_value_store_keeps_what_it_is_given(do: Do) -> None:
    store = StoredConversations(SimpleKVStore())
    assert await do(store.get, "k") == ""
    await do(store.put, "k", "c-1")
    assert await do(store.get, "k") == "c-1"
    assert await do(pickle.loads(pickle.dumps(store)).get, "k") == "c-1"
    await do(store.delete, "k")
    assert await do(store.get, "k") == ""
