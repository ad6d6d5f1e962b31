"""A memory that is the server's own history: under our engine, under LlamaIndex's, and alone."""

from __future__ import annotations

import json
import pickle
from typing import Any, Self

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.settings import Settings

from llama_index_chatbots import Dify, GPTBots, RemoteChatEngine, RemoteLLM, RemoteMemory, source_nodes
from llama_index_chatbots.local_record import LocalRecord
from remote_chatbots import BotNotFoundError, BotServerError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.asked import asked
from tests.llama_index_adapter.asking import AGAIN, QUESTION, Do, MakeLLM, user

FOREIGN = ChatMessage(role="assistant", content="Said by another.")


def begun(bot: RemoteLLM, *questions: str) -> list[ChatMessage]:
    """Ask, in one conversation; return all that was said."""
    said: list[ChatMessage] = []
    for question in questions or (QUESTION,):
        said.append(user(question))
        said.append(bot.chat(said).message)
    return said


def conversation(said: list[ChatMessage]) -> str:
    return str(said[-1].additional_kwargs["conversation_id"])


async def test_the_servers_history_is_the_memory(bot: RemoteLLM, do: Do) -> None:
    said = begun(bot, QUESTION, AGAIN)
    memory = RemoteMemory(bot, conversation_id=conversation(said))
    found = await do(memory.get_all)
    assert [(one.role, one.content) for one in found] == [(one.role, one.content) for one in said]
    assert [one.additional_kwargs["message_id"] for one in found[1::2]] == [
        one.additional_kwargs["message_id"] for one in said[1::2]
    ]
    assert bot.chat([*found, user(AGAIN)]).message.additional_kwargs["conversation_id"] == memory.conversation_id


async def test_last_limits_what_is_read(emulator: Emulator, bot: RemoteLLM, do: Do) -> None:
    said = begun(bot, QUESTION, AGAIN)
    memory = RemoteMemory(bot, conversation_id=conversation(said), last=1)
    assert [one.content for one in await do(memory.get)] == [said[-1].content]
    assert len(await do(memory.get_all)) == 4


def test_what_rides_on_a_live_answer_rides_on_a_stored_one(make_llm: MakeLLM) -> None:
    llm = make_llm()
    live = begun(llm)[-1]
    llm._sync_client().feedback(live.additional_kwargs["message_id"], "like", user=llm.user)
    question, answer = RemoteMemory(llm, conversation_id=conversation([live])).get()
    same = ("bot", "model_provider", "model_name", "conversation_id", "message_id", "created_at")
    assert {name: answer.additional_kwargs[name] for name in same} == {
        name: live.additional_kwargs[name] for name in same
    }
    assert [node.text for node in source_nodes(answer)] == [node.text for node in source_nodes(live)] != []
    assert answer.additional_kwargs["rating"] == "like"
    assert "bot" not in question.additional_kwargs


def test_a_thought_in_a_stored_answer_is_told_apart_as_in_a_live_one(make_llm: MakeLLM) -> None:
    llm = make_llm()
    live = begun(llm, "[[echo]]<think>Hm.</think>Yes.")[-1]
    stored = RemoteMemory(llm, conversation_id=conversation([live])).get()[-1]
    assert [block.model_dump() for block in stored.blocks] == [block.model_dump() for block in live.blocks]
    assert stored.content == "Yes."


@pytest.mark.parametrize("way", ["chat", "stream_chat", "achat", "astream_chat"])
async def test_under_the_engine_a_turn_costs_no_reading(emulator: Emulator, bot: RemoteLLM, way: str) -> None:
    engine = RemoteChatEngine.from_defaults(llm=bot, memory=RemoteMemory(bot), system_prompt="Be brief.")
    before = len(emulator.requests)
    for question in (QUESTION, AGAIN):
        answer: Any = getattr(engine, way)(question)
        answer = await answer if way.startswith("a") else answer
        if way == "stream_chat":
            list(answer.response_gen)
        elif way == "astream_chat":
            [_ async for _ in answer.async_response_gen()]
    assert [request.method for request in emulator.requests[before:] if request.method != "POST"] == []
    assert asked(emulator, before) == [(f"Be brief.\n\n{QUESTION}", ""), (AGAIN, engine.conversation_id)]
    assert [one.content for one in engine.chat_history][2] == AGAIN
    assert len(engine.chat_history) == 4


def test_an_engine_goes_on_in_the_memorys_conversation(emulator: Emulator, bot: RemoteLLM) -> None:
    memory = RemoteMemory(bot, conversation_id=conversation(begun(bot)))
    before = len(emulator.requests)
    engine = RemoteChatEngine.from_llm(bot, memory=memory)
    assert QUESTION in str(engine.chat(AGAIN))
    assert asked(emulator, before) == [(AGAIN, memory.conversation_id)]
    assert len(emulator.requests) == before + 1


def test_reset_forgets_here_and_the_server_keeps(bot: RemoteLLM) -> None:
    memory = RemoteMemory(bot)
    engine = RemoteChatEngine.from_llm(bot, memory=memory)
    engine.chat(QUESTION)
    kept = engine.conversation_id
    engine.reset()
    assert (engine.conversation_id, memory.get()) == ("", [])
    engine.chat(AGAIN)
    assert memory.conversation_id not in ("", kept)
    assert len(bot._sync_client().history(kept, user=bot.user)) == 2


async def test_reset_deletes_where_it_is_asked_to_and_the_platform_can(make_llm: MakeLLM, do: Do) -> None:
    llm = make_llm()
    memory = RemoteMemory(llm, conversation_id=(kept := conversation(begun(llm))))
    await do(memory.reset, delete=True)
    assert memory.conversation_id == ""
    with pytest.raises(BotNotFoundError):
        await do(RemoteMemory(llm, conversation_id=kept).get)


async def test_a_platform_that_deletes_nothing_says_so_and_nothing_is_forgotten(emulator: Emulator, do: Do) -> None:
    llm = GPTBots(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, user="kept")
    memory = RemoteMemory(llm, conversation_id=conversation(begun(llm)))
    with pytest.raises(BotUsageError, match=r"^gptbots: .*'delete'"):
        await do(memory.reset, delete=True)
    assert len(await do(memory.get)) == 2


async def test_a_broken_turn_tells_the_memory_its_conversation(bot: RemoteLLM) -> None:
    memory = RemoteMemory(bot)
    engine = RemoteChatEngine.from_llm(bot, memory=memory)
    with pytest.raises(BotServerError):
        await engine.achat("[[failmid]] Tell me")
    assert engine.conversation_id == memory.conversation_id != ""


async def test_llama_indexs_own_engine_goes_on_by_it(emulator: Emulator, bot: RemoteLLM, do: Do) -> None:
    memory = RemoteMemory(bot, last=1)
    engine = SimpleChatEngine.from_defaults(llm=bot, memory=memory)
    before = len(emulator.requests)
    await do(engine.chat, QUESTION)
    assert QUESTION in str(await do(engine.chat, AGAIN))
    assert asked(emulator, before) == [(QUESTION, ""), (AGAIN, memory.conversation_id)]
    assert memory.unsent == []
    assert len(engine.chat_history) == 4


async def test_what_was_read_is_not_looked_up_again_before_the_question(
    emulator: Emulator, bot: RemoteLLM, do: Do
) -> None:
    fresh = type(bot)(api_key=bot.api_key, base_url=bot.base_url, user=bot.user)
    memory = RemoteMemory(fresh, conversation_id=conversation(begun(bot)), last=1)
    engine = SimpleChatEngine.from_defaults(llm=fresh, memory=memory)
    before = len(emulator.requests)
    await do(engine.chat, AGAIN)
    assert [request.method for request in emulator.requests[before:]] == ["GET", "POST"]


async def test_a_question_whose_answer_broke_is_not_told_again(emulator: Emulator, make_llm: MakeLLM, do: Do) -> None:
    llm = make_llm()
    memory = RemoteMemory(llm)
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
    await do(engine.chat, QUESTION)
    before = len(emulator.requests)
    with pytest.raises(BotServerError):
        await do(engine.chat, "[[failmid]] Tell me")
    await do(engine.chat, AGAIN)
    assert asked(emulator, before) == [("[[failmid]] Tell me", memory.conversation_id), (AGAIN, memory.conversation_id)]
    assert memory.unsent == []


async def test_a_question_asked_in_vain_may_be_asked_again(emulator: Emulator, make_llm: MakeLLM, do: Do) -> None:
    llm = make_llm()
    memory = RemoteMemory(llm, conversation_id=conversation(begun(llm)))
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
    before = len(emulator.requests)
    for _ in range(2):
        with pytest.raises(BotServerError):
            await do(engine.chat, "[[failmid]] Tell me")
    assert asked(emulator, before) == [("[[failmid]] Tell me", memory.conversation_id)] * 2


async def test_a_system_message_that_the_server_has_is_not_told_again(
    emulator: Emulator, bot: RemoteLLM, do: Do
) -> None:
    engine = RemoteChatEngine.from_defaults(llm=bot, system_prompt="Be brief.")
    await do(engine.chat, QUESTION)
    memory = RemoteMemory(bot, conversation_id=engine.conversation_id)
    again = RemoteChatEngine.from_defaults(llm=bot, memory=memory, system_prompt="Be brief.")
    before = len(emulator.requests)
    await do(again.chat, AGAIN)
    assert asked(emulator, before) == [(AGAIN, engine.conversation_id)]


@pytest.mark.filterwarnings("ignore:The server does not know the conversation:UserWarning")
@pytest.mark.parametrize("engine_class", [SimpleChatEngine, RemoteChatEngine])
async def test_a_forgotten_conversation_is_begun_anew_by_choice(
    make_llm: MakeLLM, do: Do, engine_class: type[SimpleChatEngine | RemoteChatEngine]
) -> None:
    llm = make_llm(on_missing="restart")
    gone = conversation(begun(llm))
    llm._sync_client().delete(gone, user=llm.user)
    memory = RemoteMemory(llm, conversation_id=gone)
    engine = engine_class.from_defaults(llm=llm, memory=memory, system_prompt="Be brief.")
    assert "9:00" in str(await do(engine.chat, QUESTION))
    assert memory.conversation_id not in ("", gone)


async def test_what_the_bot_has_not_heard_is_told_with_the_next_question(
    emulator: Emulator, bot: RemoteLLM, do: Do
) -> None:
    memory = RemoteMemory(bot, conversation_id=conversation(begun(bot)))
    await do(memory.put, user("Aside"))
    await do(memory.put_messages, [FOREIGN, user(AGAIN)])
    assert [one.content for one in (await do(memory.get))[2:]] == ["Aside", FOREIGN.content, AGAIN]
    before = len(emulator.requests)
    await do(memory.put, bot.chat(await do(memory.get)).message)
    told = f"user: Aside\n\nassistant: {FOREIGN.content}\n\nuser: {AGAIN}"
    assert asked(emulator, before) == [(told, memory.conversation_id)]
    assert memory.unsent == []
    assert (await do(memory.get))[2].content == told


async def test_a_history_that_is_set_goes_on_from_its_newest_answer(bot: RemoteLLM, do: Do) -> None:
    said = begun(bot, QUESTION, AGAIN)
    memory = RemoteMemory(bot)
    await do(memory.set, [*said, user("Next")])
    assert memory.conversation_id == conversation(said)
    assert [one.content for one in await do(memory.get)] == [*(one.content for one in said), "Next"]
    await do(memory.set, [user("Hello"), FOREIGN])
    assert memory.conversation_id == ""
    assert await do(memory.get) == [user("Hello"), FOREIGN]


async def test_a_conversation_cannot_be_set_back(bot: RemoteLLM, do: Do) -> None:
    said = begun(bot, *(f"[[echo]]{number}" for number in range(6)))
    memory = RemoteMemory(bot, conversation_id=conversation(said))
    with pytest.raises(BotUsageError, match="has gone on since"):
        await do(memory.set, said[:2])
    assert memory.conversation_id == conversation(said)


def test_turns_of_one_second_are_not_taken_for_newer_ones(make_llm: MakeLLM) -> None:
    llm = make_llm()
    said: list[ChatMessage] = []
    for number in range(6):
        said.append(user(f"[[same]][[echo]]{number}"))
        said.append(llm.chat(said).message)
    for at in range(1, len(said), 2):
        RemoteMemory(llm).set(said[: at + 1])


def test_a_dump_and_a_pickle_give_an_equal_memory_and_a_dump_holds_no_key(
    bot: RemoteLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bot.api_key.get_secret_value()
    said = begun(bot)
    memory = RemoteMemory.from_defaults(said, bot, last=3)
    memory.put(user(AGAIN))
    dump = memory.to_json()
    assert key not in dump + repr(memory)
    monkeypatch.setenv(f"{bot.platform.upper()}_API_KEY", key)
    for again in (RemoteMemory.from_json(dump), pickle.loads(pickle.dumps(memory))):
        assert (again.conversation_id, again.last, again.unsent) == (conversation(said), 3, [user(AGAIN)])
        assert [one.content for one in again.get()] == [one.content for one in memory.get()]
    foreign = {**json.loads(dump), "llm": {"class_name": "Another"}}
    with pytest.raises(BotUsageError, match="Give llm="):
        RemoteMemory.from_dict(foreign)


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"last": 0}, "last: "), ({"conversation": "x"}, "Did you mean conversation_id"), ({"user": 5}, "user: ")],
)
def test_a_wrong_field_is_named(make_llm: MakeLLM, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(BotUsageError, match=says) as caught:
        RemoteMemory(make_llm(), **fields)
    assert str(caught.value).startswith("dify: ")


def test_an_engine_refuses_a_memory_of_another_bot_or_conversation(bot: RemoteLLM, make_llm: MakeLLM) -> None:
    memory = RemoteMemory(bot, conversation_id="one")
    with pytest.raises(BotUsageError, match="another bot's"):
        RemoteChatEngine.from_llm(make_llm("agent-chat"), memory=memory)
    with pytest.raises(BotUsageError, match="another conversation"):
        RemoteChatEngine.from_llm(bot, conversation_id="two", memory=memory)
    with pytest.raises(BotUsageError, match="no remote bot"):
        RemoteMemory(MockLLM())  # type: ignore[arg-type]


def test_an_engine_makes_one_of_its_class_and_settings_may_name_the_bot(
    make_llm: MakeLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = make_llm()
    engine = RemoteChatEngine.from_defaults(llm=llm, memory_cls=RemoteMemory, chat_history=begun(llm))
    assert QUESTION in str(engine.chat(AGAIN))
    monkeypatch.setattr(Settings, "_llm", llm)
    assert isinstance(RemoteMemory(conversation_id=engine.conversation_id).llm, Dify)
    assert len(RemoteMemory(conversation_id=engine.conversation_id).get()) == 4


class WithoutLLM(LocalRecord):
    @classmethod
    def from_defaults(cls, chat_history: list[ChatMessage] | None = None) -> Self:  # type: ignore[override]
        return cls(messages=list(chat_history or []))


def test_a_memory_class_that_takes_no_llm_is_given_none(make_llm: MakeLLM) -> None:
    engine = RemoteChatEngine.from_defaults(llm=make_llm(), memory_cls=WithoutLLM, chat_history=[user("Hello")])
    assert engine.chat_history == [user("Hello")]
