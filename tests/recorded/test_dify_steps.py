"""The steps of recorded agents and chatflows, as LlamaIndex and LangChain's callbacks are told of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent

from llama_index_chatbots import Dify, RemoteStepEvent
from tests.recorded.asking import ASKED, KEY, PATIENT, TIMEOUT_S, question_of
from tests.recorded.asking_langchain import model_for
from tests.recorded.cassettes import URL, cassette_of
from tests.recorded.recordings import Recording, told_by
from tests.recorded.steps import states_of, steps_of

STEPPING = [one for one in ASKED if steps_of(told_by(one).events) and told_by(one).failure is None]


def in_a_loop(llm: Dify, asked: list[ChatMessage], **named: Any) -> list[ChatResponse]:
    async def read() -> list[ChatResponse]:
        return [response async for response in await llm.astream_chat(asked, **named)]

    return asyncio.run(read())


WAYS: dict[str, Callable[..., ChatResponse]] = {
    "chat": lambda llm, asked, **named: llm.chat(asked, **named),
    "achat": lambda llm, asked, **named: asyncio.run(llm.achat(asked, **named)),
    "stream_chat": lambda llm, asked, **named: list(llm.stream_chat(asked, **named))[-1],
    "astream_chat": lambda llm, asked, **named: in_a_loop(llm, asked, **named)[-1],
}


class Listener(BaseEventHandler):
    """Notes the steps."""

    heard: list[Any] = []

    @classmethod
    def class_name(cls) -> str:
        return "Listener"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        if isinstance(event, RemoteStepEvent):
            self.heard.append(event.step)


@pytest.fixture
def listener() -> Iterator[Listener]:
    handler = Listener(heard=[])
    get_dispatcher().add_event_handler(handler)
    yield handler
    get_dispatcher().event_handlers.remove(handler)


def states(exchange: Recording) -> list[dict[str, Any]]:
    """Return the states that were told; one that was told again with nothing new in it, once."""
    told: list[dict[str, Any]] = []
    newest: dict[Any, Any] = {}
    events = [event for event in told_by(exchange).events if next(states_of([event]), None)]
    for event, state in zip(events, states_of(events), strict=True):
        key = (state["kind"], state["id"])
        if newest.get(key) != (state, event):
            told.append(state)
        newest[key] = (state, event)
    return told


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("exchange", STEPPING, ids=str)
def test_llama_index_is_told_every_recorded_step(exchange: Recording, way: str, listener: Listener) -> None:
    question = question_of(exchange)
    llm = Dify(api_key=KEY, api_base=URL, user=question.user, inputs=question.inputs, timeout=TIMEOUT_S,
               end_grace_s=PATIENT.end_grace_s)  # fmt: skip
    asked = [ChatMessage(role="user", content=question.text)]
    with cassette_of(exchange):
        response = WAYS[way](llm, asked, conversation_id=question.conversation_id, files=question.files)
    steps = steps_of(told_by(exchange).events)
    assert response.message.additional_kwargs["steps"] == response.raw["steps"] == steps
    calls = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    assert [(call.tool_call_id, {call.tool_name: call.tool_kwargs}) for call in calls] == [
        (step["id"], step["input"]) for step in steps if step["kind"] == "thought" and "name" in step
    ]
    assert listener.heard == states(exchange)


@pytest.mark.parametrize("exchange", STEPPING, ids=str)
def test_langchains_callbacks_are_told_every_recorded_state(exchange: Recording) -> None:
    question = question_of(exchange)

    class Noting(BaseCallbackHandler):
        heard: list[Any] = []

        def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
            assert name == "remote_chatbots.step"
            self.heard.append(data)

    noting = Noting()
    noting.heard = []
    model = model_for(question, URL).bind(conversation_id=question.conversation_id, files=question.files)
    with cassette_of(exchange):
        RunnableLambda(lambda text: model.invoke(text)).invoke(question.text, {"callbacks": [noting]})
    assert noting.heard == states(exchange)
