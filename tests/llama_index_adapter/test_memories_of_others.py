"""LlamaIndex's own memories under its own engines, beside a bot whose answers are as heavy as real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from llama_index.core.chat_engine import CondenseQuestionChatEngine, SimpleChatEngine
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import BaseMemory, ChatMemoryBuffer, ChatSummaryMemoryBuffer, Memory

from llama_index_chatbots import Dify, GPTBots, RemoteChatEngine, RemoteLLM, RemoteQueryEngine
from remote_chatbots.emulator import Emulator
from tests.covering import covering
from tests.llama_index_adapter.asking import sent, user

Opened = Callable[[BaseMemory], BaseMemory]
FIRST = "When does the ferry leave?"
FURTHER = [f"And when does the ferry of day {n} leave?" for n in range(2, 6)]
OWN_MEMORIES = {
    "Memory": lambda llm: Memory.from_defaults(),
    "ChatMemoryBuffer": lambda llm: ChatMemoryBuffer.from_defaults(llm=llm),
    "ChatSummaryMemoryBuffer": lambda llm: ChatSummaryMemoryBuffer.from_defaults(llm=llm),
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    passage = "When does the ferry leave? Passengers wait at the quay and hold their tickets ready. " * 12
    documents = {f"pier-{n}.md": f"Pier {n}. {passage}" for n in range(1, 5)}
    with Emulator(token_delay_s=0, held_open_s=0.05, documents=documents) as running:
        yield running


@pytest.fixture(params=["dify", "gptbots"])
def heavy(emulator: Emulator, request: pytest.FixtureRequest) -> RemoteLLM:
    """A bot whose answers carry passages of a thousand characters, and on Dify the steps that passed them on."""
    if request.param == "dify":
        return Dify(
            api_key=emulator.key("advanced-chat"), base_url=emulator.dify_url, user=request.node.nodeid, on_fork="error"
        )
    llm = GPTBots(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, user="m" * 32, fetch_sources=True)
    return llm.discover()


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Have the database of a `Memory` closed behind the test: LlamaIndex leaves it to the garbage collector."""
    memories: list[BaseMemory] = []

    def opened(memory: BaseMemory) -> BaseMemory:
        memories.append(memory)
        return memory

    yield opened
    for memory in memories:
        if isinstance(memory, Memory):
            await memory.sql_store._async_engine.dispose()


def conversations_of(answers: list[ChatMessage]) -> set[str]:
    return {answer.additional_kwargs["conversation_id"] for answer in answers}


def own_answers(memory: BaseMemory) -> list[ChatMessage]:
    return [message for message in memory.get_all() if "bot" in message.additional_kwargs]


@pytest.mark.parametrize(
    ("heavy", "name", "way"),
    covering(["dify", "gptbots"], list(OWN_MEMORIES), ["chat", "achat", "stream_chat"]),
    indirect=["heavy"],
)
async def test_five_heavy_turns_under_llamaindexs_own_engine_stay_in_one_conversation(
    heavy: RemoteLLM, name: str, way: str, opened: Opened
) -> None:
    memory = None if name == "Memory" else OWN_MEMORIES[name](heavy)  # without one, the engine makes its own
    engine = SimpleChatEngine.from_defaults(llm=heavy, memory=memory)
    opened(engine._memory)
    for question in [FIRST, *FURTHER]:
        reply: Any = getattr(engine, way)(question)
        if way == "achat":
            await reply
        elif way == "stream_chat":
            "".join(reply.response_gen)
    answers = own_answers(engine._memory)
    assert len(answers) == 5
    assert len(conversations_of(answers)) == 1
    n_tokens = Memory(token_limit=1)._estimate_token_count(answers[0])
    assert n_tokens > (2_730 if heavy.platform == "dify" else 600)  # LlamaIndex's own default is full of the former


@pytest.mark.parametrize("name", OWN_MEMORIES)
async def test_five_heavy_turns_by_hand_stay_in_one_conversation(heavy: RemoteLLM, name: str, opened: Opened) -> None:
    memory = opened(OWN_MEMORIES[name](heavy))
    for question in [FIRST, *FURTHER]:
        memory.put(user(question))
        memory.put(heavy.chat(memory.get()).message)
    assert len(conversations_of(own_answers(memory))) == 1


async def test_what_fills_the_context_window_makes_room_for_the_newest_answer(
    emulator: Emulator, opened: Opened
) -> None:
    window = 32_000
    llm = Dify(api_key=emulator.key("advanced-chat"), base_url=emulator.dify_url, user="long", context_window=window)
    engine = SimpleChatEngine.from_defaults(llm=llm)
    opened(engine._memory)
    answer = llm.chat([user(FIRST)]).message
    n_tokens = engine._memory._estimate_token_count(answer)
    for n in range(window // n_tokens):
        engine._memory.put_messages([user(f"Question {n}?"), answer])
    assert len(engine._memory.get()) < 2 * (window // n_tokens)  # some were dropped
    engine.chat(FURTHER[0])
    assert (
        own_answers(engine._memory)[-1].additional_kwargs["conversation_id"]
        == (answer.additional_kwargs["conversation_id"])
    )


@pytest.mark.parametrize("token_limit", [500, 3644])
async def test_a_chat_engine_of_ours_goes_on_however_small_its_memory_is(
    heavy: RemoteLLM, token_limit: int, opened: Opened
) -> None:
    engine = RemoteChatEngine.from_llm(heavy, memory=opened(Memory.from_defaults(token_limit=token_limit)))
    found = {(await engine.achat(question)).metadata["conversation_id"] for question in [FIRST, *FURTHER]}
    assert found == {engine.conversation_id}


async def test_engines_that_rephrase_the_question_tell_the_bot_all_five_turns(
    emulator: Emulator, opened: Opened
) -> None:
    llm = Dify(api_key=emulator.key("advanced-chat"), base_url=emulator.dify_url, user="condensing")
    condensing = CondenseQuestionChatEngine.from_defaults(query_engine=RemoteQueryEngine.from_llm(llm), llm=llm)
    opened(condensing._memory)
    for question in [FIRST, *FURTHER]:
        condensing.chat(question)
    asked = [body["query"] for body in sent(emulator, "condensing")]
    rephrased = [query for query in asked if FURTHER[-1] in query and "Pier" in query]
    assert all(question in rephrased[0] for question in [FIRST, *FURTHER])
    assert len(condensing.chat_history) == 10
