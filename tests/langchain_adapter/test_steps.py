"""What a bot does on the way: content blocks in every way to ask, custom events where a run can hear them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph

from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import MakeModel

ASKED = "What time is it? [[time]]"


class Listener(BaseCallbackHandler):
    """Notes custom events, and tokens between them."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
        self.heard.append((name, data))

    def on_llm_new_token(self, token: Any, **_: Any) -> None:
        if token:
            self.heard.append(token)

    @property
    def steps(self) -> list[tuple[str, str]]:
        return [(one[1]["kind"], one[1]["status"]) for one in self.heard if isinstance(one, tuple)]


class AsyncListener(AsyncCallbackHandler):
    """Notes custom events in coroutines."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
        self.heard.append((name, data))


STATES = [("thought", "running")] * 2 + [("thought", "succeeded"), ("thought", "running"), ("thought", "succeeded")]


def test_a_chain_hears_of_each_step_while_it_happens(make_model: MakeModel) -> None:
    listener = Listener()
    chain = ChatPromptTemplate.from_messages([("human", "{q}")]) | make_model("agent-chat")

    words = [chunk.text for chunk in chain.stream({"q": ASKED}, {"callbacks": [listener]}) if chunk.text]

    assert listener.steps == STATES
    assert [one for one in listener.heard if isinstance(one, str)] == words
    order = ["words" if isinstance(one, str) else (one[1]["status"], one[1].get("name")) for one in listener.heard]
    assert list(dict.fromkeys(order))[:4] == [
        ("running", None), "words", ("running", "current_time"), ("succeeded", "current_time"),
    ]  # fmt: skip
    name, told = next(one for one in listener.heard if isinstance(one, tuple) and "name" in one[1])
    assert name == "remote_chatbots.step"
    assert (told["name"], told["input"], told["text"]) == ("current_time", {"current_time": {}}, "Let me check. ")


async def test_the_event_says_in_which_run_it_happened(make_model: MakeModel) -> None:
    async def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    model = make_model("advanced-chat")
    builder = StateGraph(MessagesState)
    builder.add_node("bot", node)
    builder.add_edge(START, "bot")
    graph = builder.compile()

    told = [one async for one in graph.astream_events({"messages": [HumanMessage("Hi")]}, version="v2")]

    steps = [one for one in told if one["event"] == "on_custom_event"]
    titles = ("Start", "Knowledge Retrieval", "LLM", "Answer")
    assert [(one["data"]["name"], one["data"]["status"]) for one in steps] == [
        (title, status) for title in titles for status in ("running", "succeeded")
    ]  # fmt: skip
    assert {one["metadata"]["langgraph_node"] for one in steps} == {"bot"}


@pytest.mark.parametrize("way", ["invoke", "stream", "v3"])
def test_a_tool_and_a_lambda_hear_of_steps_too(make_model: MakeModel, way: str) -> None:
    model = make_model("agent-chat")

    def ask(question: str) -> str:
        if way == "invoke":
            return model.invoke(question).text
        if way == "v3":
            return str(model.stream_events(question, version="v3").output.text)
        return "".join(chunk.text for chunk in model.stream(question))

    @tool
    def ask_bot(question: str) -> str:
        """Ask the bot."""
        return ask(question)

    for runnable in (RunnableLambda(ask), ask_bot):
        listener = Listener()
        assert "The tool says" in runnable.invoke(ASKED, {"callbacks": [listener]})
        assert listener.steps == STATES


@pytest.mark.parametrize("way", ["ainvoke", "astream", "v3"])
async def test_coroutines_hear_of_steps(make_model: MakeModel, way: str) -> None:
    model = make_model("agent-chat")

    async def ask(question: str) -> str:
        if way == "ainvoke":
            return (await model.ainvoke(question)).text
        if way == "v3":
            return (await (await model.astream_events(question, version="v3"))).text
        return "".join([chunk.text async for chunk in model.astream(question)])

    listener = AsyncListener()
    assert "The tool says" in await RunnableLambda(ask).ainvoke(ASKED, {"callbacks": [listener]})
    assert [(data["kind"], data["status"]) for _, data in listener.heard] == STATES


def test_a_config_that_is_handed_on_tells_the_run_too(make_model: MakeModel) -> None:
    model, listener = make_model("agent-chat"), Listener()

    def ask(question: str, config: Any) -> AIMessage:
        return model.invoke(question, config)

    RunnableLambda(ask).invoke(ASKED, {"callbacks": [listener]})
    assert listener.steps == STATES


async def test_a_model_alone_tells_nobody_and_does_not_fail(make_model: MakeModel) -> None:
    model, listener = make_model("agent-chat"), Listener()
    model.invoke(ASKED, {"callbacks": [listener]})
    await model.ainvoke(ASKED, {"callbacks": [listener]})
    assert [chunk async for chunk in model.astream(ASKED, {"callbacks": [listener]})]
    assert listener.steps == []


def test_a_tools_call_and_its_result_are_blocks_and_no_calls_of_the_callers(make_model: MakeModel) -> None:
    answer = make_model("agent-chat").invoke(ASKED)
    said, call, result, words = answer.content_blocks
    assert (said["type"], call["type"], result["type"], words["type"]) == (
        "text", "server_tool_call", "server_tool_result", "text",
    )  # fmt: skip
    assert call["id"] == result["tool_call_id"]
    assert (call["name"], call["args"], result["status"]) == ("current_time", {}, "success")
    assert result["output"] in words["text"]
    assert answer.tool_calls == []
    assert isinstance(answer.content, str)
    assert [step["status"] for step in answer.response_metadata["steps"]] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("output_version", ["v0", "v1"])
@pytest.mark.parametrize("kind", ["agent-chat", "advanced-chat"])
def test_steps_never_go_back_to_the_server(
    make_model: MakeModel, emulator: Emulator, kind: str, output_version: str
) -> None:
    bot = make_model(kind, user=f"returns-{kind}-{output_version}", output_version=output_version)
    other = make_model("chat", user=f"other-{kind}-{output_version}")
    first = bot.invoke(ASKED)
    history = [HumanMessage(ASKED), first, HumanMessage("And now?")]
    assert bot.invoke(history).response_metadata["conversation_id"] == first.response_metadata["conversation_id"]
    with pytest.warns(UserWarning, match="none of this bot"):
        other.invoke(history)
    queries = [one.body["query"] for one in emulator.requests if isinstance(one.body, dict) and "query" in one.body
               and one.body.get("user", "").endswith(f"-{kind}-{output_version}")]  # fmt: skip
    assert queries == [ASKED, "And now?", f"user: {ASKED}\n\nassistant: {first.text}\n\nuser: And now?"]
