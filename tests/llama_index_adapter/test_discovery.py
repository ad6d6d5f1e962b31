"""What an LLM knows of its app: nothing unless it is asked to find out, and then it makes use of it."""

from __future__ import annotations

import pickle

import pytest
from llama_index.core.agent.workflow import AgentOutput, AgentWorkflow
from llama_index.core.indices.prompt_helper import PromptHelper

from llama_index_chatbots import Dify, GPTBots, RemoteLLM
from remote_chatbots import BotUsageError
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import QUESTION, Do, MakeLLM, sent
from tests.llama_index_adapter.test_workflows import agent, calls, says

# LlamaIndex's workflows look at all attributes of an agent, also at those that pydantic calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")


async def test_nothing_is_asked_unless_the_llm_is_told_to_find_out(emulator: Emulator, bot: RemoteLLM, do: Do) -> None:
    before = len(emulator.requests)
    label = bot.metadata.model_name
    assert label in ("dify-app", "gptbots-agent")
    assert (bot.metadata.context_window, bot.metadata.num_output) == (128_000, 256)
    assert emulator.requests[before:] == []
    assert await do(bot.discover) is bot
    assert len(emulator.requests[before:]) == 2
    told = bot.metadata
    assert told.model_name == ("chat" if bot.platform == "dify" else "gptbots")
    assert (told.is_chat_model, told.is_function_calling_model) == (True, False)
    # GPTBots tells how long a question may be, Dify does not: no more is packed into one, and memories hold as much.
    assert told.context_window == 128_000
    packed = PromptHelper.from_llm_metadata(told)._get_available_context_size(0)
    assert packed == (128_000 - 256 if bot.platform == "dify" else 2000)
    _ = bot.metadata, bot.to_dict(), bot.as_tool(), bot.to_payload()
    assert len(emulator.requests[before:]) == 2

    again = pickle.loads(pickle.dumps(bot))
    assert (again.metadata.model_name, again.learned.parameters) == (label, None)


def test_what_was_given_rules(emulator: Emulator) -> None:
    given = {"user": "anna", "model_name": "Desk", "context_window": 8000}
    llm = GPTBots(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, **given).discover()
    told = llm.metadata
    assert (told.model_name, told.context_window, told.num_output) == ("Desk", 8000, 256)


async def test_a_tool_takes_a_question_and_what_the_apps_form_asks_for(
    emulator: Emulator, make_llm: MakeLLM, do: Do
) -> None:
    llm = make_llm("chat-required")
    assert list(llm.as_tool().metadata.get_parameters_dict()["properties"]) == ["question"]
    await do(llm.discover)
    tool = llm.as_tool()
    told = tool.metadata.get_parameters_dict()
    assert (list(told["properties"]), told["required"]) == (["question", "city", "tone"], ["question", "city"])
    assert told["properties"]["city"]["maxLength"] == 8
    assert (tool.metadata.name, tool.metadata.return_direct) == ("ask_dify_bot", False)
    assert tool.metadata.description == "Answers questions of visitors to Saltmouth"

    output = await do(tool.call, question=QUESTION, city="Bergen", tone=None)
    assert "9:00" in output.content
    assert output.content == output.raw_output.text
    assert output.raw_output.additional_kwargs["conversation_id"]
    assert [body["inputs"] for body in sent(emulator, llm.user)] == [{"city": "Bergen"}]
    with pytest.raises(BotUsageError, match="dify: inputs: tone must be one of brief, full"):
        await do(tool.call, question=QUESTION, city="Bergen", tone="loud")


def test_a_tool_does_not_ask_for_what_the_llm_fills_itself(make_llm: MakeLLM) -> None:
    llm = make_llm("chat-required", inputs={"city": "Bergen"}).discover()
    tool = llm.as_tool(name="town", description="Knows the town.", return_direct=True)
    assert list(tool.metadata.get_parameters_dict()["properties"]) == ["question", "tone"]
    assert (tool.metadata.name, tool.metadata.description) == ("town", "Knows the town.")
    assert tool.metadata.return_direct


async def test_an_agent_fills_in_the_form_of_its_tool(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm("advanced-chat-required").discover()
    asks = agent(
        "clerk", calls("town", question=QUESTION, city="Bergen"), says("At nine."), tools=[llm.as_tool(name="town")]
    )
    output: AgentOutput = await AgentWorkflow(agents=[asks], root_agent="clerk").run("The ferry?")
    assert output.response.content == "At nine."
    (call,) = output.tool_calls
    assert "9:00" in call.tool_output.content  # type: ignore[union-attr]
    assert [body["inputs"] for body in sent(emulator, llm.user)] == [{"city": "Bergen"}]


async def test_inputs_that_do_not_fit_are_refused_before_they_are_sent(
    emulator: Emulator, make_llm: MakeLLM, do: Do
) -> None:
    llm: Dify = make_llm("advanced-chat-required")
    await do(llm.discover)
    with pytest.raises(BotUsageError, match="dify: inputs: city is required, and missing"):
        await do(llm.complete, QUESTION)
    assert sent(emulator, llm.user) == []
