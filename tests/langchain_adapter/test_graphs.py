"""A graph's thread goes on with its conversation, whichever checkpointer keeps the messages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain.agents import create_agent
from langgraph.graph import START, MessagesState, StateGraph

from remote_chatbots.emulator import Emulator
from tests.covering import covering
from tests.forks import Forks, forks_of
from tests.langchain_adapter.asking import PLATFORMS, MakeBot, MakeModel, conversation, looks_into, questions_in
from tests.langchain_adapter.graphs import async_saver_at, graph_of, said, saver_at, thread
from tests.langchain_adapter.postgres import running_postgres

FIRST, SECOND = "When does the ferry leave?", "What did I ask first?"
KEPT = ("memory", "sqlite", "postgres")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with running_postgres() as address:
        yield address


@pytest.fixture(scope="module")
def graphs(frameworks: Forks) -> Iterator[Forks]:
    """Processes that have imported LangGraph and its checkpointers, and nothing of ours."""
    kept = (f"langgraph.checkpoint.{name}" for name in ("memory", "postgres.aio", "sqlite.aio"))
    with forks_of("langgraph.graph", *kept, on=frameworks) as forks:
        yield forks


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the checkpoints are, for the parameter of that name."""
    return {"memory": lambda: "memory", "sqlite": lambda: str(tmp_path / "checkpoints.db")}.get(
        request.param, lambda: str(request.getfixturevalue("postgres"))
    )()


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("address", KEPT, indirect=True)
def test_a_thread_goes_on_with_its_own_conversation(
    emulator: Emulator, make_bot: MakeBot, platform: str, address: str
) -> None:
    names = [f"{platform}-anna", f"{platform}-bob"]
    with saver_at(address) as saver:
        graph = graph_of(make_bot(platform), saver)
        for name in names:
            graph.invoke(said(f"I am {name}. {FIRST}"), thread(name))
        ends = [graph.invoke(said(SECOND), thread(name))["messages"] for name in names]
    for name, (_, first, _, second) in zip(names, ends, strict=True):
        assert conversation(first) == conversation(second)
        assert name in second.text
        assert questions_in(emulator, conversation(second))[-1] == SECOND
    assert conversation(ends[0][-1]) != conversation(ends[1][-1])


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("address", KEPT, indirect=True)
async def test_an_awaited_thread_does_so_too(
    emulator: Emulator, make_bot: MakeBot, platform: str, address: str
) -> None:
    async with async_saver_at(address) as saver:
        graph = graph_of(make_bot(platform), saver)
        await graph.ainvoke(said(FIRST), thread(f"{platform}-async"))
        state = await graph.ainvoke(said(SECOND), thread(f"{platform}-async"))
    _, first, _, second = state["messages"]
    assert conversation(first) == conversation(second)
    assert FIRST in second.text
    assert questions_in(emulator, conversation(second))[-1] == SECOND


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("address", KEPT, indirect=True)
def test_an_agent_without_tools_does_so_too(emulator: Emulator, make_bot: MakeBot, platform: str, address: str) -> None:
    with saver_at(address) as saver:
        agent = create_agent(model=make_bot(platform), tools=[], system_prompt="Be brief.", checkpointer=saver)
        agent.invoke(said(FIRST), thread(f"{platform}-agent"))
        state = agent.invoke(said(SECOND), thread(f"{platform}-agent"))
    _, first, _, second = state["messages"]
    assert conversation(first) == conversation(second)
    assert questions_in(emulator, conversation(second))[-1] == SECOND


@pytest.mark.parametrize(("platform", "address"), covering(PLATFORMS, ["sqlite", "postgres"]), indirect=["address"])
def test_a_thread_goes_on_after_its_process_was_killed(
    emulator: Emulator, make_bot: MakeBot, graphs: Forks, platform: str, address: str
) -> None:
    model = make_bot(platform)
    key = model.api_key.get_secret_value()
    answers = [killed_after(graphs, key, platform, model.base_url, address, question) for question in (FIRST, SECOND)]
    (first, _), (second, text) = (answer.split(" ", 1) for answer in answers)
    assert first == second
    assert FIRST in text
    assert questions_in(emulator, second)[-1] == SECOND
    # The second process had not met the answer that it went on from: it looked once whether that is the newest.
    assert len(looks_into(emulator, second)) == 1


def killed_after(graphs: Forks, key: str, *told: str) -> str:
    """Ask in a process of its own; return what it tells of the answer. It is killed then, and closes nothing."""
    program = "import runpy; runpy.run_module('tests.langchain_adapter.graphs', run_name='__main__', alter_sys=True)"
    out, into = os.pipe()
    with (
        os.fdopen(out, encoding="utf-8") as answer,
        os.fdopen(into, "w") as stdout,
        Path(os.devnull).open("r+") as nothing,
    ):
        streams = (nothing, stdout, nothing)
        process = graphs.start(program, *told, streams=streams, environment={**os.environ, "BOT_KEY": key})
        stdout.close()
        try:
            return answer.readline().strip()
        finally:
            process.kill()


def test_two_bots_in_one_graph_never_exchange_conversations(emulator: Emulator, make_model: MakeModel) -> None:
    kinds = {"harbour": "chat", "tickets": "agent-chat", "flow": "advanced-chat"}
    bots = {name: make_model(kind, model_name=name) for name, kind in kinds.items()}  # so nobody warns of the others
    graph = StateGraph(MessagesState)
    before = START
    for name, model in bots.items():
        graph.add_node(name, lambda state, model=model: {"messages": [model.invoke(state["messages"])]})
        graph.add_edge(before, name)
        before = name
    with saver_at("memory") as saver:
        app = graph.compile(checkpointer=saver)
        app.invoke(said(FIRST), thread("town"))
        messages = app.invoke(said(SECOND), thread("town"))["messages"]
    first, second = messages[1:4], messages[5:8]
    assert [conversation(one) for one in first] == [conversation(one) for one in second]
    assert len({conversation(one) for one in first}) == 3
    asked = [one for one in emulator.requests if one.path == "/v1/chat-messages"]
    for kind, answer in zip(("chat", "agent-chat", "advanced-chat"), second, strict=True):
        assert {one.app for one in asked if one.body["conversation_id"] == conversation(answer)} == {kind}
