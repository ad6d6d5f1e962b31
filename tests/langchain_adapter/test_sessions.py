"""A local session's conversation is known to a store, where no message tells it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import threading
import time
import uuid
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.stores import InMemoryByteStore, InMemoryStore
from langgraph.store.memory import InMemoryStore as LangGraphStore

from langchain_chatbots import RemoteChatMessageHistory, RemoteChatModel, StoredConversations
from remote_chatbots import BotUsageError, Conversations, InMemoryConversations, SQLiteConversations
from remote_chatbots.emulator import Emulator, Unavailable
from remote_chatbots.sessions import Session
from tests.forks import Forks
from tests.langchain_adapter.asking import PLATFORMS, QUESTION_PATHS, MakeBot, conversation, questions_in
from tests.langchain_adapter.graphs import graph_of, said, saver_at, thread

FIRST, SECOND = "When does the ferry leave?", "What did I ask first?"
BEGINNING_PATHS = ("/v1/chat-messages", "/gptbots/v1/conversation")


@pytest.fixture(params=["memory", "sqlite", "bytes", "anything"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Conversations:
    made: dict[str, Callable[[], Conversations]] = {
        "memory": InMemoryConversations,
        "sqlite": lambda: SQLiteConversations(tmp_path / "sessions.db"),
        "bytes": lambda: StoredConversations(InMemoryByteStore()),
        "anything": lambda: StoredConversations(InMemoryStore(), prefix="bot:"),
    }
    return made[request.param]()


def begun_by(emulator: Emulator, model: RemoteChatModel) -> int:
    """Return how many conversations a model's user began."""
    bodies = [one.body for one in emulator.requests if one.path in BEGINNING_PATHS]
    return sum(
        body.get("user_id") == model.user or (body.get("user") == model.user and not body["conversation_id"])
        for body in bodies
        if isinstance(body, dict)
    )


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_session_goes_on_without_a_history(make_bot: MakeBot, platform: str, store: Conversations) -> None:
    model = make_bot(platform, conversations=store)
    first = model.invoke(FIRST, session_id="anna")
    assert conversation(model.invoke(SECOND, {"configurable": {"session_id": "anna"}})) == conversation(first)
    assert conversation(model.bind(session_id="anna").invoke(SECOND)) == conversation(first)
    assert conversation(model.invoke(SECOND, session_id="bob")) != conversation(first)
    assert conversation(model.invoke(SECOND, session_id="anna", user="bob")) != conversation(first)
    assert conversation(model.invoke(SECOND)) != conversation(first)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_it_does_so_awaited_and_streamed(make_bot: MakeBot, platform: str, store: Conversations) -> None:
    model = make_bot(platform, conversations=store)
    first = await model.ainvoke(FIRST, session_id="anna")
    stream = [chunk async for chunk in model.astream(SECOND, session_id="anna")]
    v3 = await (await model.astream_events(SECOND, session_id="anna", version="v3"))
    ids = {
        chunk.response_metadata["conversation_id"] for chunk in stream if "conversation_id" in chunk.response_metadata
    }
    assert ids == {conversation(first)} == {conversation(v3)}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_trimmed_or_summarised_thread_goes_on_in_its_conversation(
    emulator: Emulator, make_bot: MakeBot, platform: str, store: Conversations
) -> None:
    model = make_bot(platform, conversations=store)
    config = thread(f"{platform}-trimmed")
    with saver_at("memory") as saver:
        first = graph_of(model, saver).invoke(said(FIRST), config)["messages"][-1]
    trimmed = model.invoke([HumanMessage(SECOND)], config)
    summary = SystemMessage("So far: the ferry was asked for.")
    summarised = model.invoke([summary, HumanMessage("And on Sundays?")], config)
    assert conversation(first) == conversation(trimmed) == conversation(summarised)
    assert questions_in(emulator, conversation(first))[-2:] == [SECOND, f"{summary.content}\n\nAnd on Sundays?"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_call_and_a_history_rule_before_the_session_and_lead_it_on(
    make_bot: MakeBot, platform: str, store: Conversations
) -> None:
    model = make_bot(platform, conversations=store)
    model.invoke(FIRST, session_id="anna")
    anew = model.invoke(FIRST, session_id="anna", conversation_id="")
    assert conversation(model.invoke(SECOND, session_id="anna")) == conversation(anew)
    other = make_bot(platform).invoke(FIRST)
    followed = model.invoke([HumanMessage(FIRST), other, HumanMessage(SECOND)], session_id="anna")
    assert conversation(followed) == conversation(other)
    assert conversation(model.invoke(SECOND, session_id="anna")) == conversation(other)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_stream_that_is_left_at_its_first_piece_has_begun_the_sessions_conversation(
    emulator: Emulator, make_bot: MakeBot, platform: str, store: Conversations
) -> None:
    model = make_bot(platform, conversations=store)
    stream = model.stream(f"[[long]] {FIRST}", session_id="anna")
    next(stream)
    stream.close()
    model.invoke(SECOND, session_id="anna")
    assert begun_by(emulator, model) == 1


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_session_whose_conversation_was_forgotten_says_that_another_was_begun(
    make_bot: MakeBot, platform: str
) -> None:
    store = InMemoryConversations()
    model = make_bot(platform, conversations=store, on_missing="restart")
    gone = {"dify": "0b8e2b9e-0000-4000-8000-000000000000", "gptbots": "0" * 24}[platform]

    async def asked(session_id: str) -> AIMessage:
        if session_id == "anna":
            return model.invoke(FIRST, session_id=session_id)
        return await model.ainvoke(FIRST, session_id=session_id)

    for session_id in ("anna", "bob"):
        store.put(Session(session_id, store).key(user=model.user, bot_id=model._own_bot_id()), gone)
        with pytest.warns(UserWarning, match="does not know the conversation that was asked in"):
            anew = await asked(session_id)
        assert anew.response_metadata["conversation_replaced"] == gone
        followed = model.invoke(SECOND, session_id=session_id)
        assert conversation(followed) == conversation(anew)
        assert "conversation_replaced" not in followed.response_metadata


@pytest.mark.parametrize("platform", PLATFORMS)
def test_first_turns_at_once_begin_one_conversation_in_threads(
    emulator: Emulator, make_bot: MakeBot, platform: str, store: Conversations
) -> None:
    model = make_bot(platform, conversations=store)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: model.invoke(f"[[echo]]{n}", session_id="anna"), range(8)))
    assert len({conversation(answer) for answer in answers}) == 1
    assert begun_by(emulator, model) == 1


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_first_turns_at_once_begin_one_conversation_in_tasks(
    emulator: Emulator, make_bot: MakeBot, platform: str, store: Conversations
) -> None:
    model = make_bot(platform, conversations=store)
    answers = await asyncio.gather(*(model.ainvoke(f"[[echo]]{n}", session_id="anna") for n in range(8)))
    assert len({conversation(answer) for answer in answers}) == 1
    assert begun_by(emulator, model) == 1


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_first_turn_that_fails_lets_the_next_begin(
    emulator: Emulator, make_bot: MakeBot, platform: str, store: Conversations
) -> None:
    model = make_bot(platform, conversations=store, max_retries=0)
    emulator.faults.add(Unavailable(), user=model.user, path=("/v1/chat-messages", "/gptbots/v1/conversation"))
    with pytest.raises(Exception, match=f"^{platform}: "):
        model.invoke(FIRST, session_id="anna")
    first = model.invoke(FIRST, session_id="anna")
    assert conversation(model.invoke(SECOND, session_id="anna")) == conversation(first)


def test_first_turns_of_several_processes_begin_one_conversation(
    emulator: Emulator, make_bot: MakeBot, tmp_path: Path, frameworks: Forks
) -> None:
    model = make_bot("dify", conversations=SQLiteConversations(tmp_path / "sessions.db"))
    program = (
        "import os, sys; from langchain_chatbots import ChatDify; from remote_chatbots import SQLiteConversations\n"
        "model = ChatDify(conversations=SQLiteConversations(sys.argv[1]))\n"
        "sys.stdin.read()\n"
        "print(model.invoke('Hello', session_id='anna').response_metadata['conversation_id'])"
    )
    environment = {
        **os.environ, "DIFY_API_KEY": emulator.dify_key, "DIFY_BASE_URL": emulator.dify_url, "DIFY_USER": model.user,
    }  # fmt: skip
    ready, go = os.pipe()
    told = [tmp_path / f"told by {number}" for number in range(3)]
    with os.fdopen(ready) as stdin, contextlib.ExitStack() as files:
        processes = []
        for path in told:
            file = files.enter_context(path.open("w"))
            streams = (stdin, file, file)
            processes.append(
                frameworks.start(program, str(tmp_path / "sessions.db"), streams=streams, environment=environment)
            )
        os.close(go)
        for process in processes:
            process.wait()
    assert {path.read_text("utf-8").strip() for path in told} == {conversation(model.invoke(SECOND, session_id="anna"))}
    assert begun_by(emulator, model) == 1


def test_a_claim_that_nobody_gives_back_ends_by_itself(tmp_path: Path) -> None:
    for store in (InMemoryConversations(claim_s=0.5), SQLiteConversations(tmp_path / "sessions.db", claim_s=0.5)):
        assert store.claim("a")
        assert not store.claim("a")
        assert store.claim("b")
        store.release("b")
        assert store.claim("b")
        deadline = time.monotonic() + 10
        while not store.claim("a"):
            assert time.monotonic() < deadline
            time.sleep(0.01)


async def test_a_task_that_is_cancelled_while_it_claims_leaves_no_claim_behind(tmp_path: Path) -> None:
    begun, may_go_on = threading.Event(), threading.Event()

    class Slow(SQLiteConversations):
        def claim(self, key: str) -> bool:
            begun.set()
            may_go_on.wait(10)
            return super().claim(key)

    store = Slow(tmp_path / "sessions.db")
    task = asyncio.create_task(store.aclaim("a"))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, may_go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.claim("a")


def test_a_store_in_memory_is_bounded() -> None:
    store = InMemoryConversations(most=10)
    for n in range(100):
        store.put(str(n), f"c-{n}")
    assert store.get("99") == "c-99"
    assert sum(bool(store.get(str(n))) for n in range(100)) <= 10


def test_a_pickled_model_finds_the_file_again(make_bot: MakeBot, tmp_path: Path) -> None:
    model = make_bot("dify", conversations=SQLiteConversations(tmp_path / "sessions.db"))
    first = model.invoke(FIRST, session_id="anna")
    assert conversation(pickle.loads(pickle.dumps(model)).invoke(SECOND, session_id="anna")) == conversation(first)


@pytest.mark.parametrize("thread_id", [1, uuid.UUID(int=1)], ids=["number", "uuid"])
def test_a_thread_whose_id_is_no_text_is_a_session_as_well(make_bot: MakeBot, thread_id: Any) -> None:
    model = make_bot("dify", conversations=InMemoryConversations())
    config = {"configurable": {"thread_id": thread_id}}
    first = model.invoke(FIRST, config)
    assert conversation(model.invoke(SECOND, config)) == conversation(first)
    assert conversation(model.invoke(SECOND, session_id=str(thread_id))) == conversation(first)


@pytest.mark.parametrize("given", ["sessions.db", {}, InMemoryConversations])
def test_what_is_no_store_is_refused_by_the_constructor(make_bot: MakeBot, given: Any) -> None:
    with pytest.raises(BotUsageError, match=r"^dify: conversations must be a store .* Give InMemoryConversations\(\)"):
        make_bot("dify", conversations=given)
    with pytest.raises(BotUsageError, match=r"^dify: conversations must be a store"):
        RemoteChatMessageHistory(make_bot("dify"), session_id="anna", conversations=given)


def test_a_store_that_would_keep_nothing_is_refused() -> None:
    for path in ("", ":memory:"):
        with pytest.raises(BotUsageError, match="use InMemoryConversations"):
            SQLiteConversations(path)
    not_langchains: Any = LangGraphStore()
    with pytest.raises(BotUsageError, match="InMemoryStore is no BaseStore"):
        StoredConversations(not_langchains)


class Plain(Conversations):
    """A store of somebody's own, with what it needs and no more."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str) -> str:
        return self.kept.get(key, "")

    def put(self, key: str, conversation_id: str) -> None:
        self.kept[key] = conversation_id

    def delete(self, key: str) -> None:
        del self.kept[key]


def test_a_store_of_ones_own_needs_three_methods_and_claims_for_itself(emulator: Emulator, make_bot: MakeBot) -> None:
    model = make_bot("dify", conversations=pickle.loads(pickle.dumps(Plain())))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: model.invoke(f"[[echo]]{n}", session_id="anna"), range(4)))
    assert len({conversation(answer) for answer in answers}) == 1
    assert begun_by(emulator, model) == 1


class Broken(Conversations):
    """A store whose server is gone: from the start, or once it has told that it knows nothing."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__()
        self.reads = reads

    def get(self, key: str) -> str:
        if not self.reads:
            raise ConnectionError("redis://:secret@host is gone")
        return ""

    def put(self, key: str, conversation_id: str) -> None:
        raise ConnectionError("redis://:secret@host is gone")

    def delete(self, key: str) -> None:
        raise ConnectionError("redis://:secret@host is gone")


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_store_that_cannot_be_read_is_an_error_before_anything_is_sent(
    emulator: Emulator, make_bot: MakeBot, platform: str
) -> None:
    model = make_bot(platform, conversations=Broken(reads=False))
    for _ in range(2):
        with pytest.raises(BotUsageError, match=f"^{platform}: the store of conversations cannot be read") as failed:
            model.invoke(FIRST, session_id="anna")
        assert "secret" not in str(failed.value)
    with pytest.raises(BotUsageError, match="Nothing was sent"):
        await model.ainvoke(FIRST, session_id="anna")
    assert begun_by(emulator, model) == 0


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_store_that_cannot_be_written_costs_no_answer(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform, conversations=Broken(reads=True))
    with pytest.warns(UserWarning, match="could not be kept"):
        assert model.invoke(FIRST, session_id="anna").text
    with pytest.warns(UserWarning, match="could not be kept"):
        assert (await model.ainvoke(FIRST, session_id="anna")).text


def test_a_session_without_a_store_is_refused_and_a_thread_is_not(emulator: Emulator, make_bot: MakeBot) -> None:
    model = make_bot("dify")
    with pytest.raises(BotUsageError, match="conversations="):
        model.invoke(FIRST, session_id="anna")
    with warnings.catch_warnings():
        assert model.invoke(FIRST, {"configurable": {"session_id": "anna", "thread_id": "anna"}}).text
    assert len([one for one in emulator.requests if one.path in QUESTION_PATHS and model.user in str(one.body)]) == 1
