"""One conversation in several worlds: begun in LangChain, continued in LlamaIndex, kept by the client, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage

from langchain_chatbots import RemoteChatMessageHistory, RemoteConversationLoader
from llama_index_chatbots import RemoteChatEngine, RemoteChatStore, RemoteConversationReader, RemoteMemory
from remote_chatbots import AsyncBotClient, BotClient, DifyApp, GPTBotsAgent, SQLiteConversations
from remote_chatbots.emulator import Emulator
from tests.asked import asked
from tests.contract.faces import PLATFORMS, LangChain, LlamaIndex, Said, reached

FIRST = Said("user", "When does the ferry leave?")
AGAIN = Said("user", "What did I ask first?")
BY_CLIENT = "And what on Sundays?"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Client:
    """A client of the test's colour, each of whose calls is blocking here."""

    def __init__(self, platform: str, emulator: Emulator, colour: str) -> None:
        given = reached(platform, emulator)
        self.user = given.pop("user")
        self.bot = (DifyApp if platform == "dify" else GPTBotsAgent)(**given)
        self.colour = colour

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def awaited(*arguments: Any, **named: Any) -> Any:
            async with AsyncBotClient(self.bot, user=self.user) as client:
                return await getattr(client, name)(*arguments, **named)

        def blocking(*arguments: Any, **named: Any) -> Any:
            with BotClient(self.bot, user=self.user) as client:
                return getattr(client, name)(*arguments, **named)

        return blocking if self.colour == "sync" else lambda *a, **n: asyncio.run(awaited(*a, **n))


def place(said: Said) -> str:
    return str(said.told["conversation_id"])


def own(message: ChatMessage) -> Said:
    """Return a message that was read in LlamaIndex, to be handed to LangChain."""
    return Said(message.role.value, message.content or "", message.additional_kwargs)


def test_a_conversation_goes_from_framework_to_framework_and_each_question_is_sent_once(
    emulator: Emulator, platform: str, colour: str
) -> None:
    chain, index = LangChain(platform, emulator, colour), LlamaIndex(platform, emulator, colour)
    client = Client(platform, emulator, colour)
    before = len(emulator.requests)

    begun = chain.ask([FIRST])
    conversation_id = place(begun)

    memory = RemoteMemory(index.model, conversation_id=conversation_id)
    engine = RemoteChatEngine.from_llm(index.model, memory=memory)
    continued = engine.chat(AGAIN.text) if colour == "sync" else asyncio.run(engine.achat(AGAIN.text))
    assert FIRST.text in str(continued)
    assert continued.metadata is not None
    assert continued.metadata["conversation_id"] == conversation_id

    assert conversation_id in [one.conversation_id for one in client.conversations()]
    kept = client.history(conversation_id)
    texts = [FIRST.text, begun.text, AGAIN.text, str(continued)]
    assert [one.text for one in kept] == texts
    assert [one.message_id for one in kept][1::2] == [begun.told["message_id"], continued.metadata["message_id"]]
    assert client.ask(BY_CLIENT, conversation_id=conversation_id).conversation_id == conversation_id

    reader = RemoteConversationReader(index.model)
    named = [conversation_id]
    (exported,) = reader.load_data(named) if colour == "sync" else asyncio.run(reader.aload_data(named))
    assert [one["text"] for one in exported.metadata["messages"]][:5] == [*texts, BY_CLIENT]
    assert exported.metadata["bot"] == begun.told["bot"] == continued.metadata["bot"]

    loader = RemoteConversationLoader(chain.model, named)
    (loaded,) = loader.load() if colour == "sync" else asyncio.run(loader.aload())
    assert (loaded.id, loaded.page_content, loaded.metadata) == (exported.id_, exported.text, exported.metadata)

    remembered = memory.get_all() if colour == "sync" else asyncio.run(memory.aget_all())
    back = chain.ask([*(own(message) for message in remembered), AGAIN])
    assert (place(back), FIRST.text in back.text) == (conversation_id, True)

    history = RemoteChatMessageHistory(chain.model, conversation_id=conversation_id)
    read = history.messages if colour == "sync" else asyncio.run(history.aget_messages())
    again = chain.model.invoke([*read, chain.message(AGAIN)])
    assert again.response_metadata["conversation_id"] == conversation_id

    assert asked(emulator, before) == [
        (FIRST.text, ""),
        (AGAIN.text, conversation_id),
        (BY_CLIENT, conversation_id),
        (AGAIN.text, conversation_id),
        (AGAIN.text, conversation_id),
    ]
    assert len(client.history(conversation_id)) == 10


def test_a_session_begun_in_one_framework_goes_on_in_the_other(
    emulator: Emulator, platform: str, colour: str, tmp_path: Path
) -> None:
    kept = SQLiteConversations(tmp_path / "sessions.db")
    faces = [face(platform, emulator, colour, conversations=kept) for face in (LangChain, LlamaIndex)]
    for session_id, (here, there) in (("one", faces), ("two", faces[::-1])):
        before = len(emulator.requests)
        first = here.ask([FIRST], session_id=session_id)
        there.ask([AGAIN], session_id=session_id)
        here.ask([Said("user", BY_CLIENT)], session_id=session_id)
        places = ["", place(first), place(first)]
        assert asked(emulator, before) == list(zip((FIRST.text, AGAIN.text, BY_CLIENT), places, strict=True))


def test_an_answer_of_either_framework_is_the_others_own(emulator: Emulator, platform: str, colour: str) -> None:
    faces = [LangChain(platform, emulator, colour), LlamaIndex(platform, emulator, colour)]
    for here, there in (faces, faces[::-1]):
        first = here.ask([Said("system", "Be brief."), FIRST])
        before = len(emulator.requests)
        second = there.ask([Said("system", "Be brief."), FIRST, first, AGAIN])
        here.ask([Said("system", "Be brief."), FIRST, first, AGAIN, second, Said("user", BY_CLIENT)])
        assert asked(emulator, before) == [(AGAIN.text, place(first)), (BY_CLIENT, place(first))]


def test_what_langchain_began_stands_in_llama_indexs_store(emulator: Emulator, platform: str, colour: str) -> None:
    begun = LangChain(platform, emulator, colour).ask([FIRST])
    store = RemoteChatStore(LlamaIndex(platform, emulator, colour).model)
    keys = store.get_keys() if colour == "sync" else asyncio.run(store.aget_keys())
    assert keys[0] == place(begun)
    messages = store.get_messages(keys[0]) if colour == "sync" else asyncio.run(store.aget_messages(keys[0]))
    assert [one.content for one in messages] == [FIRST.text, begun.text]


def test_a_conversation_deleted_by_the_client_is_begun_anew_by_choice(emulator: Emulator, colour: str) -> None:
    chain = LangChain("dify", emulator, colour)
    index = LlamaIndex("dify", emulator, colour, on_missing="restart")
    begun = chain.ask([FIRST])
    Client("dify", emulator, colour).delete(place(begun))
    engine = RemoteChatEngine.from_llm(index.model, memory=RemoteMemory(index.model, conversation_id=place(begun)))
    with pytest.warns(UserWarning, match="stand in a new one"):
        answer = engine.chat(AGAIN.text) if colour == "sync" else asyncio.run(engine.achat(AGAIN.text))
    assert answer.metadata is not None
    assert answer.metadata["conversation_replaced"] == place(begun)
    assert len(engine.chat_history) == 2
