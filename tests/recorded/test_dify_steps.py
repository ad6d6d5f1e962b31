"""The steps of recorded agents and chatflows, as LlamaIndex and LangChain's callbacks are told of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent

from langchain_chatbots import RemoteChatMessageHistory
from llama_index_chatbots import Dify, RemoteMemory, RemoteStepEvent
from remote_chatbots import AsyncBotClient, BotClient, DifyApp, StoredMessage
from tests.covering import covering
from tests.recorded.asking import ASKED, KEY, PATIENT, TIMEOUT_S, question_of
from tests.recorded.asking_langchain import bare, model_for
from tests.recorded.cassettes import URL, cassette_of
from tests.recorded.recordings import Recording, recording, told_by
from tests.recorded.replay import ReplayServer, reply_of
from tests.recorded.steps import states_of, steps_of

STEPPING = [one for one in ASKED if steps_of(told_by(one).events) and told_by(one).failure is None]

# A turn, and the history that was read after it.
KEPT = [
    (recording(version, turn), recording(version, history))
    for version, turn, history in (
        ("0.15.3", "agent-stream-1-one-tool", "agent-messages-history"),
        ("1.14.2", "agent-stream-1-one-tool", "agent-messages-history"),
        ("1.14.2", "agent-stream-2-second-turn", "agent-messages-history"),
        ("1.14.2", "agent-stream-knowledge-tool", "agent-messages-knowledge"),
    )
]


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


@pytest.mark.parametrize(("exchange", "way"), covering(STEPPING, list(WAYS)))
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


@pytest.mark.parametrize(("turn", "history"), KEPT, ids=str)
def test_the_servers_history_tells_the_steps_of_the_live_answer(turn: Recording, history: Recording) -> None:
    question, conversation = question_of(turn), told_by(turn).ids["conversation_id"]
    asked = [ChatMessage(role="user", content=question.text)]
    with ReplayServer(reply_of(turn)) as server:
        live = model_for(question, server.url).invoke(question.text, conversation_id=question.conversation_id)
    with ReplayServer(reply_of(turn)) as server:
        llm = Dify(api_key=KEY, api_base=server.url, user=question.user, timeout=TIMEOUT_S)
        live_in_llama_index = llm.chat(asked, conversation_id=question.conversation_id).message
    steps = steps_of(told_by(turn).events)

    with ReplayServer(reply_of(history)) as server:
        read = RemoteChatMessageHistory(model_for(question, server.url), conversation_id=conversation).messages
    (message,) = [one for one in read if one.id == live.id]
    assert isinstance(message, AIMessage)
    assert message.response_metadata["steps"] == live.response_metadata["steps"] == steps
    # The server keeps the words of each step on lines of their own.
    assert _without_line_ends(message.content_blocks) == _without_line_ends(live.content_blocks)

    with ReplayServer(reply_of(history)) as server:
        llm = Dify(api_key=KEY, api_base=server.url, user=question.user, timeout=TIMEOUT_S)
        kept = RemoteMemory(llm, conversation_id=conversation).get_all()
    (stored,) = [one for one in kept if one.additional_kwargs.get("message_id") == live.id and one.role == "assistant"]
    assert stored.additional_kwargs["steps"] == steps
    assert _calls(stored) == _calls(live_in_llama_index) != []

    for told in (_by_client(history, conversation), asyncio.run(_by_async_client(history, conversation))):
        (one,) = [one for one in told if one.message_id == live.id and one.role == "assistant"]
        assert [step.id for step in one.steps] == [step["id"] for step in steps]


def _by_client(history: Recording, conversation: str) -> list[StoredMessage]:
    with ReplayServer(reply_of(history)) as server, BotClient(DifyApp(KEY, server.url), user="reader-1") as client:
        return client.history(conversation)


async def _by_async_client(history: Recording, conversation: str) -> list[StoredMessage]:
    with ReplayServer(reply_of(history)) as server:
        async with AsyncBotClient(DifyApp(KEY, server.url), user="reader-1") as client:
            return await client.history(conversation)


def _without_line_ends(blocks: Any) -> list[dict[str, Any]]:
    return [{**block, "text": block["text"].strip()} if "text" in block else block for block in bare(blocks)]


def _calls(message: ChatMessage) -> list[ToolCallBlock]:
    return [block for block in message.blocks if isinstance(block, ToolCallBlock)]
