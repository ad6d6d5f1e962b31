"""What a chat model knows of its app: nothing unless it is asked to find out, and then it makes use of it."""

from __future__ import annotations

import pickle
from collections.abc import Awaitable, Callable

import pytest
from langchain_core.exceptions import ModelConnectionError, ModelInvalidRequestError
from langchain_core.load import dumpd
from langchain_core.messages import HumanMessage
from pydantic import ValidationError

from langchain_chatbots import ChatDify, RemoteChatModel
from langchain_chatbots._profile import ALWAYS
from remote_chatbots import BotConnectError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import PLATFORMS, MakeBot, MakeModel

QUESTION = "When does the ferry leave?"
Discovered = Callable[[RemoteChatModel], Awaitable[RemoteChatModel]]


@pytest.fixture(params=["discover", "adiscover"])
def discovered(request: pytest.FixtureRequest) -> Discovered:
    """`await discovered(model)` is the model, which has asked its app."""

    async def ask(model: RemoteChatModel) -> RemoteChatModel:
        return model.discover() if request.param == "discover" else await model.adiscover()

    return ask


def paths(emulator: Emulator, before: int) -> list[str]:
    return [request.path.removeprefix("/gptbots") for request in emulator.requests[before:]]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_nothing_is_asked_unless_the_model_is_told_to_find_out(
    emulator: Emulator, make_bot: MakeBot, discovered: Discovered, platform: str
) -> None:
    before, model = len(emulator.requests), make_bot(platform)
    assert model.profile == ALWAYS
    assert set(model.as_tool().args) == {"question"}
    assert (model.learned.info, emulator.requests[before:]) == (None, [])

    assert await discovered(model) is model
    asked = {"dify": ["/v1/parameters", "/v1/info"], "gptbots": ["/v1/bot/detail"] * 2}
    assert paths(emulator, before) == asked[platform]
    assert model.learned.info is not None
    assert model.profile is not None
    assert model.profile["name"] == model.learned.info.name == {"dify": "chat", "gptbots": "gptbots"}[platform]
    assert model.profile["tool_calling"] is False

    _ = model.profile, model.as_tool(), model.learned, repr(model), dumpd(model)
    assert len(paths(emulator, before)) == 2


async def test_the_profile_says_what_the_app_takes(make_model: MakeModel, discovered: Discovered) -> None:
    model = await discovered(make_model())
    assert model.profile == {
        **ALWAYS,
        "name": "chat",
        "attachment": False,
        "image_inputs": False,
        "image_url_inputs": False,
        "audio_inputs": False,
        "video_inputs": False,
        "pdf_inputs": False,
        "audio_outputs": False,
    }


async def test_a_profile_that_was_given_rules(make_model: MakeModel, discovered: Discovered) -> None:
    model = make_model(profile={"name": "Harbour", "max_input_tokens": 5})
    assert model.profile == {"name": "Harbour", "max_input_tokens": 5}
    profile = (await discovered(model)).profile or {}
    assert (profile["name"], profile["max_input_tokens"], profile["audio_outputs"]) == ("Harbour", 5, False)


@pytest.mark.parametrize("given", [{}, {"profile": {"name": "Harbour"}}], ids=["no profile", "a profile"])
async def test_what_was_found_out_is_not_carried_elsewhere(
    make_model: MakeModel, discovered: Discovered, given: dict[str, object]
) -> None:
    model = make_model(**given)
    as_it_was = model.profile
    again = pickle.loads(pickle.dumps(await discovered(model)))
    assert again.profile == as_it_was != model.profile
    assert (again.learned.parameters, again.learned.info) == (None, None)
    assert "harbour-office" not in str(dumpd(model))


async def test_a_tool_takes_what_the_apps_form_asks_for(
    emulator: Emulator, make_model: MakeModel, discovered: Discovered
) -> None:
    model = await discovered(make_model("chat-required"))
    tool = model.as_tool()
    assert tool.description == "Answers questions of visitors to Saltmouth"
    assert set(tool.args) == {"question", "city", "tone"}
    assert tool.args["city"]["maxLength"] == 8
    for wrong in ({}, {"city": "far too long"}, {"city": "Bergen", "tone": "loud"}):
        with pytest.raises(ValidationError):
            tool.invoke({"question": QUESTION, **wrong})

    before = len(emulator.requests)
    assert tool.invoke({"question": QUESTION, "city": "Bergen"})
    assert await tool.ainvoke({"question": QUESTION, "city": "Bergen", "tone": "brief"})
    sent = [request.body["inputs"] for request in emulator.requests[before:] if isinstance(request.body, dict)]
    assert sent == [{"city": "Bergen"}, {"city": "Bergen", "tone": "brief"}]


def test_a_tools_arguments_have_the_types_and_the_defaults_of_the_form(
    emulator: Emulator, make_model: MakeModel
) -> None:
    tool = make_model("advanced-chat-booking").discover().as_tool(name="book")
    assert tool.get_input_jsonschema()["required"] == ["question", "guest", "party"]
    assert (tool.args["room"]["enum"], tool.args["room"]["default"]) == (["single", "double"], "double")
    before = len(emulator.requests)
    assert tool.invoke({"question": QUESTION, "guest": "Ann", "party": 2})
    (asked,) = emulator.requests[before:]
    assert isinstance(asked.body, dict)
    assert asked.body["inputs"] == {"guest": "Ann", "party": 2, "room": "double"}


def test_a_tool_does_not_ask_for_what_the_model_fills_itself(make_model: MakeModel) -> None:
    model = make_model("chat-required", inputs={"city": "Bergen"}, system_input="tone").discover()
    tool = model.as_tool(description="Knows the ferry.")
    assert (set(tool.args), tool.description) == ({"question"}, "Knows the ferry.")
    assert tool.invoke({"question": QUESTION})
    assert set(model.as_tool(arg_types={"tone": str}).args) == {"question", "tone"}


@pytest.mark.parametrize("kind", ["chat-required", "advanced-chat-required"])
async def test_inputs_that_do_not_fit_are_refused_before_they_are_sent(
    emulator: Emulator, make_model: MakeModel, discovered: Discovered, kind: str
) -> None:
    model = await discovered(make_model(kind))
    before = len(emulator.requests)
    with pytest.raises(BotUsageError, match="dify: inputs: city is required, and missing") as caught:
        model.invoke(QUESTION)
    assert isinstance(caught.value, ModelInvalidRequestError)
    with pytest.raises(BotUsageError, match="city has 12 characters, and at most 8 are taken"):
        async for _ in model.astream(QUESTION, inputs={"city": "far too long"}):
            pass
    assert paths(emulator, before) == []
    first = await model.ainvoke(QUESTION, inputs={"city": "Bergen"})
    with pytest.raises(BotUsageError, match="with every turn"):
        model.invoke([HumanMessage(QUESTION), first, HumanMessage("And on Sundays?")])


def test_a_model_that_is_changed_knows_nothing_of_its_new_app(emulator: Emulator, make_model: MakeModel) -> None:
    model = make_model("chat-required").discover()
    other = model.model_copy(update={"api_key": make_model("chat").api_key})
    assert (model.learned.info, other.learned.info) != (None, None)
    assert other.learned.info is None
    assert other.profile == ALWAYS != model.profile
    assert model.model_copy(update={"model_name": "other"}).profile == model.profile
    assert other.invoke(QUESTION).text


async def test_a_server_that_cannot_be_asked_is_an_error_of_both_trees(discovered: Discovered) -> None:
    model = ChatDify(api_key="app-x", base_url="http://127.0.0.1:1", user="anna", max_retries=0)
    with pytest.raises(BotConnectError) as caught:
        await discovered(model)
    assert isinstance(caught.value, ModelConnectionError)
    assert model.profile == ALWAYS


def test_a_dify_of_2023_tells_its_form_and_not_who_it_is() -> None:
    with Emulator("2023", token_delay_s=0) as emulator:
        model = ChatDify(api_key=emulator.key("chat-required"), base_url=emulator.dify_url, user="anna").discover()
        assert model.learned.info is None
        assert set(model.as_tool().args) == {"question", "city", "tone"}
        assert "name" not in (model.profile or {})
