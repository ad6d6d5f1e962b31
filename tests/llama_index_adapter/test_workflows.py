"""A bot as a part of LlamaIndex's agents: a tool that is asked, and a tool that keeps its conversation."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentOutput, AgentWorkflow, FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.tools import FunctionTool, QueryEngineTool

from llama_index_chatbots import RemoteChatEngine, RemoteLLM, RemoteQueryEngine
from remote_chatbots.emulator import Emulator
from tests.asked import asked
from tests.llama_index_adapter.asking import AGAIN, QUESTION, MakeLLM

# LlamaIndex's workflows look at all attributes of an agent, also at those that pydantic calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")


def says(text: str) -> ChatMessage:
    return ChatMessage(role="assistant", content=text)


def calls(tool: str, **arguments: Any) -> ChatMessage:
    return ChatMessage(
        role="assistant", blocks=[ToolCallBlock(tool_call_id=f"of-{tool}", tool_name=tool, tool_kwargs=arguments)]
    )


def scripted(*turns: ChatMessage) -> MockFunctionCallingLLM:
    """Return an LLM that says one thing after another, whatever it is asked."""
    script = iter(turns)
    return MockFunctionCallingLLM(response_generator=lambda messages, **_: next(script))


def agent(name: str, *turns: ChatMessage, **fields: Any) -> FunctionAgent:
    return FunctionAgent(name=name, description=f"The {name}.", llm=scripted(*turns), streaming=False, **fields)


def town(bot: RemoteLLM, **fields: Any) -> QueryEngineTool:
    return QueryEngineTool.from_defaults(
        RemoteQueryEngine.from_llm(bot), name="town", description="Knows the town.", **fields
    )


async def test_an_agent_asks_the_bot_as_a_tool_and_has_its_sources(emulator: Emulator, make_llm: MakeLLM) -> None:
    before = len(emulator.requests)
    asks = agent("clerk", calls("town", input=QUESTION), says("At nine."), tools=[town(make_llm())])
    output: AgentOutput = await AgentWorkflow(agents=[asks], root_agent="clerk").run("The ferry?")
    assert output.response.content == "At nine."
    (call,) = output.tool_calls
    assert isinstance(call, ToolCallResult)
    assert "9:00" in call.tool_output.content
    assert [node.metadata["source"] for node in call.tool_output.raw_output.source_nodes] == ["ferry.md"] * 3
    assert asked(emulator, before) == [(QUESTION, "")]


async def test_an_agent_that_calls_functions_refuses_a_bot_as_its_model_before_anything_is_sent(
    emulator: Emulator, bot: RemoteLLM
) -> None:
    before = len(emulator.requests)
    with pytest.raises(ValueError, match="LLM must be a FunctionCallingLLM"):
        await FunctionAgent(llm=bot).run(QUESTION)
    assert emulator.requests[before:] == []


async def test_the_bot_answers_the_user_whom_another_agent_hands_off(emulator: Emulator, bot: RemoteLLM) -> None:
    before = len(emulator.requests)
    porter = agent("porter", calls("handoff", to_agent="clerk", reason="It knows."), can_handoff_to=["clerk"])
    clerk = agent("clerk", calls("town", input=QUESTION), tools=[town(bot, return_direct=True)])
    output: AgentOutput = await AgentWorkflow(agents=[porter, clerk], root_agent="porter").run("The ferry?")
    assert output.current_agent_name == "clerk"
    assert "9:00" in str(output.response.content)
    assert asked(emulator, before) == [(QUESTION, "")]


async def test_a_chat_engine_as_a_tool_keeps_its_conversation(emulator: Emulator, bot: RemoteLLM) -> None:
    engine = RemoteChatEngine.from_llm(bot)

    async def ask_town(question: str) -> str:
        """Ask the town's office."""
        return str(await engine.achat(question))

    before = len(emulator.requests)
    asks = agent(
        "clerk",
        calls("ask_town", question=QUESTION),
        calls("ask_town", question=AGAIN),
        says("Done."),
        tools=[FunctionTool.from_defaults(async_fn=ask_town)],
    )
    output: AgentOutput = await AgentWorkflow(agents=[asks], root_agent="clerk").run("Ask twice.")
    assert QUESTION in str(output.tool_calls[-1].tool_output)  # type: ignore[attr-defined]
    assert asked(emulator, before) == [(QUESTION, ""), (AGAIN, engine.conversation_id)]
