"""A history that goes on from an answer which is not its conversation's newest is noticed."""

from __future__ import annotations

import pickle
import warnings
from contextlib import nullcontext
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_chatbots import RemoteChatModel
from remote_chatbots import BotTruncatedError, BotUsageError
from remote_chatbots.emulator import Cut, Emulator, Hang, Unavailable
from remote_chatbots.flow import Aside
from tests.langchain_adapter.asking import (
    HISTORY_PATHS,
    PLATFORMS,
    MakeBot,
    conversation,
    looks_into,
    questions_in,
    summed,
)
from tests.langchain_adapter.graphs import graph_of, said, saver_at, thread

FIRST, SECOND, THIRD = (
    HumanMessage("When does the ferry leave?"),
    HumanMessage("And on Sundays?"),
    HumanMessage("What did I ask first?"),
)
pytestmark = pytest.mark.parametrize("platform", PLATFORMS)


def talked(model: RemoteChatModel) -> list[BaseMessage]:
    """Return a history of two turns."""
    history: list[BaseMessage] = [FIRST]
    history += [model.invoke(history), SECOND]
    return [*history, model.invoke(history)]


def travelled(model: RemoteChatModel, saver: Any) -> Any:
    """Ask twice in a thread, go back to the checkpoint behind the first answer, and ask from there."""
    graph = graph_of(model, saver)
    for question in (FIRST, SECOND):
        graph.invoke({"messages": [question]}, thread("anna"))
    older = next(one for one in graph.get_state_history(thread("anna")) if len(one.values.get("messages", [])) == 2)
    return graph.invoke(said("What did I ask first?"), older.config)["messages"]


def test_time_travel_to_an_older_checkpoint_warns_and_goes_on(
    emulator: Emulator, make_bot: MakeBot, platform: str
) -> None:
    with saver_at("memory") as saver, pytest.warns(UserWarning, match=f"^{platform}: .* not its conversation's newest"):
        _, first, _, branched = travelled(make_bot(platform), saver)
    assert conversation(branched) == conversation(first)
    assert questions_in(emulator, conversation(first))[-1] == THIRD.content


def test_time_travel_may_be_an_error_and_then_nothing_is_sent(
    emulator: Emulator, make_bot: MakeBot, platform: str
) -> None:
    model = make_bot(platform, on_fork="error")
    with saver_at("memory") as saver, pytest.raises(BotUsageError, match="Nothing was sent") as refused:
        travelled(model, saver)
    assert refused.value.message.startswith(f"{platform}: ")
    ours = [one.body for one in emulator.requests if isinstance(one.body, dict)]
    assert [body for body in ours if model.user in str(body) and THIRD.content in str(body)] == []


def test_time_travel_may_begin_a_new_conversation_with_the_history(
    emulator: Emulator, make_bot: MakeBot, platform: str
) -> None:
    with saver_at("memory") as saver, pytest.warns(UserWarning, match="The history forked from"):
        _, first, _, branched = travelled(make_bot(platform, on_fork="new"), saver)
    assert branched.response_metadata["conversation_replaced"] == conversation(first)
    assert conversation(branched) != conversation(first)
    begun = questions_in(emulator, "" if platform == "dify" else conversation(branched))[-1]
    assert begun == f"user: {FIRST.content}\n\nassistant: {first.text}\n\nuser: {THIRD.content}"


def test_it_is_said_why_the_history_does_not_hold_the_newest_answer(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    history = talked(model)
    with pytest.warns(UserWarning, match=r"edited or branched .* asked here\. The server cannot fork it, so"):
        model.invoke([*history[:2], THIRD])
    with pytest.warns(UserWarning, match="newest one: the conversation went on elsewhere"):
        make_bot(platform).invoke([*history[:2], THIRD])
    left = make_bot(platform)
    history = talked(left)
    stream = left.stream([*history, FIRST])
    assert any(chunk.text for chunk in stream)
    stream.close()
    with pytest.warns(UserWarning, match="newest one: the turn behind it broke off or was left"):
        history += [THIRD, left.invoke([*history, THIRD])]
    left.invoke([*history, FIRST])


@pytest.mark.parametrize("way", ["the same model", "another process", "async"])
async def test_a_question_whose_turn_broke_off_is_not_sent_again_where_the_server_tells_that_it_has_it(
    emulator: Emulator, make_bot: MakeBot, platform: str, way: str
) -> None:
    model = make_bot(platform)
    with saver_at("memory") as saver:
        graph = graph_of(model, saver)
        first = graph.invoke({"messages": [FIRST]}, thread("anna"))["messages"][-1]
        emulator.faults.add(Cut(after_bytes=700), user=model.user)
        with pytest.raises(BotTruncatedError):
            graph.invoke({"messages": [SECOND]}, thread("anna"))
        kept = [*graph.get_state(thread("anna")).values["messages"], THIRD]
    assert [message.content for message in kept] == [FIRST.content, first.content, SECOND.content, THIRD.content]
    model = pickle.loads(pickle.dumps(model)) if way == "another process" else model
    told = pytest.warns(UserWarning, match="newest one") if platform == "gptbots" else nullcontext()
    with told:  # GPTBots tells answers alone
        answer = await model.ainvoke(kept) if way == "async" else model.invoke(kept)
    sent = questions_in(emulator, conversation(first))
    assert sent[-2:] == [
        SECOND.content,
        THIRD.content if platform == "dify" else f"{SECOND.content}\n\n{THIRD.content}",
    ]
    assert conversation(answer) == conversation(first)


def test_questions_that_were_never_sent_go_together(emulator: Emulator, make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    history: list[BaseMessage] = [FIRST, model.invoke([FIRST])]
    model.invoke([*history, SECOND, THIRD])
    assert questions_in(emulator, conversation(history[1]))[-1] == f"{SECOND.content}\n\n{THIRD.content}"


async def test_an_edited_history_is_noticed_in_every_way_of_asking(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform, on_fork="error")
    first, answer, _, _ = talked(model)
    branch = [first, answer, THIRD]
    with pytest.raises(BotUsageError, match="newest"):
        list(model.stream(branch))
    with pytest.raises(BotUsageError, match="newest"):
        await model.ainvoke(branch)
    with pytest.raises(BotUsageError, match="newest"):
        [_ async for _ in model.astream(branch)]
    with pytest.raises(BotUsageError, match="newest"):
        list(model.stream_events(branch, version="v3"))


async def test_a_model_that_met_the_newest_answer_looks_nothing_up(
    emulator: Emulator, make_bot: MakeBot, platform: str
) -> None:
    model = make_bot(platform)
    history = [*talked(model), THIRD]
    history += [summed([one async for one in model.astream(history)]), SECOND]
    model.invoke(history)
    assert looks_into(emulator, conversation(history[1])) == []


async def test_a_model_that_did_not_looks_once(emulator: Emulator, make_bot: MakeBot, platform: str) -> None:
    history = [*talked(make_bot(platform)), THIRD]
    other = pickle.loads(pickle.dumps(make_bot(platform)))
    history += [await other.ainvoke(history), SECOND]
    other.invoke(history)
    assert len(looks_into(emulator, conversation(history[1]))) == 1


def test_the_newest_answer_of_a_long_conversation_is_found(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    history: list[BaseMessage] = []
    for _ in range(7):  # more messages than one look-up reads
        history.append(FIRST)
        history.append(model.invoke(history))
    other = make_bot(platform, on_fork="error")
    assert conversation(other.invoke([*history, THIRD])) == conversation(history[-1])
    with pytest.raises(BotUsageError, match="newest"):
        make_bot(platform, on_fork="error").invoke([*history, THIRD])


def test_of_turns_in_one_second_none_is_taken_for_the_newest(make_bot: MakeBot, platform: str) -> None:
    history: list[BaseMessage] = []
    for number in range(8):  # more than one look-up reads
        history.append(HumanMessage(f"[[same]][[echo]]{number}"))
        history.append(make_bot(platform, on_fork="error").invoke(history))


@pytest.mark.parametrize("fault", [Unavailable(), Hang(after_bytes=0)], ids=["refused", "silent"])
def test_a_look_up_that_fails_stands_in_nobodys_way(
    emulator: Emulator, make_bot: MakeBot, platform: str, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Aside.__new__, "__defaults__", (0.4,))
    history = talked(make_bot(platform))
    path = HISTORY_PATHS[PLATFORMS.index(platform)]
    emulator.faults.add(fault, path=path)
    answer = make_bot(platform, on_fork="error").invoke([*history[:2], THIRD])
    assert conversation(answer) == conversation(history[1])


def test_nothing_is_looked_up_where_the_caller_names_the_conversation_or_ignores_forks(
    emulator: Emulator, make_bot: MakeBot, platform: str
) -> None:
    history = talked(make_bot(platform))
    branch, id_ = [*history[:2], THIRD], conversation(history[1])
    assert conversation(make_bot(platform).invoke(branch, conversation_id=id_)) == id_
    assert conversation(make_bot(platform, on_fork="ignore").invoke(branch)) == id_
    assert looks_into(emulator, id_) == []


def test_an_answer_without_an_id_of_its_own_goes_on(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    history = talked(model)
    told = {key: value for key, value in history[1].response_metadata.items() if key != "message_id"}
    answer = make_bot(platform).invoke([FIRST, AIMessage("Nine.", response_metadata=told), THIRD])
    assert conversation(answer) == conversation(history[1])


def test_an_unknown_policy_is_refused_by_the_constructor(make_bot: MakeBot, platform: str) -> None:
    with warnings.catch_warnings(), pytest.raises(BotUsageError, match="on_fork"):
        make_bot(platform, on_fork="branch")
