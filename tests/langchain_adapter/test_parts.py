"""A bot as a part of something else: a tool of an agent, a counter of tokens; and the parts it cannot be."""

from __future__ import annotations

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, trim_messages
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from langchain_chatbots import sources
from remote_chatbots import BotUsageError
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import MakeModel, conversation

QUESTION = "When does the ferry leave?"
CALL = {"type": "tool_call", "id": "call-1", "name": "harbour", "args": {"question": QUESTION}}


def bodies(emulator: Emulator, user: str) -> list[dict[str, object]]:
    told = [request.body for request in emulator.requests if request.path == "/v1/chat-messages"]
    return [body for body in told if isinstance(body, dict) and body.get("user") == user]


def test_a_tool_takes_a_question_and_gives_the_text(make_model: MakeModel) -> None:
    tool = make_model().as_tool(name="harbour", description="Knows the ferry.")
    assert isinstance(tool, BaseTool)
    assert (tool.name, tool.description) == ("harbour", "Knows the ferry.")
    assert set(tool.args) == {"question"}
    assert "9:00" in tool.invoke({"question": QUESTION})


async def test_a_call_of_a_tool_keeps_the_whole_answer_as_its_artifact(make_model: MakeModel) -> None:
    tool = make_model().as_tool()
    for told in (tool.invoke(CALL), await tool.ainvoke(CALL)):
        assert isinstance(told, ToolMessage)
        assert isinstance(told.artifact, AIMessage)
        assert (told.content, told.tool_call_id) == (told.artifact.text, "call-1")
        assert sources(told.artifact)


async def test_calls_of_a_tool_share_a_conversation_only_where_one_is_named(make_model: MakeModel) -> None:
    tool = make_model().as_tool()
    first, second = tool.invoke(CALL).artifact, (await tool.ainvoke(CALL)).artifact
    assert conversation(first) != conversation(second)
    named = {"configurable": {"conversation_id": conversation(first)}}
    assert conversation(tool.invoke(CALL, named).artifact) == conversation(first)
    fixed = make_model(conversation_id=conversation(second)).as_tool()
    assert conversation((await fixed.ainvoke(CALL)).artifact) == conversation(second)


class Asked(BaseModel):
    question: str
    city: str = "Oslo"


@pytest.mark.parametrize("given", [{"args_schema": Asked}, {"arg_types": {"city": str}}], ids=str)
async def test_other_arguments_of_a_tool_are_inputs_of_the_app(
    emulator: Emulator, make_model: MakeModel, given: dict[str, object]
) -> None:
    model = make_model(inputs={"guest": "Ola", "city": "Rome"})
    tool = model.as_tool(**given)
    asked = {"question": QUESTION, "city": "Bergen"}
    assert set(tool.args) == set(asked)
    tool.invoke(asked)
    await tool.ainvoke(asked)
    for body in bodies(emulator, model.user):
        assert body["inputs"] == {"guest": "Ola", "city": "Bergen"}
        assert body["query"] == QUESTION


def test_a_tool_that_has_no_question_is_refused(make_model: MakeModel) -> None:
    class Mute(BaseModel):
        city: str

    with pytest.raises(BotUsageError, match="question"):
        make_model().as_tool(Mute)


async def test_the_trace_of_a_tool_holds_the_model(make_model: MakeModel) -> None:
    begun: list[str] = []

    class Names(BaseCallbackHandler):
        def on_tool_start(self, *args: object, **kwargs: object) -> None:
            begun.append("tool")

        def on_chat_model_start(self, *args: object, **kwargs: object) -> None:
            begun.append("model" if kwargs["parent_run_id"] else "model alone")

    tool = make_model().as_tool()
    tool.invoke(CALL, {"callbacks": [Names()]})
    await tool.ainvoke(CALL, {"callbacks": [Names()]})
    assert begun == ["tool", "model"] * 2


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("天气预报", 3), ("\ud800", 1)]
)
def test_tokens_are_estimated_without_a_tokenizer(make_model: MakeModel, text: str, tokens: int) -> None:
    assert make_model().get_num_tokens(text) == tokens


def test_a_history_is_trimmed_by_the_estimate(make_model: MakeModel) -> None:
    history = [HumanMessage("a" * 400), HumanMessage("b" * 40), HumanMessage("c" * 40)]
    kept = trim_messages(history, max_tokens=40, token_counter=make_model(), strategy="last")
    assert [message.text[0] for message in kept] == ["b", "c"]


def test_tokens_are_counted_by_the_callers_own_tokenizer(make_model: MakeModel) -> None:
    with pytest.raises(BotUsageError, match="custom_get_token_ids"):
        make_model().get_token_ids("abc")
    model = make_model(custom_get_token_ids=lambda text: [ord(each) for each in text])
    assert model.get_token_ids("abc") == [97, 98, 99]
    assert model.get_num_tokens("abc") == 3
