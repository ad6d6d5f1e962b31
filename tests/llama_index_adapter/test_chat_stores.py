"""A chat store whose keys are the server's conversations."""

from __future__ import annotations

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer

from llama_index_chatbots import GPTBots, RemoteChatEngine, RemoteChatStore, RemoteLLM
from remote_chatbots import BotNotFoundError, BotServerError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.asked import asked
from tests.llama_index_adapter.asking import AGAIN, QUESTION, Do, MakeLLM, user


def begun(bot: RemoteLLM) -> tuple[str, ChatMessage]:
    answer = bot.chat([user(QUESTION)]).message
    return str(answer.additional_kwargs["conversation_id"]), answer


async def test_its_keys_are_the_users_conversations_the_newest_first(bot: RemoteLLM, do: Do) -> None:
    store = RemoteChatStore(bot)
    assert await do(store.get_keys) == []
    first, second = begun(bot)[0], begun(bot)[0]
    assert await do(store.get_keys) == [second, first]
    assert (await do(store.get_messages, first))[0].content == QUESTION


async def test_last_limits_what_is_read(bot: RemoteLLM, do: Do) -> None:
    key, answer = begun(bot)
    (read,) = await do(RemoteChatStore(bot, last=1).get_messages, key)
    assert (read.content, read.role) == (answer.content, "assistant")


async def test_another_users_conversation_is_not_found(make_llm: MakeLLM, do: Do) -> None:
    key, _ = begun(make_llm())
    with pytest.raises(BotNotFoundError):
        await do(RemoteChatStore(make_llm(), user="somebody else").get_messages, key)


async def test_what_the_server_has_is_not_added_again_and_the_rest_waits(bot: RemoteLLM, do: Do) -> None:
    key, answer = begun(bot)
    store = RemoteChatStore(bot)
    await do(store.add_message, key, user("Next"))
    assert [one.content for one in await do(store.get_messages, key)] == [QUESTION, answer.content, "Next"]
    await do(store.add_message, key, answer)
    assert [one.content for one in await do(store.get_messages, key)] == [QUESTION, answer.content]
    with pytest.raises(BotUsageError, match=rf"^{bot.platform}: the answer was given in another conversation"):
        await do(store.add_message, "another", answer)


async def test_a_conversation_is_deleted_with_its_messages(make_llm: MakeLLM, do: Do) -> None:
    llm = make_llm()
    key, _ = begun(llm)
    store = RemoteChatStore(llm)
    assert await do(store.delete_messages, key) is None
    assert await do(store.get_keys) == []


async def test_a_platform_that_deletes_nothing_is_named(emulator: Emulator, do: Do) -> None:
    llm = GPTBots(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, user="kept")
    with pytest.raises(BotUsageError, match=r"^gptbots: .*'delete'"):
        await do(RemoteChatStore(llm).delete_messages, begun(llm)[0])


async def test_a_servers_history_is_neither_written_nor_edited(bot: RemoteLLM, do: Do) -> None:
    key, _ = begun(bot)
    store = RemoteChatStore(bot)
    with pytest.raises(BotUsageError, match="takes no messages"):
        await do(store.set_messages, key, [user("Hello")])
    with pytest.raises(BotUsageError, match="no platform deletes a message"):
        await do(store.delete_message, key, 0)
    with pytest.raises(BotUsageError, match="no platform deletes a message"):
        await do(store.delete_last_message, key)
    await do(store.add_message, key, user("Not yet sent"))
    assert await do(store.delete_last_message, key) == user("Not yet sent")
    assert len(await do(store.get_messages, key)) == 2


@pytest.mark.parametrize("engine_class", [SimpleChatEngine, RemoteChatEngine])
async def test_llama_indexs_memory_over_it_goes_on(
    emulator: Emulator, bot: RemoteLLM, do: Do, engine_class: type[SimpleChatEngine | RemoteChatEngine]
) -> None:
    key, _ = begun(bot)
    memory = ChatMemoryBuffer(
        chat_store=RemoteChatStore(bot), chat_store_key=key, token_limit=10**6, tokenizer_fn=str.split
    )
    engine = engine_class.from_defaults(llm=bot, memory=memory)
    before = len(emulator.requests)
    assert QUESTION in str(await do(engine.chat, AGAIN))
    assert asked(emulator, before) == [(AGAIN, key)]
    assert [one.content for one in memory.get_all()][2] == AGAIN
    assert len(memory.get_all()) == 4


async def test_a_question_whose_answer_broke_is_not_told_again(emulator: Emulator, make_llm: MakeLLM, do: Do) -> None:
    llm = make_llm()
    key, _ = begun(llm)
    memory = ChatMemoryBuffer(
        chat_store=RemoteChatStore(llm), chat_store_key=key, token_limit=10**6, tokenizer_fn=str.split
    )
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
    before = len(emulator.requests)
    with pytest.raises(BotServerError):
        await do(engine.chat, "[[failmid]] Tell me")
    await do(engine.chat, AGAIN)
    assert asked(emulator, before) == [("[[failmid]] Tell me", key), (AGAIN, key)]


def test_a_dump_holds_no_key(bot: RemoteLLM) -> None:
    store = RemoteChatStore(bot, last=5)
    key = bot.api_key.get_secret_value()
    assert key not in store.to_json() + repr(store)
    assert RemoteChatStore.from_dict({**store.to_dict(), "llm": bot}) == store
