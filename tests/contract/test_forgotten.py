"""A conversation that the server has forgotten: an error, or by choice a new one, and told either way."""

from __future__ import annotations

import asyncio
import functools
import operator
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from llama_index.core.llms import ChatMessage

from langchain_chatbots import ChatDify, ChatGPTBots
from llama_index_chatbots import Dify, GPTBots
from remote_chatbots import Attachment, BotClient, BotNotFoundError, DifyApp, GPTBotsAgent, Question, Started
from remote_chatbots.emulator import Emulator

GONE = {"dify": "0b8e2b9e-0000-4000-8000-000000000000", "gptbots": "0" * 24}
OLD = "Pier 3 at nine."


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


@pytest.fixture(params=["dify", "gptbots"])
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(kinds: dict[str, Any], platform: str, emulator: Emulator, *, app: str = "chat", **more: Any) -> Any:
    server = {"dify": (emulator.key(app), emulator.dify_url), "gptbots": (emulator.gptbots_key, emulator.gptbots_url)}
    key, url = server[platform]
    return kinds[platform](api_key=key, base_url=url, user="anna", **more)


def chat(platform: str, emulator: Emulator, **more: Any) -> Any:
    return made({"dify": ChatDify, "gptbots": ChatGPTBots}, platform, emulator, **more)


def history(model: Any, platform: str) -> list[Any]:
    told = {"bot": model._own_bot_id(), "conversation_id": GONE[platform]}
    return [
        HumanMessage("When does it leave?"),
        AIMessage(OLD, response_metadata=told),
        HumanMessage("[[echo]] Where?"),
    ]


def in_every_way(model: Any, messages: list[Any]) -> list[Any]:
    async def of_a_loop() -> list[Any]:
        streamed = [chunk async for chunk in model.astream(messages)]
        return [await model.ainvoke(messages), functools.reduce(operator.add, streamed)]

    streamed = functools.reduce(operator.add, list(model.stream(messages)))
    return [model.invoke(messages), streamed, *asyncio.run(of_a_loop())]


def test_a_forgotten_conversation_is_an_error(platform: str, emulator: Emulator) -> None:
    model = chat(platform, emulator)
    with pytest.raises(BotNotFoundError) as caught:
        model.invoke(history(model, platform))
    assert caught.value.http_status == 404


@pytest.mark.filterwarnings("ignore:The server does not know the conversation:UserWarning")
def test_by_choice_a_new_one_is_begun_with_what_the_history_tells(platform: str, emulator: Emulator) -> None:
    model = chat(platform, emulator, on_missing="restart")
    for answer in in_every_way(model, history(model, platform)):
        assert f"user: When does it leave?\n\nassistant: {OLD}\n\nuser: " in answer.content
        told = answer.response_metadata
        assert told["conversation_replaced"] == GONE[platform]
        assert told["conversation_id"] not in ("", GONE[platform])
        following = [*history(model, platform), answer, HumanMessage("[[echo]] And then?")]
        second = model.invoke(following)
        assert second.response_metadata["conversation_id"] == told["conversation_id"]
        assert "conversation_replaced" not in second.response_metadata
        assert "assistant" not in second.content


def test_who_is_answered_in_another_conversation_is_warned(platform: str, emulator: Emulator) -> None:
    model = chat(platform, emulator, on_missing="restart")
    with pytest.warns(UserWarning, match="does not know the conversation"):
        model.invoke(history(model, platform))


@pytest.mark.filterwarnings("ignore:The server does not know the conversation:UserWarning")
def test_llama_index_begins_a_new_one_as_well(platform: str, emulator: Emulator) -> None:
    llm = made({"dify": Dify, "gptbots": GPTBots}, platform, emulator, on_missing="restart")
    told = {"bot": llm._own_bot_id(), "conversation_id": GONE[platform]}
    messages = [
        ChatMessage(role="user", content="When does it leave?"),
        ChatMessage(role="assistant", content=OLD, additional_kwargs=told),
        ChatMessage(role="user", content="[[echo]] Where?"),
    ]

    for response in (llm.chat(messages), asyncio.run(llm.achat(messages))):
        assert f"assistant: {OLD}" in str(response.message.content)
        assert response.message.additional_kwargs["conversation_replaced"] == GONE[platform]


def test_a_forgotten_question_is_asked_once_in_the_new_conversation(emulator: Emulator) -> None:
    before = len(emulator.requests)
    question = Question("Hi", user="anna", conversation_id=GONE["dify"], instead=Question("Hi again", user="anna"))
    with BotClient(DifyApp(emulator.dify_key, emulator.dify_url)) as client:
        assert client.ask(question).conversation_id != GONE["dify"]
    asked = [request.body["query"] for request in emulator.requests[before:]]
    assert asked == ["Hi", "Hi again"]


def test_what_is_asked_instead_is_made_only_where_the_server_has_forgotten(platform: str, emulator: Emulator) -> None:
    made_instead: list[Question] = []

    def instead() -> Question:
        made_instead.append(Question("Hi again", user="anna"))
        return made_instead[-1]

    kind = {"dify": DifyApp, "gptbots": GPTBotsAgent}
    server = {"dify": (emulator.dify_key, emulator.dify_url), "gptbots": (emulator.gptbots_key, emulator.gptbots_url)}
    with BotClient(kind[platform](*server[platform])) as client:
        known = client.ask("Hi", user="anna").conversation_id
        told = client.ask(Question("And?", user="anna", conversation_id=known, instead=instead))
        assert (told.conversation_id, made_instead) == (known, [])
        with client.stream(Question("And?", user="anna", conversation_id=GONE[platform], instead=instead)) as events:
            begun = [event for event in events if isinstance(event, Started) and event.conversation_id]
    assert [(event.begun_anew, event.asked_in) for event in begun] == [("forgotten", GONE[platform])]
    assert len(made_instead) == 1


def test_files_and_inputs_of_a_call_go_into_the_new_conversation(platform: str, emulator: Emulator) -> None:
    model = chat(platform, emulator, app="chat-image", on_missing="restart")
    picture = Attachment("image", url="https://x.example.com/map.png")
    before = len(emulator.requests)
    with pytest.warns(UserWarning, match="does not know the conversation"):
        model.invoke(history(model, platform), files=[picture], inputs={"guest": "Anna"})
    asked = [one.body for one in emulator.requests[before:] if isinstance(one.body, dict) and "guest" in str(one.body)]
    assert ["map.png" in str(body) for body in asked] == [True, True]


def test_an_address_without_the_call_is_no_forgotten_conversation(emulator: Emulator) -> None:
    url = emulator.dify_url.replace("/v1", "/elsewhere/v1")
    question = Question("Hi", user="anna", conversation_id="c", instead=Question("Hi", user="anna"))
    with BotClient(DifyApp(emulator.dify_key, url)) as client, pytest.raises(BotNotFoundError, match="base_url"):
        client.ask(question)
