"""Tools and forms of an answer that a caller would give a bot: refused, with the way to what was wanted."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.exceptions import ModelInvalidRequestError
from pydantic import BaseModel

from langchain_chatbots.errors import ToolsRefusedError
from remote_chatbots import BotUsageError
from tests.langchain_adapter.asking import MakeModel


class Departure(BaseModel):
    """When a ferry leaves."""

    pier: int


def test_tools_are_refused_with_the_reason(make_model: MakeModel) -> None:
    model = make_model()
    for kind in (BotUsageError, NotImplementedError, ModelInvalidRequestError):
        with pytest.raises(kind, match=r"^dify: .*calls its own tools"):
            model.bind_tools([Departure])
    with pytest.raises(BotUsageError, match="calls its own tools"):
        model.invoke("Hi", tools=[{"type": "function"}])
    with pytest.raises(BotUsageError, match="takes tools"):
        model.with_structured_output({"title": "x", "description": "y", "type": "object"}, method="function_calling")


@pytest.mark.parametrize("choice", [{}, {"tool_choice": None}, {"tool_choice": "auto"}])
async def test_no_tools_at_all_bind_nothing(make_model: MakeModel, choice: dict[str, Any]) -> None:
    model = make_model()
    assert model.bind_tools([], **choice) is model
    with_user = model.bind_tools([], user="ben", **choice)
    assert with_user.invoke("Hi").response_metadata["user"] == "ben"
    assert (await with_user.ainvoke("Hi")).response_metadata["user"] == "ben"


@pytest.mark.parametrize("wanted", [Departure, ProviderStrategy(Departure), ToolStrategy(Departure)])
async def test_an_agent_that_wants_a_form_is_told_the_way_to_it(make_model: MakeModel, wanted: Any) -> None:
    agent = create_agent(make_model(), [], response_format=wanted)
    asked: Any = {"messages": [("user", "When does the ferry leave?")]}
    way = r"^dify: .*with_structured_output.*leave response_format out"
    with pytest.raises(ToolsRefusedError, match=way):
        agent.invoke(asked)
    with pytest.raises(ToolsRefusedError, match=way):
        await agent.ainvoke(asked)
    assert isinstance(make_model().with_structured_output(Departure).invoke("When does the ferry leave?"), Departure)


def test_a_call_that_wants_a_form_is_told_the_way_to_it(make_model: MakeModel) -> None:
    for wanted in ({"response_format": {"type": "json_object"}}, {"tool_choice": "Departure", "tools": [Departure]}):
        with pytest.raises(ToolsRefusedError, match="with_structured_output"):
            make_model().invoke("Hi", **wanted)
