"""Structured prediction: the form is asked for in the question, checked, and asked for once more at most."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field

from llama_index_chatbots import RemoteLLM
from remote_chatbots import BotFormatError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.asked import stops
from tests.llama_index_adapter.asking import Do, MakeLLM, sent

ASKING = PromptTemplate("{tag}When does the {ship} leave?")


class Departure(BaseModel):
    """When a ship leaves."""

    ship: str = Field(description="its name")
    hour: int


def questions(llm: RemoteLLM, held: str) -> list[str]:
    history = llm._sync_client().history(held, user=llm.user)
    return [one.text for one in history if one.role == "user"]


async def streamed(do: Do, llm: RemoteLLM, *arguments: Any, **named: Any) -> list[Any]:
    stream = await do(llm.stream_structured_predict, *arguments, **named)
    return [one async for one in stream] if hasattr(stream, "__aiter__") else list(stream)


async def test_a_prediction_is_an_object_of_the_class(bot: RemoteLLM, do: Do) -> None:
    found = await do(bot.structured_predict, Departure, ASKING, tag="", ship="ferry")
    assert type(found) is Departure
    assert found.hour == 0


async def test_words_are_repaired_in_their_conversation(bot: RemoteLLM, do: Do) -> None:
    begun = bot.chat([ChatMessage("Good morning.")]).message
    held = begun.additional_kwargs["conversation_id"]
    given = {"conversation_id": held}
    found = await do(bot.structured_predict, Departure, ASKING, given, tag="[[prose]]", ship="ferry")
    assert isinstance(found, Departure)
    _, asked, repair = questions(bot, held)
    assert asked.startswith("[[prose]]When does the ferry leave?\n\nAnswer with one JSON value")
    assert "could not be read: it holds no JSON value." in repair


async def test_after_one_repair_the_refusal_is_typed_and_nothing_more_is_posted(bot: RemoteLLM, do: Do) -> None:
    with pytest.raises(BotFormatError, match="also after a repair turn") as refusal:
        await do(bot.structured_predict, Departure, ASKING, tag="[[neverjson]]", ship="ferry")
    assert refusal.value.partial_text.startswith("Turn 2.")
    assert len(questions(bot, refusal.value.conversation_id)) == 2


async def test_a_stream_ends_with_the_object(bot: RemoteLLM, do: Do) -> None:
    *partial, whole = await streamed(do, bot, Departure, ASKING, tag="[[think]]", ship="ferry")
    assert type(whole) is Departure
    assert partial
    assert set(partial[-1].model_dump()) == {"ship", "hour"}


async def test_a_stream_of_words_ends_with_the_repaired_object(bot: RemoteLLM, do: Do) -> None:
    *_, whole = await streamed(do, bot, Departure, ASKING, tag="[[prose]]", ship="ferry")
    assert type(whole) is Departure


async def test_leaving_a_stream_of_objects_tells_the_server_to_stop(emulator: Emulator, make_llm: MakeLLM) -> None:
    llm = make_llm()
    stream = llm.stream_structured_predict(Departure, ASKING, tag="[[slow]]", ship="ferry")
    next(stream)
    stream.close()
    async with aclosing(await llm.astream_structured_predict(Departure, ASKING, tag="[[slow]]", ship="f")) as objects:
        await anext(objects)
    assert stops(emulator, llm.user) == 2
    assert len(sent(emulator, llm.user)) == 2


async def test_a_structured_llm_goes_on_with_a_history(bot: RemoteLLM, do: Do) -> None:
    first = bot.chat([ChatMessage("When does the {ferry} leave?")]).message
    history = [ChatMessage("When does the {ferry} leave?"), first, ChatMessage("And on Sundays?")]
    answer = await do(bot.as_structured_llm(Departure).chat, history)
    assert type(answer.raw) is Departure
    assert Departure.model_validate_json(answer.message.content) == answer.raw
    asked = questions(bot, first.additional_kwargs["conversation_id"])
    assert asked[-1].startswith("And on Sundays?\n\nAnswer with one JSON value")


async def test_a_prompt_is_left_as_it_was(bot: RemoteLLM, do: Do) -> None:
    prompt = ChatPromptTemplate([ChatMessage(role="user", content="When does the {ship} leave?")])
    await do(bot.structured_predict, Departure, prompt, ship="ferry")
    assert prompt.output_parser is None
    assert prompt.message_templates[0].content == "When does the {ship} leave?"


async def test_what_is_predicted_is_told_to_instrumentation(bot: RemoteLLM, do: Do) -> None:
    heard: list[Any] = []

    class Hears(BaseEventHandler):
        def handle(self, event: Any, **_: Any) -> None:
            heard.append(event)

    listener = Hears()
    root = get_dispatcher()
    root.add_event_handler(listener)
    try:
        found = await do(bot.structured_predict, Departure, ASKING, tag="", ship="ferry")
    finally:
        root.event_handlers.remove(listener)
    assert [one.output_cls for one in heard if isinstance(one, LLMStructuredPredictStartEvent)] == [Departure]
    assert [one.output for one in heard if isinstance(one, LLMStructuredPredictEndEvent)] == [found]


@pytest.mark.parametrize("mode", [PydanticProgramMode.FUNCTION, PydanticProgramMode.OPENAI])
def test_a_program_for_models_that_call_functions_is_refused(make_llm: MakeLLM, mode: PydanticProgramMode) -> None:
    with pytest.raises(BotUsageError, match=rf"^dify: pydantic_program_mode '{mode.value}'"):
        make_llm(pydantic_program_mode=mode).structured_predict(Departure, ASKING, tag="", ship="ferry")
