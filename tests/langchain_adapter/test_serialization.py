"""What leaves the process carries no key, but for a pickle, which says so."""

from __future__ import annotations

import json
import pickle
import traceback
from typing import Any

import pytest
from langchain_core.load import dumpd, dumps, load
from langchain_core.messages import AIMessage

from langchain_chatbots import ChatDify, ChatGPTBots, DifyRetriever, GPTBotsRetriever
from remote_chatbots import BotUsageError, Timeouts
from tests.langchain_adapter.asking import MakeModel, summed
from tests.tracebacks import with_locals

KEY = "app-a-key-that-must-not-show"


def model(kind: type[Any] = ChatDify) -> Any:
    return kind(
        api_key=KEY,
        base_url="https://dify.example",
        user="anna",
        default_headers={"X-Gateway": "gateway-secret"},
        timeout=Timeouts(connect_s=1, silence_s=2, total_s=3),
    )


@pytest.mark.parametrize("kind", [ChatDify, ChatGPTBots, DifyRetriever, GPTBotsRetriever])
def test_dumpd_and_load_give_an_equal_object_whose_key_comes_from_the_environment(
    kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = model(kind)
    variable = made.lc_secrets["api_key"]
    dumped = json.loads(json.dumps(dumpd(made)))
    assert (dumped["type"], dumped["kwargs"]["api_key"]["id"]) == ("constructor", [variable])
    assert dumped["id"] == ["langchain_chatbots", kind.__name__]
    assert KEY not in str(dumped)
    assert "gateway-secret" not in str(dumped)
    monkeypatch.setenv(variable, KEY)
    again = load(dumped, allowed_objects=[kind], valid_namespaces=["langchain_chatbots"], secrets_from_env=True)
    assert type(again) is kind
    assert again.api_key.get_secret_value() == KEY
    assert (again.base_url, again.user) == ("https://dify.example", "anna")
    assert Timeouts.of(again.timeout) == Timeouts(1, 2, 3)
    assert dumpd(again) == dumpd(made)


def test_a_pickle_carries_the_key_and_works(make_model: MakeModel) -> None:
    before = make_model()
    first = before.invoke("When does the ferry leave?")
    after = pickle.loads(pickle.dumps(before))
    assert after.api_key.get_secret_value() == before.api_key.get_secret_value()
    again = after.invoke([first, ("human", "What did I ask first?")])
    assert "When does the ferry leave?" in again.text


@pytest.mark.parametrize(
    "fields",
    [{"timeout": object()}, {"max_retries": "many"}, {"inputs": KEY}, {"api_kye": KEY}, {"coalesce": {"a": KEY}}],
    ids=lambda fields: next(iter(fields)),
)
def test_a_wrong_field_is_named_and_no_value_is_shown(fields: dict[str, object]) -> None:
    with pytest.raises(BotUsageError) as caught:
        ChatDify(**{"api_key": KEY, **fields})
    rendered = "".join(traceback.format_exception(caught.value))
    assert next(iter(fields)) in str(caught.value)
    assert KEY not in f"{caught.value!s} {caught.value!r} {rendered} {vars(caught.value)}"
    assert caught.value.__context__ is None or KEY not in repr(caught.value.__context__)


@pytest.mark.parametrize(
    "fields", [{"base_url": "nowhere"}, {"api_key": f"{KEY} {KEY}"}, {"usr": "x"}, {"timeout": -1}]
)
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_no_local_of_ours_shows_the_key_where_a_field_is_wrong(
    fields: dict[str, object], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"api_key": KEY, **fields}
    if way == "environment":
        monkeypatch.setenv("DIFY_API_KEY", str(given.pop("api_key")))
    with pytest.raises(BotUsageError) as caught:
        ChatDify(**given)
    assert KEY not in with_locals(caught.value)


def test_an_answer_survives_json(make_model: MakeModel) -> None:
    answer = make_model().invoke("When does the ferry leave?")
    again = load(json.loads(dumps(answer)), allowed_objects=[AIMessage])
    assert again == answer
    chunks = list(make_model().stream("When does the ferry leave?"))
    assert json.loads(dumps(chunks[0]))["id"][-1] == "AIMessageChunk"
    assert load(json.loads(dumps(summed(chunks))), allowed_objects="core").content == answer.content
