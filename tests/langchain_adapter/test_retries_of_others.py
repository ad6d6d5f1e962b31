"""LangChain's and LangGraph's own layers of retrying do not post a message again whose fate is unknown."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware, ToolRetryMiddleware
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, ToolCall
from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy

from langchain_chatbots import ChatDify, retryable
from remote_chatbots import BotError
from remote_chatbots.emulator import Cut, Emulator, EndEarly, Hang, HtmlPage, Reset
from tests.langchain_adapter.asking import MakeModel

FAULTS = {
    "a cut": Cut(300),
    "a reset": Reset(300),
    "no end": EndEarly(2),
    "silence": Hang(),
    "a bad gateway": HtmlPage(502),
    "a gateway's timeout": HtmlPage(504),
}
TAKES_A_FUNCTION = "Callable" in str(inspect.signature(Runnable.with_retry).parameters["retry_if_exception_type"])
QUESTION = "When does the ferry leave?"


class State(TypedDict):
    question: str
    answer: str


class Calling(FakeMessagesListChatModel):
    """An agent's model, which calls the tool."""

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self


def in_a_graph(model: ChatDify, policy: RetryPolicy) -> None:
    def ask(state: State) -> dict[str, str]:
        return {"answer": model.invoke(state["question"]).text}

    graph = StateGraph(State)
    graph.add_node("ask", ask, retry_policy=policy)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    graph.compile().invoke({"question": QUESTION, "answer": ""})


def told(middleware: type[Any]) -> dict[str, Any]:
    """Return what an older LangChain has to be told, whose middleware tries anything again by default."""
    asks = callable(inspect.signature(middleware).parameters["retry_on"].default)
    return {"max_retries": 2, "initial_delay": 0, "jitter": False, "on_failure": "error"} | (
        {} if asks else {"retry_on": retryable}
    )


def of_an_agent(model: ChatDify) -> None:
    again = ModelRetryMiddleware(**told(ModelRetryMiddleware))
    create_agent(model, middleware=[again]).invoke({"messages": [("human", QUESTION)]})


def as_a_tool(model: ChatDify) -> None:
    again = ToolRetryMiddleware(**told(ToolRetryMiddleware))
    call = AIMessage("", tool_calls=[ToolCall(name="ask", args={"question": QUESTION}, id="1")])
    agent = Calling(responses=[call, AIMessage("Done.")])
    tool = model.as_tool(name="ask", description="Asks.")
    create_agent(agent, [tool], middleware=[again]).invoke({"messages": [("human", QUESTION)]})


QUICKLY = {"initial_interval": 0.01, "jitter": False, "max_attempts": 3}
LAYERS: dict[str, Callable[[ChatDify], Any]] = {
    "with_retry": lambda model: model.with_retry(wait_exponential_jitter=False).invoke(QUESTION),
    "with_retry, async": lambda model: asyncio.run(model.with_retry(wait_exponential_jitter=False).ainvoke(QUESTION)),
    "with_retry of a chain": lambda model: (
        (model | (lambda message: message.text))
        .with_retry(retry_if_exception_type=retryable, wait_exponential_jitter=False)
        .invoke(QUESTION)
    ),
    "a graph": lambda model: in_a_graph(model, RetryPolicy(**QUICKLY)),
    "a graph that is told what": lambda model: in_a_graph(model, RetryPolicy(retry_on=retryable, **QUICKLY)),
    "an agent's model": of_an_agent,
    "an agent's tool": as_a_tool,
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_turn_that_broke_off_is_not_posted_again(
    emulator: Emulator, make_model: MakeModel, fault: str, layer: str
) -> None:
    if layer == "with_retry of a chain" and not TAKES_A_FUNCTION:
        pytest.skip("with_retry of this langchain-core takes classes alone")
    model = make_model(timeout=(2, 0.3))
    emulator.faults.add(FAULTS[fault], path="*/chat-messages", times=5)
    before = len(emulator.requests)
    try:
        with pytest.raises(BotError):
            LAYERS[layer](model)
    finally:
        emulator.faults.clear()
    assert [one.path for one in emulator.requests[before:]].count("/v1/chat-messages") == 1


def test_a_fallback_asks_the_other_bot_and_this_one_no_more(emulator: Emulator, make_model: MakeModel) -> None:
    first, other = make_model(), make_model(user="otto")
    emulator.faults.add(Cut(300), path="*/chat-messages", times=1)
    before = len(emulator.requests)
    assert "ferry" in first.with_fallbacks([other]).invoke(QUESTION).text
    posts = [one.body for one in emulator.requests[before:] if one.path == "/v1/chat-messages"]
    assert [body["user"] for body in posts if isinstance(body, dict)] == [first.user, "otto"]
