"""Bad input and bad answers: a typed error that says what to do, of ours and of LangChain's at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from langchain_core.exceptions import (
    ModelAuthenticationError,
    ModelConnectionError,
    ModelInvalidRequestError,
    ModelNotFoundError,
)
from langchain_core.messages import HumanMessage

from langchain_chatbots import ChatDify, RemoteChatMessageHistory, RemoteConversationLoader
from remote_chatbots import (
    BotAuthError,
    BotConnectError,
    BotNotFoundError,
    BotRejectedError,
    BotServerError,
    BotUsageError,
)
from remote_chatbots.emulator import Emulator
from remote_chatbots.platforms.dify.options import DifyOptions
from tests.langchain_adapter.asking import KINDS, MakeModel

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIFY_API_KEY", "DIFY_BASE_URL", "DIFY_API_BASE", "DIFY_USER"):
        monkeypatch.delenv(name, raising=False)


def test_no_key_anywhere_names_both_ways_to_give_one() -> None:
    with pytest.raises(BotUsageError, match=r"api_key.*DIFY_API_KEY"):
        ChatDify(user="anna")


def test_no_user_anywhere_names_all_the_ways_to_give_one(emulator: Emulator) -> None:
    model = ChatDify(api_key=emulator.dify_key, base_url=emulator.dify_url)
    with pytest.raises(BotUsageError) as caught:
        model.invoke("Hello")
    for way in ("user=", "bind(", "configurable", "constructor", "DIFY_USER"):
        assert way in str(caught.value)
    assert isinstance(caught.value, ModelInvalidRequestError)


def _model() -> ChatDify:
    return ChatDify(api_key="app-x", base_url="http://127.0.0.1:1", user="anna")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ChatDify(user="anna"),
        lambda: ChatDify(api_ky="app-x"),  # type: ignore[call-arg]
        lambda: ChatDify(api_key="app-x", max_retries="many"),  # type: ignore[arg-type]
        lambda: ChatDify(api_key="app-x", base_url="none"),
        lambda: DifyOptions(workflow_id=1),  # type: ignore[arg-type]
        lambda: DifyOptions(auto_generate_name=1),  # type: ignore[arg-type]
        lambda: DifyOptions(trace_id="a b"),
        lambda: DifyOptions().with_those_of({"short_term_memory": True}),
        lambda: RemoteChatMessageHistory(_model(), conversation_id="c", session_id="s"),
        lambda: RemoteChatMessageHistory(_model(), conversation_id="c", last=0),
        lambda: RemoteConversationLoader(_model(), per="word"),  # type: ignore[arg-type]
    ],
)
def test_a_refusal_that_begins_with_the_platform_names_it_as_a_field_too(wrong: Callable[[], object]) -> None:
    with pytest.raises(BotUsageError, match=r"^dify: ") as caught:
        wrong()
    assert caught.value.platform == "dify"


@pytest.mark.parametrize("question", ["", "  \n ", [HumanMessage("")], [HumanMessage([])]])
def test_an_empty_question_is_not_sent(emulator: Emulator, make_model: MakeModel, question: object) -> None:
    before = len(emulator.requests)
    with pytest.raises(BotUsageError, match=r"^dify: .*empty"):
        make_model().invoke(question)  # type: ignore[arg-type]
    assert len(emulator.requests) == before


@pytest.mark.parametrize(
    "url",
    ["dify.example", "ftp://dify.example", "http://", "https://a b/v1", "https://u:p@host/v1", "http://h:99999/v1"],
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(BotUsageError, match="base_url"):
        ChatDify(api_key="app-x", base_url=url)


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/v1/chat-messages"])
def test_the_address_may_be_written_as_people_write_it(emulator: Emulator, make_model: MakeModel, suffix: str) -> None:
    host = emulator.dify_url.removesuffix("/v1")
    assert make_model(base_url=host + suffix).invoke("[[echo]]hello").text


@pytest.mark.parametrize(
    ("name", "near"), [("usr", "user"), ("conversationid", "conversation_id"), ("max_retrys", "max_retries")]
)
def test_a_misspelt_field_names_the_nearest(name: str, near: str) -> None:
    with pytest.raises(BotUsageError, match=f"{name} is no argument.*Did you mean {near}"):
        ChatDify(api_key="app-x", **{name: "x"})


@pytest.mark.parametrize(("name", "near"), [("usr", "user"), ("conversation", "conversation_id"), ("imputs", "inputs")])
async def test_a_misspelt_argument_of_a_call_names_the_nearest(make_model: MakeModel, name: str, near: str) -> None:
    model = make_model()
    for ask in (lambda: model.invoke("Hi", **{name: "x"}), lambda: list(model.stream("Hi", **{name: "x"}))):
        with pytest.raises(BotUsageError, match=f"{name} is no argument.*Did you mean {near}"):
            ask()
    with pytest.raises(BotUsageError, match=name):
        await model.ainvoke("Hi", **{name: "x"})


def test_temperature_and_max_tokens_are_accepted_and_not_sent(emulator: Emulator, make_model: MakeModel) -> None:
    make_model(temperature=0.5, max_tokens=5).invoke("Hello", temperature=1, max_tokens=2, model="label")
    body = emulator.requests[-1].body
    assert isinstance(body, dict)
    assert set(body) == {"inputs", "query", "response_mode", "conversation_id", "user"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_key_is_an_authentication_error(make_model: MakeModel, kind: str) -> None:
    model = make_model(kind, api_key="app-wrong")
    with pytest.raises(BotAuthError) as caught:
        model.invoke("Hello")
    assert isinstance(caught.value, ModelAuthenticationError)
    assert not caught.value.is_retryable
    assert "app-wrong" not in str(caught.value)


@pytest.mark.parametrize("kind", ["chat", "agent-chat"])
def test_an_unknown_conversation_is_not_found(make_model: MakeModel, kind: str) -> None:
    with pytest.raises(BotNotFoundError) as caught:
        make_model(kind).invoke("Hello", conversation_id=UNKNOWN)
    assert isinstance(caught.value, ModelNotFoundError)
    assert caught.value.code == "not_found"


def test_a_conversation_id_that_is_none_is_rejected(make_model: MakeModel) -> None:
    with pytest.raises(BotRejectedError, match="UUID"):
        make_model().invoke("Hello", conversation_id="abc")


def test_a_required_input_that_is_missing_is_named(make_model: MakeModel) -> None:
    with pytest.raises(BotRejectedError, match="city is required"):
        make_model("chat-required").invoke("Hello")
    assert make_model("chat-required").invoke("[[echo]]hi", inputs={"city": "Oslo", "tone": "brief"}).text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("inputs", value) for value in ([], ["a"], "city", 5)],
        *[("files", value) for value in (1, "a.png", {}, [1], ["a.png"])],
        *[("user", value) for value in (5, {"id": 1}, "\ud800")],
        *[("conversation_id", value) for value in (5, ["x"], "\ud800")],
        *[("stop", value) for value in ("abc", [1], 5)],
        ("stop_sequences", "abc"),
        ("model", 5),
        ("workflow_id", 5),
    ],
)
async def test_what_is_no_value_for_an_argument_is_refused_by_its_name(
    emulator: Emulator, make_model: MakeModel, name: str, value: object
) -> None:
    model, before = make_model(), len(emulator.requests)
    with pytest.raises(BotUsageError, match="^dify: stop" if name == "stop_sequences" else f"^dify: {name}"):
        model.invoke("Hello", **{name: value})
    with pytest.raises(BotUsageError, match=name.partition("_s")[0]):
        [_ async for _ in model.astream("Hello", **{name: value})]
    if name in ("user", "conversation_id", "inputs", "files"):
        with pytest.raises(BotUsageError, match=name):
            await model.ainvoke("Hello", {"configurable": {name: value}})
    assert len(emulator.requests) == before


@pytest.mark.parametrize("name", ["top_p", "seed", "presence_penalty"])
def test_what_the_app_decides_is_refused_with_the_reason(make_model: MakeModel, name: str) -> None:
    with pytest.raises(BotUsageError, match=rf"{name} is for the app to decide.*Set it in the app"):
        make_model().invoke("Hello", **{name: 1})
    with pytest.raises(BotUsageError, match=f"{name} is for the app to decide"):
        ChatDify(api_key="app-x", **{name: 1})


@pytest.mark.parametrize("name", ["timeout", "max_retries", "api_key", "coalesce"])
def test_what_is_set_on_the_model_is_refused_per_call_with_the_place_to_give_it(
    make_model: MakeModel, name: str
) -> None:
    with pytest.raises(BotUsageError, match=rf"{name} is set on the model, not per call.*constructor"):
        make_model().invoke("Hello", **{name: 5})


def test_inputs_that_json_cannot_hold_are_refused(make_model: MakeModel) -> None:
    with pytest.raises(BotUsageError, match="inputs hold something"):
        make_model().invoke("Hello", inputs={"city": object()})


def test_none_is_not_given(emulator: Emulator) -> None:
    model = ChatDify(
        api_key=emulator.dify_key,
        base_url=emulator.dify_url,
        user="anna",
        conversation_id=None,
        inputs=None,
        model="label",
    )
    assert model.invoke("[[echo]]hello").response_metadata["model_name"] == "label"
    assert model.timeout is not None
    assert ChatDify(api_key="app-x", timeout=None).timeout is None


@pytest.mark.parametrize("key", ["", None])
def test_an_empty_key_is_none(key: str | None) -> None:
    with pytest.raises(BotUsageError, match="DIFY_API_KEY"):
        ChatDify(api_key=key)


def test_with_retry_never_posts_a_broken_turn_again(emulator: Emulator, make_model: MakeModel) -> None:
    model = make_model()
    with pytest.raises(BotServerError):
        model.with_retry(stop_after_attempt=3, wait_exponential_jitter=False).invoke("[[fail]] Tell me")
    bodies = [request.body for request in emulator.requests if request.path == "/v1/chat-messages"]
    assert sum(isinstance(body, dict) and body["user"] == model.user for body in bodies) == 1


def test_every_field_says_what_it_is() -> None:
    undescribed = [
        name
        for name in ("coalesce", "timeout", "trace_id", "stop_wait_s", "user", "inputs")
        if not ChatDify.model_fields[name].description
    ]
    assert undescribed == []


def test_nobody_listening_is_a_connection_error() -> None:
    with pytest.raises(BotConnectError) as caught:
        ChatDify(api_key="app-x", base_url="http://127.0.0.1:9", user="anna", max_retries=0).invoke("Hello")
    assert isinstance(caught.value, ModelConnectionError)
    assert caught.value.is_retryable


@pytest.mark.parametrize("kind", KINDS)
async def test_a_model_that_fails_in_mid_stream_leaves_the_text_so_far(make_model: MakeModel, kind: str) -> None:
    model = make_model(kind)
    seen = []
    with pytest.raises(BotServerError) as streamed:
        seen.extend(model.stream("[[failmid]] Tell me"))
    with pytest.raises(BotServerError) as invoked:
        model.invoke("[[failmid]] Tell me")
    with pytest.raises(BotServerError) as awaited:
        await model.ainvoke("[[failmid]] Tell me")
    for caught in (streamed, invoked, awaited):
        assert caught.value.partial_text
        assert caught.value.conversation_id
        assert caught.value.task_id
        assert caught.value.in_stream


def test_an_error_in_v3_is_raised_to_the_reader(make_model: MakeModel) -> None:
    stream = make_model().stream_events("[[failmid]] Tell me", version="v3")
    with pytest.raises(BotServerError):
        list(stream)
