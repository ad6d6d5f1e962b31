"""The server's history as LangChain's chat history."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables.history import RunnableWithMessageHistory

from langchain_chatbots import RemoteChatMessageHistory, RemoteChatModel, RemoteConversationLoader, sources
from remote_chatbots import BotNotFoundError, BotUsageError, InMemoryConversations, SQLiteConversations
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import PLATFORMS, MakeBot, conversation, looks_into, questions_in

FIRST, SECOND, THIRD = "When does the ferry leave?", "And on Sundays?", "What did I ask first?"
pytestmark = pytest.mark.parametrize("platform", PLATFORMS)


@contextmanager
def deprecated() -> Iterator[None]:
    """LangChain says of `RunnableWithMessageHistory` that it is deprecated; people have it all the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RunnableWithMessageHistory is deprecated")
        yield


def with_history(runnable: Any, model: RemoteChatModel, **given: Any) -> Any:
    with deprecated():
        return RunnableWithMessageHistory(
            runnable, lambda session_id: RemoteChatMessageHistory(model, session_id=session_id, **given)
        )


def session(name: str) -> dict[str, Any]:
    return {"configurable": {"session_id": name}}


def talked(model: RemoteChatModel) -> str:
    """Ask twice; return the conversation."""
    first = model.invoke(FIRST)
    model.invoke([HumanMessage(FIRST), first, HumanMessage(SECOND)])
    return conversation(first)


@pytest.mark.parametrize("said", ["<think>Hm.</think>Yes.", "Yes.<think>Hm.</think> No.<think>Hm?</think> Yes."])
def test_thoughts_are_told_apart_as_in_the_live_answer(make_bot: MakeBot, platform: str, said: str) -> None:
    model = make_bot(platform)
    live = model.invoke(f"[[echo]]{said}")
    told = RemoteChatMessageHistory(model, conversation_id=conversation(live)).messages[-1]
    assert (told.content, told.content_blocks) == (live.content, live.content_blocks)
    assert "think" not in told.text
    unparted = RemoteChatMessageHistory(make_bot(platform, reasoning=False), conversation_id=conversation(live))
    assert said in unparted.messages[-1].text
    (turn,) = RemoteConversationLoader(model, [conversation(live)]).load()
    assert "Hm." in turn.metadata["messages"][-1]["reasoning"]
    assert turn.page_content.endswith(f"assistant: {live.text}")


def test_the_messages_are_the_servers_with_ids_sources_and_rating(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    answer = model.invoke(FIRST)
    id_, message_id = conversation(answer), answer.response_metadata["message_id"]
    model._sync_client().feedback(message_id, "like", user=model.user)
    asked, told = RemoteChatMessageHistory(model, conversation_id=id_).messages[-2:]
    assert (type(asked), asked.content, asked.response_metadata["conversation_id"]) == (HumanMessage, FIRST, id_)
    assert (type(told), told.text, told.id) == (AIMessage, answer.text, message_id)
    assert told.response_metadata["rating"] == "like"
    assert told.response_metadata["created_at"] > 0
    assert asked.id != told.id
    if platform == "dify":  # GPTBots' history has none
        passages = [[(one.page_content, one.metadata["source"], one.metadata["score"]) for one in sources(message)]
                    for message in (told, answer)]  # fmt: skip
        assert passages[0] == passages[1] != []


async def test_an_answer_of_the_history_is_gone_on_from(emulator: Emulator, make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    id_ = talked(model)
    history = RemoteChatMessageHistory(model, conversation_id=id_)
    messages = history.messages
    assert messages == await history.aget_messages()
    assert conversation(model.invoke([*messages, HumanMessage(THIRD)])) == id_
    assert questions_in(emulator, id_)[-1] == THIRD


def test_only_the_newest_are_read_where_that_is_wanted(emulator: Emulator, make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    id_ = talked(model)
    newest = RemoteChatMessageHistory(model, conversation_id=id_, last=2).messages
    assert newest[0].text == SECOND
    assert len(newest) == 2
    if platform == "dify":
        assert looks_into(emulator, id_)[-1].query["limit"] == "1"


def test_a_session_under_runnable_with_message_history_goes_on(
    emulator: Emulator, make_bot: MakeBot, platform: str
) -> None:
    model = make_bot(platform)
    chain = with_history(model, model)
    first = chain.invoke([HumanMessage(FIRST)], session("anna"))
    second = chain.invoke([HumanMessage(THIRD)], session("anna"))
    other = chain.invoke([HumanMessage(THIRD)], session("bob"))
    assert conversation(first) == conversation(second) != conversation(other)
    assert FIRST in second.text
    assert questions_in(emulator, conversation(first))[-1] == THIRD


async def test_a_chain_with_a_prompt_and_a_parser_does_so_awaited_and_tells_its_system_message_once(
    emulator: Emulator, make_bot: MakeBot, platform: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_bot(platform)
    prompt = ChatPromptTemplate([("system", "Be brief."), MessagesPlaceholder("history"), ("human", "{question}")])
    with deprecated():
        chain = RunnableWithMessageHistory(
            prompt | model | StrOutputParser(),
            lambda session_id: RemoteChatMessageHistory(model, session_id=session_id),
            input_messages_key="question",
            history_messages_key="history",
        )
    await chain.ainvoke({"question": FIRST}, session("anna"))
    assert FIRST in chain.invoke({"question": THIRD}, session("anna"))
    (id_,) = [one.conversation_id for one in model._sync_client().conversations(user=model.user)]
    messages = RemoteChatMessageHistory(model, conversation_id=id_).messages
    asked = [message.text for message in messages if message.type == "human"]
    assert asked == [f"Be brief.\n\n{FIRST}", THIRD]
    assert [record for record in caplog.records if record.name != "asyncio"] == []  # a slow machine is told there


def test_a_stream_that_is_left_in_its_middle_is_gone_on_with(make_bot: MakeBot, platform: str, tmp_path: Path) -> None:
    model = make_bot(platform)
    chain = with_history(model, model, conversations=SQLiteConversations(tmp_path / "sessions.db"))
    stream = chain.stream([HumanMessage(f"[[long]] {FIRST}")], session("anna"))
    for _ in range(3):
        next(stream)
    stream.close()
    answer = chain.invoke([HumanMessage(THIRD)], session("anna"))
    history = RemoteChatMessageHistory(
        model, session_id="anna", conversations=SQLiteConversations(tmp_path / "sessions.db")
    )
    assert {message.response_metadata["conversation_id"] for message in history.messages} == {conversation(answer)}
    assert [one.text for one in history.messages if one.type == "human"] == [f"[[long]] {FIRST}", THIRD]


def test_a_history_without_an_id_is_that_of_its_first_answer(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    history = RemoteChatMessageHistory(model)
    assert history.messages == []
    answer = model.invoke(FIRST)
    history.add_messages([HumanMessage(FIRST), answer])
    assert [message.text for message in history.messages[-2:]] == [FIRST, answer.text]


async def test_a_message_that_the_server_cannot_have_is_refused(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    history = RemoteChatMessageHistory(model, conversation_id=talked(model))
    history.add_user_message(SECOND)  # it has this one
    with pytest.raises(BotUsageError, match=f"^{platform}: .*does not have this user message"):
        history.add_user_message("I was never sent.")
    with pytest.raises(BotUsageError, match="does not have this assistant message"):
        await history.aadd_messages([AIMessage("I was never said.")])
    with pytest.raises(BotUsageError, match="does not have this user message"):
        RemoteChatMessageHistory(model).add_user_message("There is no conversation yet.")
    with pytest.raises(BotUsageError, match="another conversation"):
        history.add_messages([model.invoke(FIRST)])


def test_clearing_deletes_the_conversation_or_is_refused(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    chain = with_history(model, model)
    first = chain.invoke([HumanMessage(FIRST)], session("anna"))
    history = RemoteChatMessageHistory(model, session_id="anna")
    if platform == "gptbots":
        with pytest.raises(BotUsageError, match=r"^gptbots: there is no call for 'delete'"):
            history.clear()
        assert history.messages != []
        return
    history.clear()
    assert history.messages == []
    with pytest.raises(BotNotFoundError):
        _ = RemoteChatMessageHistory(model, conversation_id=conversation(first)).messages
    assert conversation(chain.invoke([HumanMessage(FIRST)], session("anna"))) != conversation(first)


async def test_clearing_works_awaited(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    history = RemoteChatMessageHistory(model)
    await history.aclear()  # nothing is there yet
    await history.aadd_messages([await model.ainvoke(FIRST)])
    if platform == "gptbots":
        with pytest.raises(BotUsageError, match="delete"):
            await history.aclear()
    else:
        await history.aclear()
        assert await history.aget_messages() == []


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_named_conversation_that_was_cleared_has_no_messages_and_the_next_turn_begins_another(
    make_bot: MakeBot, platform: str, colour: str
) -> None:
    if platform == "gptbots":
        pytest.skip("GPTBots deletes nothing")
    model = make_bot(platform)
    first = model.invoke(FIRST)
    history = RemoteChatMessageHistory(model, conversation_id=conversation(first))
    if colour == "sync":
        history.clear()
    else:
        await history.aclear()
    assert history.messages == await history.aget_messages() == []
    other = model.invoke(FIRST)
    history.add_messages([HumanMessage(FIRST), other])
    assert [one.text for one in history.messages] == [FIRST, other.text]


@pytest.mark.parametrize("on_missing", ["error", "restart"])
async def test_a_forgotten_conversation_under_runnable_with_message_history_is_begun_anew_by_choice(
    make_bot: MakeBot, platform: str, on_missing: str
) -> None:
    store = InMemoryConversations()
    model = make_bot(platform, conversations=store, on_missing=on_missing)
    gone = {"dify": "0b8e2b9e-0000-4000-8000-000000000000", "gptbots": "0" * 24}[platform]
    history = RemoteChatMessageHistory(model, session_id="anna")
    chain = with_history(model, model)
    for colour in ("sync", "async"):
        store.put(history._key(), gone)
        if on_missing == "error":
            with pytest.raises(BotNotFoundError):
                chain.invoke([HumanMessage(FIRST)], session("anna"))
            continue
        asked = [HumanMessage(FIRST)], session("anna")
        with pytest.warns(UserWarning, match="does not know the conversation that was asked in"):
            anew = chain.invoke(*asked) if colour == "sync" else await chain.ainvoke(*asked)
        assert anew.response_metadata["conversation_replaced"] == gone
        assert [one.text for one in history.messages] == [FIRST, anew.text]
    with pytest.raises(BotNotFoundError):
        _ = RemoteChatMessageHistory(model, conversation_id=gone).messages


async def test_a_session_whose_conversation_the_server_has_forgotten_can_be_cleared(
    make_bot: MakeBot, platform: str
) -> None:
    if platform == "gptbots":
        pytest.skip("GPTBots deletes nothing")
    model = make_bot(platform, conversations=InMemoryConversations())
    for colour in ("sync", "async"):
        first = model.invoke(FIRST, session_id="anna")
        RemoteChatMessageHistory(model, conversation_id=conversation(first)).clear()
        history = RemoteChatMessageHistory(model, session_id="anna")
        if colour == "sync":
            history.clear()
        else:
            await history.aclear()
        assert history.messages == []
        assert conversation(model.invoke(SECOND, session_id="anna")) != conversation(first)
        with pytest.raises(BotNotFoundError):
            RemoteChatMessageHistory(model, conversation_id=conversation(first)).clear()


def test_wrong_arguments_are_refused(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    with pytest.raises(BotUsageError, match="Give one"):
        RemoteChatMessageHistory(model, conversation_id="c", session_id="s")
    with pytest.raises(BotUsageError, match="last"):
        RemoteChatMessageHistory(model, last=0)
