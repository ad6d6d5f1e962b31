"""Answers as objects: the form is asked for in the question, checked, and asked for once more at most."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable
from pydantic import BaseModel, Field

from langchain_chatbots import RemoteChatModel
from remote_chatbots import BotFormatError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import PLATFORMS, MakeBot, questions_in

QUESTION = "When does the ferry leave?"
Ask = Callable[..., Awaitable[Any]]


class Departure(BaseModel):
    """When a ship leaves."""

    ship: str = Field(description="its name")
    hour: int
    remark: str | None = None


class DepartureDict(TypedDict):
    ship: str
    hour: int


PLAIN_SCHEMA = {"properties": {"ship": {"type": "string"}, "hour": {"type": "integer"}}, "required": ["ship", "hour"]}


@pytest.fixture(params=PLATFORMS)
def model(make_bot: MakeBot, request: pytest.FixtureRequest) -> RemoteChatModel:
    return make_bot(request.param)


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    async def asked(chain: Runnable[Any, Any], *given: Any, **named: Any) -> Any:
        return chain.invoke(*given, **named) if request.param == "sync" else await chain.ainvoke(*given, **named)

    return asked


@pytest.mark.parametrize(
    ("schema", "kind"), [(Departure, Departure), (DepartureDict, dict), (PLAIN_SCHEMA, dict)], ids=str
)
async def test_an_answer_is_an_object_of_the_schemas_kind(
    model: RemoteChatModel, ask: Ask, schema: Any, kind: type
) -> None:
    found = await ask(model.with_structured_output(schema), QUESTION)
    assert isinstance(found, kind)
    values = found if isinstance(found, dict) else found.model_dump()
    assert isinstance(values["ship"], str)
    assert values["hour"] == 0


async def test_an_answer_in_words_is_repaired_in_its_conversation(
    emulator: Emulator, model: RemoteChatModel, ask: Ask
) -> None:
    chain = model.with_structured_output(Departure, include_raw=True)
    told = await ask(chain, [HumanMessage(f"[[prose]]{QUESTION}")], conversation_id="")
    assert isinstance(told["parsed"], Departure)
    assert told["parsing_error"] is None
    held = told["raw"].response_metadata["conversation_id"]
    repair = questions_in(emulator, held)[-1]
    assert "could not be read: it holds no JSON value" in repair
    assert QUESTION not in repair
    assert [one.text for one in history_of(model, held) if one.role == "user"][-1] == repair
    assert len(history_of(model, held)) == 4


def history_of(model: RemoteChatModel, held: str) -> list[Any]:
    return model._sync_client().history(held, user=model.user)


async def test_after_one_repair_the_refusal_is_typed_and_nothing_more_is_posted(
    model: RemoteChatModel, ask: Ask
) -> None:
    with pytest.raises(BotFormatError, match="also after a repair turn") as refusal:
        await ask(model.with_structured_output(Departure), f"[[neverjson]]{QUESTION}")
    error = refusal.value
    assert isinstance(error, OutputParserException)
    assert error.llm_output == error.partial_text
    assert error.partial_text.startswith("Turn 2.")
    assert error.message_id
    assert len(history_of(model, error.conversation_id)) == 4


async def test_with_the_raw_message_a_refusal_is_handed_over(model: RemoteChatModel, ask: Ask) -> None:
    told = await ask(model.with_structured_output(Departure, include_raw=True), f"[[neverjson]]{QUESTION}")
    assert isinstance(told["raw"], AIMessage)
    assert told["parsed"] is None
    assert isinstance(told["parsing_error"], BotFormatError)


async def test_a_conversation_goes_on_in_objects(emulator: Emulator, model: RemoteChatModel, ask: Ask) -> None:
    first = model.invoke(QUESTION)
    chain = model.with_structured_output(Departure)
    await ask(chain, [HumanMessage(QUESTION), first, HumanMessage("And on Sundays?")])
    asked = questions_in(emulator, first.response_metadata["conversation_id"])[-1]
    assert asked.startswith("And on Sundays?\n\nAnswer with one JSON value")


@pytest.mark.parametrize("reasoning", [True, False])
async def test_thoughts_and_marks_of_citations_do_not_stand_in_the_way(
    make_bot: MakeBot, ask: Ask, reasoning: bool
) -> None:
    dify = make_bot("dify", reasoning=reasoning)
    assert await ask(dify.with_structured_output(Departure), f"[[think]]{QUESTION}")
    gptbots = make_bot("gptbots", corner_citation=True, reasoning=reasoning)
    found = await ask(gptbots.with_structured_output(Departure), f"[[think]]{QUESTION}")
    assert "$[" not in found.ship
    assert "Turn 1." in found.ship or "ferry" in found.ship.lower()


async def test_a_withdrawn_answer_is_not_asked_for_again(make_bot: MakeBot, ask: Ask) -> None:
    model = make_bot("dify")
    with pytest.raises(BotFormatError, match="finish_reason 'content_filter'") as refusal:
        await ask(model.with_structured_output(Departure), f"[[bad]]{QUESTION}")
    assert len(history_of(model, refusal.value.conversation_id)) == 2


def test_a_stream_gives_the_one_whole_object(model: RemoteChatModel) -> None:
    (found,) = model.with_structured_output(Departure).stream(QUESTION)
    assert isinstance(found, Departure)


@pytest.mark.parametrize("method", ["json_mode", "json_schema"])
async def test_each_method_without_tools_asks_in_words(model: RemoteChatModel, ask: Ask, method: str) -> None:
    found = await ask(model.with_structured_output(Departure, method=method, include_raw=True), QUESTION)
    assert isinstance(found["parsed"], Departure)
    held = found["raw"].response_metadata["conversation_id"]
    assert "Answer with one JSON value" in history_of(model, held)[0].text


@pytest.mark.parametrize("given", [{"method": "function_calling"}, {"strict": True}])
def test_what_only_a_model_with_tools_can_do_is_refused_by_name(model: RemoteChatModel, given: dict[str, Any]) -> None:
    with pytest.raises(BotUsageError, match=f"^{model.platform}: .*Leave it out"):
        model.with_structured_output(Departure, **given)


@pytest.mark.parametrize("schema", ["text", 7, {}])
def test_a_schema_that_is_none_is_refused(model: RemoteChatModel, schema: Any) -> None:
    with pytest.raises(BotUsageError, match=f"^{model.platform}: the schema is none"):
        model.with_structured_output(schema)
