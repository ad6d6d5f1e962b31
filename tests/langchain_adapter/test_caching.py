"""LangChain's cache, for those who switch it on: one person's answer to one question in one place, without its ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage

from langchain_chatbots import ChatDify
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import MakeModel, conversation

QUESTION = "When does the ferry leave?"
IDS = {"conversation_id", "message_id", "task_id", "workflow_run_id"}


@pytest.fixture
def _cache() -> Iterator[None]:
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


pytestmark = pytest.mark.usefixtures("_cache")


def is_a_hit(answer: AIMessage) -> bool:
    return "conversation_id" not in answer.response_metadata


@pytest.mark.parametrize("output_version", [None, "v1"])
@pytest.mark.parametrize("fields", [{}, {"streaming": True}, {"streaming": False}], ids=str)
async def test_a_cached_answer_is_the_answer_without_its_ids(
    emulator: Emulator, make_model: MakeModel, fields: dict[str, Any], output_version: str | None
) -> None:
    model = make_model("advanced-chat", cache=True, output_version=output_version, **fields)
    first = model.invoke(QUESTION)
    before = len(emulator.requests)
    for again in (model.invoke(QUESTION), await model.ainvoke(QUESTION), model.batch([QUESTION])[0]):
        assert again.content == first.content
        assert again.id is None
        assert set(first.response_metadata) - set(again.response_metadata) == IDS & set(first.response_metadata)
        assert again.response_metadata["retriever_resources"]
    assert len(emulator.requests) == before
    assert first.response_metadata["conversation_id"]
    assert first.id == first.response_metadata["message_id"]


async def test_what_was_asked_in_async_code_is_found_in_sync_code_and_in_a_cache_of_ones_own(
    make_model: MakeModel,
) -> None:
    cache = InMemoryCache()
    model = make_model(cache=cache)
    assert not is_a_hit(await model.ainvoke(QUESTION))
    assert is_a_hit(await model.ainvoke(QUESTION))
    assert is_a_hit(model.invoke(QUESTION))
    assert not is_a_hit(make_model(cache=True).invoke(QUESTION))


def test_only_the_same_person_in_the_same_place_is_answered_from_the_cache(make_model: MakeModel) -> None:
    model = make_model(cache=True)
    begun = conversation(model.invoke(QUESTION))
    assert is_a_hit(model.invoke(QUESTION))
    elsewhere: dict[str, dict[str, Any]] = {
        "user": {"user": "bob"},
        "inputs": {"inputs": {"guest": "Ola"}},
        "conversation": {"conversation_id": begun},
        "stop": {"stop": ["9"]},
        "name": {"auto_generate_name": False},
    }
    for name, given in elsewhere.items():
        assert not is_a_hit(model.invoke(QUESTION, **given)), name
        assert is_a_hit(model.invoke(QUESTION, **given)), name
    configured = {"configurable": {"user": "carol"}}
    assert not is_a_hit(model.invoke(QUESTION, configured))
    assert is_a_hit(model.invoke(QUESTION, configured))


@pytest.mark.parametrize(
    "changed", [{"user": "bob"}, {"inputs": {"guest": "Ola"}}, {"system_input": "x"}, {"bot_id": "another"}], ids=str
)
def test_a_copy_of_a_model_that_differs_is_not_answered_from_its_cache(
    make_model: MakeModel, changed: dict[str, Any]
) -> None:
    model = make_model(cache=True)
    model.invoke(QUESTION)
    assert is_a_hit(model.model_copy().invoke(QUESTION))
    assert not is_a_hit(model.model_copy(update=changed).invoke(QUESTION))
    for name, value in changed.items():
        setattr(model, name, value)
    assert is_a_hit(model.invoke(QUESTION))


def test_another_apps_key_is_not_answered_from_the_cache(emulator: Emulator, make_model: MakeModel) -> None:
    make_model("chat", cache=True).invoke(QUESTION)
    assert not is_a_hit(make_model("agent-chat", cache=True).invoke(QUESTION))
    assert is_a_hit(make_model("chat", cache=True).invoke(QUESTION))


def test_nobody_goes_on_with_the_conversation_of_a_cached_answer(make_model: MakeModel) -> None:
    model = make_model(cache=True)
    begun = model.invoke(QUESTION)
    cached = model.invoke(QUESTION)
    after = model.invoke([HumanMessage(QUESTION), cached, HumanMessage("What did I ask first?")])
    assert conversation(after) != conversation(begun)


def test_the_key_of_the_cache_is_not_the_key_of_the_app(make_model: MakeModel) -> None:
    model = make_model(cache=True, default_headers={"X-Gateway": "gateway-secret"})
    text = model._get_llm_string(user="bob")
    assert isinstance(model, ChatDify)
    assert model.api_key.get_secret_value() not in text
    assert "gateway-secret" not in text
