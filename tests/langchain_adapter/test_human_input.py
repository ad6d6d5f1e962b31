"""In a graph a person fills in the form that the bot waits for: one question, one submission, whatever runs again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command

from langchain_chatbots import ChatDify, human_input_node
from remote_chatbots import BotRejectedError, BotUsageError, FilledForm
from remote_chatbots.emulator import Cut, Emulator
from tests.forks import Forks, succeeded
from tests.langchain_adapter.asking import MakeModel

ASKED = {"messages": [HumanMessage("check this")]}
APPROVED = Command(resume={"action": "approve", "inputs": {"comment": "Fine."}})


def graph_of(model: ChatDify) -> Any:
    """Return a graph of a bot and a person."""
    graph = StateGraph(MessagesState)
    graph.add_node("bot", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("person", human_input_node(model))
    graph.add_edge(START, "bot")
    graph.add_edge("bot", "person")
    graph.add_edge("person", END)
    return graph.compile(checkpointer=InMemorySaver())


@pytest.fixture
def thread(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"configurable": {"thread_id": request.node.nodeid}}


@pytest.fixture
def posts(emulator: Emulator, request: pytest.FixtureRequest) -> Callable[[], list[str]]:
    """The posts of this test's user: their paths' third parts."""

    def posts() -> list[str]:
        bodies = [(one.path, one.body) for one in emulator.requests if one.method == "POST"]
        return [path.split("/")[2] for path, body in bodies if body and body.get("user") == request.node.nodeid]

    return posts


def kept(model: ChatDify, message: AIMessage) -> str:
    """Return the answer as the server keeps it."""
    history = model._sync_client().history(message.response_metadata["conversation_id"], user=model.user)
    return history[-1].text


@pytest.mark.parametrize("who_asks", [None, "somebody else"])
@pytest.mark.parametrize("who_replies", [None, "a reviewer"])
def test_the_form_is_submitted_as_the_user_who_asked(
    emulator: Emulator, make_model: MakeModel, thread: dict[str, Any], who_asks: str | None, who_replies: str | None
) -> None:
    model = make_model("advanced-chat-form")
    graph = graph_of(model)

    def as_user(user: str | None) -> dict[str, Any]:
        return {"configurable": {**thread["configurable"], "user": user}}

    before = len(emulator.requests)
    graph.invoke(ASKED, as_user(who_asks))
    answer = graph.invoke(APPROVED, as_user(who_replies))["messages"][-1]
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.response_metadata.get("user") == who_asks
    bodies = [one.body for one in emulator.requests[before:] if isinstance(one.body, dict)]
    assert {body["user"] for body in bodies} == {who_asks or model.user}


def test_a_graph_is_interrupted_with_the_form_and_goes_on_with_the_reply(
    make_model: MakeModel, thread: dict[str, Any], posts: Callable[[], list[str]]
) -> None:
    model = make_model("advanced-chat-form")
    graph = graph_of(model)

    waiting = graph.invoke(ASKED, thread)
    (asked,) = waiting["__interrupt__"]
    assert asked.value["form_content"].startswith("Please check")
    assert [action["id"] for action in asked.value["actions"]] == ["approve", "reject"]
    paused = waiting["messages"][-1]
    assert (paused.text, paused.response_metadata["finish_reason"]) == ("One moment… ", "paused")

    done = graph.invoke(APPROVED, thread)
    _, answer = done["messages"]
    assert answer.id == paused.id == answer.response_metadata["message_id"]
    assert answer.text == kept(model, answer)
    assert answer.text.endswith("(comment: Fine.)")
    assert answer.response_metadata["finish_reason"] == "stop"
    assert "input_required" not in answer.response_metadata
    assert answer.usage_metadata["total_tokens"] > 0
    assert posts() == ["chat-messages", "form"]


async def test_the_same_in_an_event_loop_and_the_rest_is_streamed(
    make_model: MakeModel, thread: dict[str, Any], posts: Callable[[], list[str]]
) -> None:
    model = make_model("advanced-chat-form", coalesce=False)
    graph = graph_of(model)
    paused = (await graph.ainvoke(ASKED, thread))["messages"][-1]

    chunks = [chunk async for chunk, _ in graph.astream(APPROVED, thread, stream_mode="messages")]

    assert len([chunk for chunk in chunks if chunk.text]) > 1
    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    assert {chunk.id for chunk in chunks} == {paused.id}
    answer = (await graph.aget_state(thread)).values["messages"][-1]
    assert paused.text + "".join(chunk.text for chunk in chunks) == answer.text == kept(model, answer)
    assert posts() == ["chat-messages", "form"]


def test_a_node_that_runs_again_after_its_form_was_submitted_joins_the_run_and_has_the_whole_answer(
    emulator: Emulator, make_model: MakeModel, thread: dict[str, Any], posts: Callable[[], list[str]]
) -> None:
    model = make_model("advanced-chat-form")
    graph = graph_of(model)
    graph.invoke(ASKED, thread)
    emulator.faults.add(Cut(after_bytes=3500), path="/v1/workflow/*", user=model.user)
    with pytest.raises(Exception, match="connection broke"):
        graph.invoke(APPROVED, thread)
    assert posts() == ["chat-messages", "form"]

    answer = graph.invoke(None, thread)["messages"][-1]

    assert answer.text == kept(model, answer)
    assert answer.text.endswith("(comment: Fine.)")
    assert answer.response_metadata["finish_reason"] == "stop"
    # What the node sends again the server refuses: it counts as it was submitted first.
    assert posts() == ["chat-messages", "form", "form"]


def test_a_form_that_somebody_else_has_submitted_counts_as_it_was(
    make_model: MakeModel, thread: dict[str, Any]
) -> None:
    model = make_model("advanced-chat-form")
    graph = graph_of(model)
    told = graph.invoke(ASKED, thread)["messages"][-1].response_metadata
    token = told["input_required"][0]["form_token"]
    elsewhere = FilledForm(token, told["workflow_run_id"], "reject", {"comment": "Not so."}, model.user)
    model._sync_client().ask(elsewhere)

    answer = graph.invoke(APPROVED, thread)["messages"][-1]

    assert answer.text == kept(model, answer)
    assert answer.text.endswith("(comment: Not so.)")


def test_a_reply_that_does_not_fit_the_form_is_asked_for_again(
    make_model: MakeModel, thread: dict[str, Any], posts: Callable[[], list[str]]
) -> None:
    graph = graph_of(make_model("advanced-chat-form"))
    graph.invoke(ASKED, thread)
    for reply, says in (
        ("aprove", "no action 'aprove'"),
        ({"action": "approve", "inputs": {"coment": "x"}}, "no field 'coment'"),
        (17, "Resume with the id of an action"),
        ({"action": "approve", "inputs": {"comment": ["no", "text"]}}, "invalid_form_data"),
    ):
        (asked,) = graph.invoke(Command(resume=reply), thread)["__interrupt__"]
        assert says in asked.value["error"], reply
    done = graph.invoke(Command(resume="approve"), thread)
    assert done["messages"][-1].text.endswith("(comment: )")
    # The fourth reply, which the server alone could judge, was judged twice: the node began again with the fifth.
    assert posts() == ["chat-messages", "form", "form", "form"]


def test_an_answer_that_waits_for_nobody_passes_through(
    make_model: MakeModel, thread: dict[str, Any], posts: Callable[[], list[str]]
) -> None:
    done = graph_of(make_model("advanced-chat")).invoke(ASKED, thread)
    assert "__interrupt__" not in done
    assert len(done["messages"]) == 2
    assert posts() == ["chat-messages"]


def test_the_form_of_another_bot_is_left_to_it(make_model: MakeModel) -> None:
    paused = make_model("advanced-chat-form").invoke("check this")
    assert human_input_node(make_model("chat")).invoke({"messages": [paused]}) == {}


def test_a_form_that_is_too_old_is_an_error(thread: dict[str, Any]) -> None:
    with Emulator(token_delay_s=0, form_lifetime_s=0) as hasty:
        model = ChatDify(api_key=hasty.key("advanced-chat-form"), base_url=hasty.dify_url, user="anna")
        graph = graph_of(model)
        graph.invoke(ASKED, thread)
        with pytest.raises(BotRejectedError, match="too old"):
            graph.invoke(APPROVED, thread)


def test_a_form_that_came_by_mail_alone_is_an_error_that_says_so(make_model: MakeModel) -> None:
    model = make_model("advanced-chat-form")
    paused = model.invoke("check this")
    paused.response_metadata["input_required"][0]["form_token"] = None
    with pytest.raises(BotUsageError, match="dify: the form has no token"):
        human_input_node(model).invoke({"messages": [paused]})


def test_the_next_turn_of_the_thread_goes_on_in_the_same_conversation(
    emulator: Emulator, make_model: MakeModel, thread: dict[str, Any]
) -> None:
    model = make_model("advanced-chat-form")
    graph = graph_of(model)
    graph.invoke(ASKED, thread)
    first = graph.invoke(APPROVED, thread)["messages"][-1]
    graph.invoke({"messages": [HumanMessage("And again?")]}, thread)
    second = graph.invoke(Command(resume="reject"), thread)["messages"][-1]
    assert second.id != first.id
    assert second.response_metadata["conversation_id"] == first.response_metadata["conversation_id"]
    assert "Turn 2." in second.text


@pytest.mark.parametrize("fields", [{"output_version": "v1"}, {"streaming": False}, {"cache": InMemoryCache()}])
def test_models_of_every_setting_can_be_waited_for(
    make_model: MakeModel, thread: dict[str, Any], fields: dict[str, Any]
) -> None:
    model = make_model("advanced-chat-form", **fields)
    graph = graph_of(model)
    assert graph.invoke(ASKED, thread)["__interrupt__"]
    answer = graph.invoke(APPROVED, thread)["messages"][-1]
    assert answer.text == kept(model, answer)


def test_thoughts_after_the_pause_stand_behind_what_was_said_before_it(
    make_model: MakeModel, thread: dict[str, Any]
) -> None:
    graph = graph_of(make_model("advanced-chat-form"))
    graph.invoke({"messages": [HumanMessage("check this [[think]]")]}, thread)
    answer = graph.invoke(APPROVED, thread)["messages"][-1]
    blocks = [block for block in answer.content_blocks if block["type"] != "non_standard"]
    assert [block["type"] for block in blocks] == ["text", "reasoning", "text"]
    assert blocks[0]["text"] == "One moment… "


def test_the_steps_before_and_after_the_pause_are_those_of_one_answer(
    make_model: MakeModel, thread: dict[str, Any]
) -> None:
    graph = graph_of(make_model("advanced-chat-form"))
    graph.invoke(ASKED, thread)
    answer = graph.invoke(APPROVED, thread)["messages"][-1]
    steps = {step["name"]: step["status"] for step in answer.response_metadata["steps"] if step["kind"] == "node"}
    assert steps == dict.fromkeys(["Start", "Before", "Ask a person", "LLM", "Approved"], "succeeded")
    told = [block["value"]["step"]["name"] for block in answer.content_blocks if block["type"] == "non_standard"]
    assert [*dict.fromkeys(told)][:4] == ["Start", "Before", "Ask a person", "LLM"]


def test_without_a_graph_the_form_is_an_argument_of_the_call(make_model: MakeModel) -> None:
    model = make_model("advanced-chat-form")
    paused = model.invoke("check this")
    told = paused.response_metadata
    form = FilledForm(told["input_required"][0]["form_token"], told["workflow_run_id"], "approve", {"comment": "Ok."})
    rest = model.invoke([paused], filled_form=form)
    assert paused.text + rest.text == kept(model, paused)
    with pytest.raises(BotUsageError, match="filled_form must be a FilledForm"):
        model.invoke([paused], filled_form={"action": "approve"})


def test_langgraph_is_imported_by_who_asks_for_the_node_alone(frameworks: Forks) -> None:
    code = "import sys, langchain_chatbots as lc; assert 'langgraph' not in sys.modules; lc.human_input_node"
    succeeded(frameworks.run(code))
