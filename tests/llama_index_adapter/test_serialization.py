"""What leaves the process carries no key, but for a pickle, which says so."""

from __future__ import annotations

import json
import pickle
import traceback

import pytest
from llama_index.core.base.llms.types import ChatResponse

from llama_index_chatbots import Dify, DifyRetriever, GPTBotsRetriever, RemoteRetriever
from remote_chatbots import BotServerError, BotUsageError, Timeouts
from tests.llama_index_adapter.asking import AGAIN, QUESTION, MakeLLM, told, user
from tests.tracebacks import with_locals

KEY = "app-a-key-that-must-not-show"


def llm() -> Dify:
    return Dify(
        api_key=KEY,
        base_url="https://dify.example",
        user="anna",
        default_headers={"X-Gateway": "gateway-secret"},
        timeout=Timeouts(connect_s=1, silence_s=2, total_s=3),
    )


def test_a_dump_gives_an_equal_llm_whose_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFY_API_KEY", KEY)
    for again in (Dify.from_dict(json.loads(json.dumps(llm().to_dict()))), Dify.from_json(llm().to_json())):
        assert again.api_key.get_secret_value() == KEY
        assert (again.base_url, again.user) == ("https://dify.example", "anna")
        assert Timeouts.of(again.timeout) == Timeouts(1, 2, 3)
    monkeypatch.delenv("DIFY_API_KEY")
    assert Dify.from_dict(llm().to_dict(), api_key=KEY).api_key.get_secret_value() == KEY


@pytest.mark.parametrize(("kind", "variable"), [(DifyRetriever, "DIFY_API_KEY"), (GPTBotsRetriever, "GPTBOTS_API_KEY")])
def test_a_dump_gives_an_equal_retriever_whose_key_comes_from_the_environment(
    kind: type[RemoteRetriever], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = kind(api_key=KEY, base_url="https://bot.example", user="anna", k=2, default_headers={"X": "gateway-secret"})
    told = json.loads(json.dumps(made.to_dict()))
    assert KEY not in str(told)
    assert "gateway-secret" not in str(told)
    monkeypatch.setenv(variable, KEY)
    again = kind.from_dict(told)
    assert again.to_dict() == kind.from_dict(told, api_key=KEY).to_dict() == told
    assert again._llm.api_key.get_secret_value() == KEY
    monkeypatch.delenv(variable)
    with pytest.raises(BotUsageError, match=variable):
        kind.from_dict(told)


def test_a_pickle_carries_the_key_and_works(make_llm: MakeLLM) -> None:
    before = make_llm(timeout=5, inputs={"a": "b"}, stop=["x"])
    first = before.chat([user(QUESTION)])
    after = pickle.loads(pickle.dumps(before))
    assert after.to_dict() == before.to_dict()
    again = after.chat([user(QUESTION), first.message, user(AGAIN)])
    assert told(again)["conversation_id"] == told(first)["conversation_id"]


def test_a_response_of_a_stream_pickles_and_dumps_like_a_whole_one(make_llm: MakeLLM) -> None:
    for response in make_llm().stream_chat([user(QUESTION)]):
        again = pickle.loads(pickle.dumps(response))
        assert again == response
        assert ChatResponse.model_validate(response.model_dump()).message == again.message
        assert response.model_copy().message == again.message


def test_an_error_that_callbacks_have_marked_pickles(make_llm: MakeLLM) -> None:
    with pytest.raises(BotServerError) as caught:
        make_llm().chat([user("[[failmid]] Tell me")])
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.partial_text == caught.value.partial_text


@pytest.mark.parametrize(
    "fields",
    [{"timeout": object()}, {"max_retries": "many"}, {"inputs": KEY}, {"api_kye": KEY}, {"context_window": KEY}],
    ids=lambda fields: next(iter(fields)),
)
def test_a_wrong_field_is_named_and_no_value_is_shown(fields: dict[str, object]) -> None:
    with pytest.raises(BotUsageError) as caught:
        Dify(**{"api_key": KEY, **fields})
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
        Dify(**given)
    assert KEY not in with_locals(caught.value)
