"""The chat engine: one conversation, sent once, one question at a time, with any memory beside it."""

from __future__ import annotations

import asyncio
import builtins
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation.events.chat_engine import StreamChatEndEvent, StreamChatErrorEvent
from llama_index.core.llms import MockLLM
from llama_index.core.memory import BaseMemory, ChatMemoryBuffer, Memory
from llama_index.core.storage.chat_store import SimpleChatStore
from llama_index.core.storage.chat_store.sql import SQLAlchemyChatStore
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from langchain_chatbots import ChatDify
from llama_index_chatbots import Dify, RemoteChatEngine, RemoteStreamingResponse
from llama_index_chatbots.conformance.listening import listening
from llama_index_chatbots.local_record import LocalRecord
from remote_chatbots import BotAuthError, BotNotFoundError, BotServerError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import AGAIN, KINDS, QUESTION, MakeLLM, sent, user


@pytest.mark.parametrize("kind", KINDS)
async def test_a_conversation_goes_on_in_every_way_of_asking(emulator: Emulator, make_llm: MakeLLM, kind: str) -> None:
    llm = make_llm(kind)
    engine = RemoteChatEngine.from_llm(llm)
    first = engine.chat(QUESTION)
    streamed = engine.stream_chat(AGAIN)
    assert QUESTION in "".join(streamed.response_gen)
    awaited = await engine.achat(AGAIN)
    astreamed = await engine.astream_chat(AGAIN)
    assert QUESTION in "".join([piece async for piece in astreamed.async_response_gen()])
    answers = (first, streamed, awaited, astreamed)
    assert {answer.metadata["conversation_id"] for answer in answers} == {engine.conversation_id}
    assert [body["query"] for body in sent(emulator, llm.user)] == [QUESTION, AGAIN, AGAIN, AGAIN]
    assert len(engine.chat_history) == 8


@pytest.mark.parametrize("way", ["chat", "stream_chat", "achat", "astream_chat"])
async def test_an_answer_has_its_sources_and_metadata(make_llm: MakeLLM, way: str) -> None:
    engine = RemoteChatEngine.from_llm(make_llm())
    answer: Any = getattr(engine, way)(QUESTION)
    if way.startswith("a"):
        answer = await answer
    if isinstance(answer, RemoteStreamingResponse):
        assert (answer.source_nodes, answer.metadata) == ([], {})
        pieces = answer.response_gen if way == "stream_chat" else [p async for p in answer.async_response_gen()]
        assert "".join(pieces) == str(answer) == answer.response
    assert "9:00" in str(answer)
    assert [node.metadata["source"] for node in answer.source_nodes] == ["ferry.md"] * 3
    assert answer.sources[0].raw_output == answer.source_nodes
    assert answer.metadata["usage"]["total_tokens"] > 0


def test_a_known_conversation_is_gone_on_with(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm()
    begun = RemoteChatEngine.from_llm(llm).chat(QUESTION).metadata["conversation_id"]
    engine = RemoteChatEngine.from_llm(llm, conversation_id=begun)
    assert QUESTION in str(engine.chat(AGAIN))
    assert sent(emulator, llm.user)[-1]["query"] == AGAIN


def test_reset_begins_a_new_conversation_also_where_the_llm_names_one(make_llm: MakeLLM) -> None:
    begun = make_llm().complete("Hi").additional_kwargs["conversation_id"]
    engine = RemoteChatEngine.from_llm(make_llm(conversation_id=begun))
    assert engine.chat("[[echo]]1").metadata["conversation_id"] == begun
    engine.reset()
    assert engine.conversation_id == ""
    assert engine.chat("[[echo]]2").metadata["conversation_id"] != begun
    assert engine.chat("[[echo]]3").metadata["conversation_id"] == engine.conversation_id != begun


def memories() -> list[Any]:
    few = {"token_limit": 12, "tokenizer_fn": str.split}
    return [
        pytest.param(lambda: ChatMemoryBuffer(token_limit=10**6, tokenizer_fn=str.split), id="ChatMemoryBuffer"),
        pytest.param(lambda: ChatMemoryBuffer(**few), id="one that forgets"),
        pytest.param(LocalRecord, id="the engine's own"),
    ]


@pytest.mark.parametrize("make_memory", memories())
def test_any_memory_may_stand_beside_it(emulator: Emulator, make_llm: MakeLLM, make_memory: Any) -> None:
    llm, memory = make_llm(), make_memory()
    engine = RemoteChatEngine.from_defaults(llm=llm, memory=memory)
    questions = [QUESTION, AGAIN, "[[echo]]three", "[[echo]]four"]
    for question in questions:
        engine.chat(question)
    assert [body["query"] for body in sent(emulator, llm.user)] == questions
    assert len({body["conversation_id"] for body in sent(emulator, llm.user)[1:]}) == 1
    assert [message.content for message in memory.get_all()][::2] == questions


async def test_an_async_memory_is_awaited(emulator: Emulator, make_llm: MakeLLM) -> None:
    database = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    store = SQLAlchemyChatStore(table_name="said", async_engine=database)
    llm, memory = make_llm(), Memory.from_defaults(tokenizer_fn=str.split, chat_store=store)
    engine = RemoteChatEngine.from_defaults(llm=llm, memory=memory)
    await engine.achat(QUESTION)
    async for _ in (await engine.astream_chat(AGAIN)).async_response_gen():
        pass
    assert len(await memory.aget_all()) == 4
    assert [body["query"] for body in sent(emulator, llm.user)] == [QUESTION, AGAIN]
    again = RemoteChatEngine.from_defaults(llm=llm, memory=memory)  # the ids were written to the database as well
    assert QUESTION in str(await again.achat(AGAIN))
    await database.dispose()  # or its connection is left to the garbage collector


def test_a_stored_memory_continues_in_another_engine(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm, store = make_llm(), SimpleChatStore()

    def memory(of: SimpleChatStore) -> BaseMemory:
        return ChatMemoryBuffer(token_limit=10**6, tokenizer_fn=str.split, chat_store=of, chat_store_key="anna")

    RemoteChatEngine.from_llm(llm, memory=memory(store)).chat(QUESTION)
    written = [message.model_dump_json() for message in store.get_messages("anna")]
    read = SimpleChatStore(store={"anna": [ChatMessage.model_validate_json(line) for line in written]})
    again = RemoteChatEngine.from_llm(llm, memory=memory(read))
    assert QUESTION in str(again.chat(AGAIN))
    assert sent(emulator, llm.user)[-1]["query"] == AGAIN


def test_a_history_of_others_is_told_to_a_new_conversation_once(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm()
    before = [user("Hi"), ChatMessage(role="assistant", content="Hello.")]
    engine = RemoteChatEngine.from_defaults(llm=llm, chat_history=before, system_prompt="Be brief.")
    engine.chat("Rain?")
    engine.chat("Wind?")
    assert [body["query"] for body in sent(emulator, llm.user)] == [
        "Be brief.\n\nuser: Hi\n\nassistant: Hello.\n\nuser: Rain?",
        "Wind?",
    ]


def test_a_history_that_is_given_says_the_conversation(make_llm: MakeLLM) -> None:
    llm = make_llm()
    other = RemoteChatEngine.from_llm(llm)
    other.chat(QUESTION)
    engine = RemoteChatEngine.from_llm(llm)
    engine.chat("[[echo]]Something else")
    assert QUESTION in str(engine.chat(AGAIN, chat_history=other.chat_history))
    assert engine.conversation_id == other.conversation_id
    plain = [user("a"), ChatMessage(role="assistant", content="b")]  # as a user interface keeps it, without ids
    assert engine.chat(AGAIN, chat_history=plain).metadata["conversation_id"] == other.conversation_id


def test_a_user_and_inputs_of_the_engine_are_sent(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm()
    RemoteChatEngine.from_llm(llm, user=f"{llm.user}-2", inputs={"guest": "Ola"}).chat("Hi")
    (body,) = sent(emulator, f"{llm.user}-2")
    assert body["inputs"] == {"guest": "Ola"}


async def test_questions_to_one_conversation_wait_for_one_another(make_llm: MakeLLM) -> None:
    with Emulator(token_delay_s=0.02, held_open_s=0) as slow:
        llm = make_llm(api_key=slow.dify_key, base_url=slow.dify_url, coalesce=False)
        first = RemoteChatEngine.from_llm(llm)
        await first.achat("[[echo]]begin")
        second = RemoteChatEngine.from_llm(llm, conversation_id=first.conversation_id)
        going: list[str] = []

        async def ask(engine: RemoteChatEngine, name: str) -> None:
            async for _ in (await engine.astream_chat(f"[[echo]]{name} {name} {name}")).async_response_gen():
                going.append(name)

        with ThreadPoolExecutor(1) as thread:
            sync = thread.submit(lambda: [going.append("c") for _ in second.stream_chat("[[echo]]c c").response_gen])
            await asyncio.gather(ask(first, "a"), ask(second, "b"))
            await asyncio.wrap_future(sync)
    order = [name for at, name in enumerate(going) if at == 0 or going[at - 1] != name]
    assert sorted(order) == ["a", "b", "c"], going


async def test_whoever_would_wait_for_himself_is_told(make_llm: MakeLLM) -> None:
    engine = RemoteChatEngine.from_llm(make_llm(coalesce=False))
    pieces = engine.stream_chat("[[long]]").response_gen
    next(pieces)
    with pytest.raises(BotUsageError, match="still being read"):
        engine.chat("And?")
    pieces.close()
    assert str(engine.chat("[[echo]]And?"))
    apieces = (await engine.astream_chat("[[long]]")).async_response_gen()
    await anext(apieces)
    with pytest.raises(BotUsageError, match="still being read"):
        await engine.achat("And?")
    await apieces.aclose()
    assert str(await engine.achat("[[echo]]And?"))


async def test_whoever_gives_up_waiting_does_not_hold_up_the_others(make_llm: MakeLLM) -> None:
    engine = RemoteChatEngine.from_llm(make_llm(coalesce=False))
    pieces = (await engine.astream_chat("[[long]]")).async_response_gen()
    await anext(pieces)
    waiting = [asyncio.create_task(engine.achat(f"[[echo]]{n}")) for n in range(3)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    await pieces.aclose()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert ["1" in str(done[1]), "2" in str(done[2])] == [True, True]


@pytest.mark.parametrize("way", ["chat", "stream_chat", "achat", "astream_chat"])
async def test_a_broken_turn_is_remembered_as_far_as_it_came(
    emulator: Emulator, make_llm: MakeLLM, way: str
) -> None:  # fmt: skip
    engine = RemoteChatEngine.from_llm(make_llm())
    broken = "[[failmid]] Tell me"
    seen: list[str] = []

    async def ask() -> None:
        answer: Any = getattr(engine, way)(broken)
        answer = await answer if way.startswith("a") else answer
        if way == "stream_chat":
            seen.extend(answer.response_gen)
        elif way == "astream_chat":
            async for piece in answer.async_response_gen():
                seen.append(piece)

    with listening() as listener, pytest.raises(BotServerError) as caught:
        await ask()
    assert caught.value.partial_text
    if "stream" in way:
        assert "".join(seen) == caught.value.partial_text
        assert (listener.count(StreamChatErrorEvent), listener.count(StreamChatEndEvent)) == (1, 0)
    asked, partial = engine.chat_history
    assert (asked.content, partial.content) == (broken, caught.value.partial_text)
    assert engine.conversation_id == caught.value.conversation_id
    engine.chat("[[echo]]And now?")
    assert [body["query"] for body in sent(emulator, engine._llm.user)] == [broken, "[[echo]]And now?"]


def test_a_turn_that_said_nothing_leaves_nothing(make_llm: MakeLLM) -> None:
    engine = RemoteChatEngine.from_llm(make_llm(api_key="app-wrong"))
    answer = engine.stream_chat("Hi")
    with pytest.raises(BotAuthError):
        list(answer.response_gen)
    assert isinstance(answer.exception, BotAuthError)
    assert engine.chat_history == []


def test_withdrawn_text_is_not_the_response(make_llm: MakeLLM) -> None:
    engine = RemoteChatEngine.from_llm(make_llm(coalesce=False))
    answer = engine.stream_chat("[[bad]] Tell me")
    pieces = list(answer.response_gen)
    assert answer.metadata["replaced"] is True
    assert str(answer) == engine.chat_history[-1].content == pieces[-1]
    assert len("".join(pieces)) > len(str(answer))


def test_nothing_is_sent_before_an_answer_is_read_and_it_is_read_once(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm()
    answer = RemoteChatEngine.from_llm(llm).stream_chat(QUESTION)
    assert sent(emulator, llm.user) == []
    once, twice = "".join(answer.response_gen), "".join(answer.response_gen)
    assert once == twice
    assert len(sent(emulator, llm.user)) == 1
    with pytest.raises(BotUsageError, match="Read it by for"):
        RemoteChatEngine.from_llm(llm).stream_chat("Hi").async_response_gen()


@pytest.mark.parametrize("repl", ["chat_repl", "streaming_chat_repl"])
def test_a_person_may_talk_to_it(
    make_llm: MakeLLM, repl: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = iter([QUESTION, AGAIN, "exit"])
    monkeypatch.setattr(builtins, "input", lambda _: next(said))
    getattr(RemoteChatEngine.from_llm(make_llm()), repl)()
    printed = capsys.readouterr().out
    assert "9:00" in printed
    assert f'You asked first: "{QUESTION}"' in printed


def test_what_is_no_bot_is_refused(make_llm: MakeLLM) -> None:
    with pytest.raises(BotUsageError, match="MockLLM is no remote bot"):
        RemoteChatEngine.from_llm(MockLLM())  # type: ignore[arg-type]
    with pytest.raises(BotUsageError, match="Did you mean conversation_id"):
        RemoteChatEngine.from_defaults(llm=make_llm(), conversation="x")
    with pytest.raises(BotUsageError, match="not both"):
        RemoteChatEngine.from_defaults(llm=make_llm(), system_prompt="x", prefix_messages=[])


def test_the_settings_of_llama_index_may_name_the_bot(make_llm: MakeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    from llama_index.core import Settings

    with pytest.raises(BotUsageError, match="No LLM is given"):
        RemoteChatEngine.from_defaults()
    monkeypatch.setattr(Settings, "_llm", make_llm())
    assert str(RemoteChatEngine.from_defaults().chat("[[echo]]hello"))


def test_one_llm_serves_many_conversations_at_once(make_llm: MakeLLM) -> None:
    llm: Dify = make_llm()

    def talk(n: int) -> str:
        engine = RemoteChatEngine.from_llm(llm, user=f"{llm.user}-{n}")
        engine.chat(f"My number is {n}.")
        return str(engine.chat(AGAIN))

    with ThreadPoolExecutor(8) as threads:
        for n, answer in enumerate(threads.map(talk, range(16))):
            assert f"My number is {n}." in answer


async def test_a_forgotten_conversation_is_begun_anew_where_that_is_wanted(
    emulator: Emulator, make_llm: MakeLLM
) -> None:
    gone = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(BotNotFoundError):
        RemoteChatEngine.from_llm(make_llm(), conversation_id=gone).chat("Hi")
    engine = RemoteChatEngine.from_llm(make_llm(on_missing="restart"), conversation_id=gone)
    with pytest.warns(UserWarning, match="in a new one"):
        answer = await engine.achat(QUESTION)
    assert answer.metadata["conversation_replaced"] == gone
    assert engine.conversation_id == answer.metadata["conversation_id"] != gone
    assert QUESTION in str(await engine.achat(AGAIN))


def test_a_conversation_that_langchain_began_goes_on_in_llama_index_and_back(make_llm: MakeLLM) -> None:
    llm = make_llm()
    model = ChatDify(api_key=llm.api_key, base_url=llm.base_url, user=llm.user)
    began = model.invoke(QUESTION)
    engine = RemoteChatEngine.from_llm(llm, conversation_id=began.response_metadata["conversation_id"])
    assert QUESTION in str(engine.chat(AGAIN))
    last = engine.chat_history[-1].additional_kwargs
    assert last["bot"] == began.response_metadata["bot"]
    back = model.invoke(AGAIN, conversation_id=last["conversation_id"])
    assert str(back.text).startswith("Turn 3.")
