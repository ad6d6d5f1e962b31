"""A model whose `steps` is False: nothing is told of what the bot does on its way, and all else is as it was."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda

from langchain_chatbots import RemoteChatMessageHistory, RemoteConversationLoader, sources
from remote_chatbots import FilledForm
from remote_chatbots.emulator import Cut, Emulator
from tests.langchain_adapter.asking import MakeBot, MakeModel, conversation, summed

ASKED = {"agent-chat": "What time is it? [[time]]", "advanced-chat": "When does the ferry leave?"}
kinds = pytest.mark.parametrize("kind", ASKED)


class Listener(BaseCallbackHandler):
    """Notes what begins below the model, and custom events."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_chain_start(self, *_: Any, name: str = "", **__: Any) -> None:
        self.heard.append(name)

    def on_tool_start(self, *_: Any, **__: Any) -> None:
        self.heard.append("tool")

    def on_custom_event(self, name: str, *_: Any, **__: Any) -> None:
        self.heard.append(name)


def types_of(message: Any) -> list[str]:
    return [block["type"] for block in message.content_blocks]


@kinds
@pytest.mark.parametrize("output_version", ["v0", "v1"])
async def test_answers_have_no_trace_of_steps(make_model: MakeModel, kind: str, output_version: str) -> None:
    model = make_model(kind, steps=False, output_version=output_version)
    asked = ASKED[kind]
    answers: list[Any] = [
        model.invoke(asked),
        await model.ainvoke(asked),
        make_model(kind, steps=False, output_version=output_version, streaming=False).invoke(asked),
        summed(list(model.stream(asked))),
        summed([chunk async for chunk in model.astream(asked)]),
        model.stream_events(asked, version="v3").output,
    ]
    told = make_model(kind).invoke(asked)
    for answer in answers:
        assert types_of(answer) == ["text"]
        assert "steps" not in answer.response_metadata
        assert answer.text[6:20] == told.text[6:20]
        assert len(sources(answer)) == len(sources(told))
    assert set(types_of(told)) != {"text"}


@kinds
def test_the_first_chunk_with_nothing_in_it_is_that_of_the_ids(make_model: MakeModel, kind: str) -> None:
    asked = ASKED[kind]
    told, untold = ([chunk.text for chunk in make_model(kind, steps=on).stream(asked)] for on in (True, False))
    assert untold[0] == ""
    assert untold[1]
    assert untold.count("") < told.count("")
    parsed = list((make_model(kind, steps=False) | StrOutputParser()).stream(asked))
    assert parsed[1]


@kinds
async def test_callbacks_hear_of_no_steps(make_model: MakeModel, kind: str) -> None:
    model, listener = make_model(kind, steps=False), Listener()
    asking = RunnableLambda(lambda question: model.invoke(question), name="asking")
    asking.invoke(ASKED[kind], {"callbacks": [listener]})
    await RunnableLambda(model.ainvoke, name="asking").ainvoke(ASKED[kind], {"callbacks": [listener]})
    assert listener.heard == ["asking", "asking"]


def test_what_the_server_keeps_is_read_without_them(make_model: MakeModel) -> None:
    told, untold = make_model("agent-chat"), make_model("agent-chat", steps=False)
    id_ = conversation(told.invoke(ASKED["agent-chat"]))
    for model, has_steps in ((told, True), (untold, False)):
        message = RemoteChatMessageHistory(model, conversation_id=id_).messages[-1]
        assert ("server_tool_call" in types_of(message)) is ("steps" in message.response_metadata) is has_steps
        (document,) = RemoteConversationLoader(model, [id_]).load()
        assert ("steps" in document.metadata["messages"][-1]) is has_steps


async def test_what_the_server_keeps_is_read_without_them_in_coroutines(make_model: MakeModel) -> None:
    model = make_model("agent-chat", steps=False)
    id_ = conversation(await model.ainvoke(ASKED["agent-chat"]))
    message = (await RemoteChatMessageHistory(model, conversation_id=id_).aget_messages())[-1]
    (document,) = [one async for one in RemoteConversationLoader(model, [id_]).alazy_load()]
    assert "steps" not in {**message.response_metadata, **document.metadata["messages"][-1]}


@pytest.mark.parametrize("kind", ["agent-chat", "advanced-chat"])
async def test_a_lost_answer_is_fetched_all_the_same(emulator: Emulator, make_model: MakeModel, kind: str) -> None:
    model = make_model(kind, steps=False, on_break="recover")
    for ask in (model.invoke, model.ainvoke):
        emulator.faults.add(Cut(after_bytes=2000), path="/v1/chat-messages")
        came = ask("When does the ferry leave?")
        answer = came if isinstance(came, AIMessage) else await came
        assert "The ferry to Gull Island leaves from pier 3" in answer.text
        assert (types_of(answer), "steps" in answer.response_metadata) == (["text"], False)


def test_the_rest_of_a_paused_turn_has_none(make_model: MakeModel) -> None:
    model = make_model("advanced-chat-form", steps=False)
    paused = model.invoke("Write to the harbour master.")
    told = paused.response_metadata
    form = FilledForm(told["input_required"][0]["form_token"], told["workflow_run_id"], "approve", {"comment": "Fine."})
    for answer in (paused, model.invoke([paused], filled_form=form)):
        assert (types_of(answer), "steps" in answer.response_metadata) == (["text"], False)


@pytest.mark.parametrize("platform", ["dify", "gptbots"])
def test_both_platforms_have_the_switch(make_bot: MakeBot, platform: str) -> None:
    assert make_bot(platform).steps is True
    answer = make_bot(platform, steps=False).invoke(ASKED["agent-chat"])
    assert (types_of(answer), "steps" in answer.response_metadata) == (["text"], False)


def test_a_chatflows_answer_is_a_fraction_of_its_size(make_model: MakeModel) -> None:
    asked = ASKED["advanced-chat"]
    with_steps, without = (len(dumps(make_model("advanced-chat", steps=on).invoke(asked))) for on in (True, False))
    assert without < with_steps / 3
