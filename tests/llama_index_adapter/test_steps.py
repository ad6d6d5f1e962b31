"""What a bot does on the way: tool calls among the blocks, events of instrumentation, steps beside the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.chat_engine import StreamChatDeltaReceivedEvent

from llama_index_chatbots import RemoteChatEngine, RemoteLLM, RemoteMemory, RemoteStepEvent
from remote_chatbots.emulator import Emulator
from tests.calls import counted
from tests.llama_index_adapter.asking import MakeLLM, sent, user

ASKED = "What time is it? [[time]]"
MADE_TO_BE_TOLD = {RemoteLLM.to_payload.__qualname__, "_message"}  # what the LLM is, and all of its answer
STATES = [("", "running"), ("current_time", "running"), ("current_time", "succeeded"), ("", "running"),
          ("", "succeeded")]  # fmt: skip


class Listener(BaseEventHandler):
    """Notes what happens."""

    heard: list[Any] = []

    @classmethod
    def class_name(cls) -> str:
        return "Listener"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.heard.append(event)

    @property
    def steps(self) -> list[tuple[str, str]]:
        steps = [event.step for event in self.heard if isinstance(event, RemoteStepEvent)]
        return [(step.get("name", ""), step["status"]) for step in steps]


@pytest.fixture
def listener() -> Iterator[Listener]:
    root = get_dispatcher()
    handler = Listener(heard=[])
    root.add_event_handler(handler)
    yield handler
    root.event_handlers.remove(handler)


def test_a_tool_call_stands_before_the_text_and_its_result_among_the_steps(make_llm: MakeLLM) -> None:
    message = make_llm("agent-chat").chat([user(ASKED)]).message
    (call,) = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    first, second = message.additional_kwargs["steps"]
    assert (call.tool_call_id, call.tool_name, call.tool_kwargs) == (first["id"], "current_time", {})
    assert first["output"]["current_time"] in str(message.content)
    assert (second["status"], second["text"] in str(message.content)) == ("succeeded", True)


async def test_the_last_response_of_a_stream_has_what_chat_has(make_llm: MakeLLM) -> None:
    llm = make_llm("agent-chat")
    *_, streamed = llm.stream_chat([user(ASKED)])
    *_, in_a_loop = [response async for response in await llm.astream_chat([user(ASKED)])]
    for response in (streamed, in_a_loop, await llm.achat([user(ASKED)])):
        assert [block.block_type for block in response.message.blocks] == ["tool_call", "text"]
        assert [step["status"] for step in response.raw["steps"]] == ["succeeded", "succeeded"]


def test_listeners_hear_of_each_step_while_it_happens(make_llm: MakeLLM, listener: Listener) -> None:
    engine = RemoteChatEngine.from_llm(make_llm("agent-chat"))
    assert "".join(engine.stream_chat(ASKED).response_gen)
    assert listener.steps == STATES
    kinds = [
        type(event) for event in listener.heard if isinstance(event, (RemoteStepEvent, StreamChatDeltaReceivedEvent))
    ]
    assert StreamChatDeltaReceivedEvent in kinds[: kinds.index(RemoteStepEvent, 1)]


async def test_listeners_hear_of_steps_in_every_way_to_ask(make_llm: MakeLLM, listener: Listener) -> None:
    llm = make_llm("agent-chat")
    llm.chat([user(ASKED)])
    await llm.achat([user(ASKED)])
    assert [response async for response in await llm.astream_chat([user(ASKED)])]
    llm.complete(ASKED)
    assert listener.steps == STATES * 4
    assert RemoteStepEvent.class_name() == "RemoteStepEvent"


@pytest.mark.parametrize("kind", ["agent-chat", "advanced-chat"])
async def test_without_steps_nothing_tells_of_them(make_llm: MakeLLM, listener: Listener, kind: str) -> None:
    llm = make_llm(kind, steps=False)
    *_, streamed = llm.stream_chat([user(ASKED)])
    *_, in_a_loop = [response async for response in await llm.astream_chat([user(ASKED)])]
    answers = [llm.chat([user(ASKED)]), await llm.achat([user(ASKED)]), streamed, in_a_loop]
    memory = RemoteMemory(llm, conversation_id=answers[0].raw["conversation_id"])
    for message in [*(answer.message for answer in answers), memory.get_all()[-1], (await memory.aget_all())[-1]]:
        assert "tool_call" not in [block.block_type for block in message.blocks]
        assert "steps" not in message.additional_kwargs
        assert message.content
    assert listener.steps == []


@pytest.mark.parametrize("heard", [False, True])
def test_what_only_a_listener_asks_for_is_made_for_one(make_llm: MakeLLM, heard: bool) -> None:
    handlers: list[BaseCallbackHandler] = [LlamaDebugHandler(print_trace_on_end=False)] if heard else []
    llm = make_llm(callback_manager=CallbackManager(handlers))
    with counted() as calls:
        for _ in llm.stream_chat([user("When does the ferry leave?")]):
            pass
    assert {name for name in MADE_TO_BE_TOLD if calls[name]} == (MADE_TO_BE_TOLD if heard else set())


def test_steps_never_go_back_to_the_server(make_llm: MakeLLM, emulator: Emulator) -> None:
    bot, other = make_llm("agent-chat", user="returns-steps"), make_llm("chat", user="other-of-steps")
    first = bot.chat([user(ASKED)]).message
    bot.chat([user(ASKED), first, user("And now?")])
    with pytest.warns(UserWarning, match="none of this bot"):
        other.chat([user(ASKED), first, user("And now?")])
    assert [body["query"] for body in sent(emulator, "returns-steps")] == [ASKED, "And now?"]
    (transcript,) = sent(emulator, "other-of-steps")
    assert transcript["query"] == f"user: {ASKED}\n\nassistant: {first.content}\n\nuser: And now?"
