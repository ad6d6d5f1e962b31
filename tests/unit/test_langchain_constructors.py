"""What type checkers are told of a constructor is what it takes."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

import langchain_chatbots
from langchain_chatbots import ChatDify, ChatGPTBots, RemoteModelSettings
from langchain_chatbots.chat_models import ChatDifyArguments, ChatGPTBotsArguments


@pytest.mark.parametrize(("model", "arguments"), [(ChatDify, ChatDifyArguments), (ChatGPTBots, ChatGPTBotsArguments)])
def test_a_constructors_signature_names_every_field_and_no_other(
    model: type[RemoteModelSettings], arguments: Any
) -> None:
    fields = model.model_fields
    taken = {*fields, *(field.alias for field in fields.values() if field.alias), "model"}

    assert set(arguments.__annotations__) == taken - {"api_key"}


@pytest.mark.parametrize("arguments", [ChatDifyArguments, ChatGPTBotsArguments])
def test_the_types_of_a_signature_exist(arguments: Any) -> None:
    assert get_type_hints(arguments)


def test_what_docstrings_refer_to_can_be_imported() -> None:
    assert issubclass(langchain_chatbots.RemoteChatModel, langchain_chatbots.RemoteModelSettings)
    assert set(langchain_chatbots.__all__) <= set(dir(langchain_chatbots))


def test_a_trace_tells_this_packages_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_API_KEY", "app-x")

    told = ChatDify(metadata={"team": "harbour"}).metadata

    assert told is not None
    assert told["team"] == "harbour"
    assert told["lc_versions"]["remote-chatbots"] == langchain_chatbots.__version__
    assert "langchain-core" in told["lc_versions"]


def test_a_field_that_is_changed_counts_from_the_next_turn_on() -> None:
    model = ChatDify(api_key="app-x", base_url="http://127.0.0.1:1", user="anna", default_headers={"X-Team": "harbour"})
    first, id_ = model._known_bot(), model._own_bot_id()
    assert model._known_bot() is first

    model.user = "ben"  # no part of the bot: what it has learnt stays
    assert model._known_bot() is first
    model.default_headers["X-Team"] = "lighthouse"
    second = model._known_bot()
    assert (second.headers, second.bot_id) == ({"X-Team": "lighthouse"}, id_)
    model.api_key = SecretStr("app-y")
    assert model._known_bot().api_key == "app-y"
    assert model._own_bot_id() != id_


class Column:
    """A value that compares as columns of numbers do: element by element, and then is neither true nor false."""

    def __eq__(self, other: object) -> Any:
        return self

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")


def test_a_field_that_cannot_be_compared_is_taken_for_a_changed_one() -> None:
    model = ChatDify(api_key="app-x", base_url="http://127.0.0.1:1", user="anna")
    bot = model._known_bot()
    for _ in range(2):
        model.inputs = {"levels": Column()}
        assert model._known_bot() is bot


def test_a_copy_with_other_fields_leaves_the_originals_bot_and_clients_alone() -> None:
    model = ChatDify(api_key="app-x", base_url="http://127.0.0.1:1", user="anna")
    bot, client = model._known_bot(), model._sync_client()
    other = model.model_copy(update={"timeout": 7, "user": "ben"})
    strange = model.model_copy(update={"base_url": "http://127.0.0.1:2"})

    assert other._known_bot() is bot
    assert other._sync_client().timeouts.silence_s == 7
    assert strange._own_bot_id() != model._own_bot_id()
    assert strange._sync_client().bot is strange._known_bot()
    assert (model._known_bot(), model._sync_client()) == (bot, client)


class Identified(ChatDify):
    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {**super()._identifying_params, "desk": "ferry"}


class AsDict(ChatDify):
    def asdict(self) -> dict[str, Any]:
        return {**super().asdict(), "desk": "ferry"}


class OldAsDict(ChatDify):
    def dict(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().dict(**kwargs), "desk": "ferry"}


@pytest.mark.parametrize("kind", [ChatDify, ChatGPTBots, Identified, AsDict, OldAsDict])
def test_a_call_is_told_to_traces_as_langchain_tells_it(kind: type[RemoteModelSettings]) -> None:
    model = kind(api_key="app-x", base_url="http://127.0.0.1:1", user="anna")
    call = {"stop": ["\n"], "user": "ben", "model": "desk"}

    told = model._get_invocation_params(**call)

    assert told == BaseChatModel._get_invocation_params(model, **call)
    assert (told["stop"], told["user"], told["_type"]) == (["\n"], "ben", model._llm_type)
    assert told.get("desk") == (None if kind in (ChatDify, ChatGPTBots) else "ferry")
