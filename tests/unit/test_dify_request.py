"""What goes to a Dify server, to the byte, and what is shown of it."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from remote_chatbots import (
    AsyncBotClient,
    Attachment,
    BotClient,
    BotUsageError,
    DifyApp,
    DifyOptions,
    Question,
    Settings,
    Timeouts,
)
from remote_chatbots.described import AppParameters
from remote_chatbots.flow import Abandoned
from remote_chatbots.wire import HttpRequest, ResponseHead, json_request

Drive = Callable[..., Any]

KEY = "app-secret-key-123"


def request_of(drive: Drive, app: DifyApp, question: Question) -> HttpRequest:
    requests: list[HttpRequest] = drive(app.ask(question), []).requests
    (request,) = requests
    return request


# A question on the wire


def test_a_question_goes_out_as_one_post_with_every_field_named(app: DifyApp, drive: Drive) -> None:
    question = Question("Will it rain?", user="ann", conversation_id="c-9", inputs={"city": "Bergen"})

    request = request_of(drive, app, question)

    assert (request.method, request.url) == ("POST", "https://dify.example.com/v1/chat-messages")
    assert orjson.loads(request.body) == {
        "inputs": {"city": "Bergen"},
        "query": "Will it rain?",
        "response_mode": "streaming",
        "conversation_id": "c-9",
        "user": "ann",
    }


def test_the_headers_are_complete_and_ask_for_an_uncompressed_stream(app: DifyApp, drive: Drive) -> None:
    assert dict(request_of(drive, app, Question("Rain?", user="ann")).headers) == {
        "User-Agent": "remote-chatbots",
        "Authorization": f"Bearer {KEY}",
        "Accept": "text/event-stream, application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
    }


def test_headers_of_the_caller_go_beside_ours(drive: Drive) -> None:
    app = DifyApp(KEY, headers={"X-Team": "weather", "User-Agent": "mine/1.0"})

    headers = request_of(drive, app, Question("Rain?", user="ann")).headers

    assert (headers["X-Team"], headers["User-Agent"]) == ("weather", "mine/1.0")
    assert headers["Authorization"] == f"Bearer {KEY}"


def test_a_header_of_the_callers_takes_the_place_of_ours_in_any_case(drive: Drive) -> None:
    app = DifyApp(KEY, headers={"user-agent": "mine/1.0"})

    headers = request_of(drive, app, Question("Rain?", user="ann")).headers

    # Of two names that differ in case alone, both HTTP libraries send the last.
    assert {name.lower(): value for name, value in headers.items()}["user-agent"] == "mine/1.0"


def test_text_goes_out_as_utf8(app: DifyApp, drive: Drive) -> None:
    request = request_of(drive, app, Question("会下雨吗？ 🌧️\u2028", user="王芳"))

    assert "会下雨吗？ 🌧️\u2028".encode() in request.body
    assert orjson.loads(request.body)["user"] == "王芳"


@pytest.mark.parametrize(
    ("file", "reference"),
    [
        (
            Attachment("image", url="https://img.example.net/sky.png"),
            {"type": "image", "transfer_method": "remote_url", "url": "https://img.example.net/sky.png"},
        ),
        (
            Attachment("document", file_id="5f0c1d5e"),
            {"type": "document", "transfer_method": "local_file", "upload_file_id": "5f0c1d5e"},
        ),
    ],
    ids=["an address", "an id"],
)
def test_a_file_goes_out_as_a_reference(
    app: DifyApp, drive: Drive, file: Attachment, reference: dict[str, str]
) -> None:
    app.learned.parameters = AppParameters()
    request = request_of(drive, app, Question("What is this?", user="ann", files=[file, file]))

    assert orjson.loads(request.body)["files"] == [reference, reference]


def test_without_files_none_are_named(app: DifyApp, drive: Drive) -> None:
    assert "files" not in orjson.loads(request_of(drive, app, Question("Rain?", user="ann")).body)


def test_stop_sequences_and_switches_stay_at_home(app: DifyApp, drive: Drive) -> None:
    request = request_of(drive, app, Question("Rain?", user="ann", stop=["END"], coalesce=False))

    assert set(orjson.loads(request.body)) == {"inputs", "query", "response_mode", "conversation_id", "user"}


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"x", 2**70, {5: "a"}], ids=["object", "set", "bytes", "huge", "key"]
)
def test_inputs_that_json_cannot_hold_are_refused_before_anything_is_sent(
    app: DifyApp, drive: Drive, value: Any
) -> None:
    played = drive(app.ask(Question("My name is Nils", user="ann", inputs={"city": value})))

    assert type(played.error) is BotUsageError
    assert "inputs" in str(played.error)
    assert str(played.error).startswith("dify:")
    assert "Nils" not in str(played.error)
    assert played.effects == []


@pytest.mark.parametrize("name", ["text", "user", "conversation_id"])
def test_half_an_emoji_is_refused_by_the_name_of_its_field(app: DifyApp, drive: Drive, name: str) -> None:
    fields: dict[str, Any] = {"text": "Rain?", "user": "ann", "conversation_id": "c-1", name: "cut \ud83d"}
    error: BotUsageError | None
    try:
        error = drive(app.ask(Question(**fields)), []).error
    except BotUsageError as raised:
        error = raised

    assert type(error) is BotUsageError
    assert name in str(error)
    assert "inputs" not in str(error)


def test_the_question_is_not_changed_by_asking(app: DifyApp, drive: Drive) -> None:
    inputs = {"city": "Bergen"}
    question = Question("Rain?", user="ann", inputs=inputs)

    drive(app.ask(question), [])

    assert (inputs, question) == ({"city": "Bergen"}, Question("Rain?", user="ann", inputs={"city": "Bergen"}))


def test_nothing_is_done_before_the_first_step_is_asked_for(app: DifyApp) -> None:
    app.ask(Question("Rain?", user="ann")).close()


# What a turn is told beside its question


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, {}),
        ({"workflow_id": "w-1"}, {"workflow_id": "w-1"}),
        ({"auto_generate_name": False}, {"auto_generate_name": False}),
        ({"auto_generate_name": True}, {}),
        ({"trace_id": "run_7-a"}, {"trace_id": "run_7-a"}),
        ({"workflow_id": "", "trace_id": ""}, {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("place", ["app", "question"])
def test_options_go_out_where_they_differ_from_the_servers_own(
    drive: Drive, options: dict[str, Any], told: dict[str, Any], place: str
) -> None:
    app = DifyApp(KEY, options=DifyOptions(**options) if place == "app" else DifyOptions())
    question = Question("Rain?", user="ann", options=options if place == "question" else {})

    body = orjson.loads(request_of(drive, app, question).body)

    plain = orjson.loads(request_of(drive, DifyApp(KEY), Question("Rain?", user="ann")).body)
    assert body == {**plain, **told}


def test_a_questions_options_are_laid_over_the_apps(drive: Drive) -> None:
    app = DifyApp(KEY, options=DifyOptions(workflow_id="w-1", auto_generate_name=False, trace_id="a"))
    question = Question("Rain?", user="ann", options={"trace_id": "b", "auto_generate_name": True})

    body = orjson.loads(request_of(drive, app, question).body)

    assert (body["workflow_id"], body["trace_id"]) == ("w-1", "b")
    assert "auto_generate_name" not in body


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("workflow_id", [5, None]),
        ("auto_generate_name", ["no", None, 0]),
        ("trace_id", [5, None, "a b", "a\n", "跟踪", "a" * 129]),
        ("traceid", ["a"]),
    ],
)
def test_an_option_that_is_none_is_refused_by_its_name(name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(BotUsageError, match=f"^dify: {name} "):
            DifyApp(KEY).ask(Question("Rain?", user="ann", options={name: value}))


@pytest.mark.parametrize("trace_id", ["a", "a" * 128, "AZaz09_-"], ids=len)
def test_a_trace_id_may_be_of_1_to_128_characters(trace_id: str) -> None:
    assert DifyOptions(trace_id=trace_id).payload() == {"trace_id": trace_id}


def test_a_task_id_cannot_lead_the_stop_call_elsewhere(app: DifyApp, drive: Drive, framed: Any) -> None:
    text = framed({"event": "message", "answer": "Rain", "task_id": "../../x?y=1#z"})

    played = drive(app.ask(Question("Rain?", user="ann")), [text, Abandoned])

    assert played.effects_after_leaving[0].request.url == (
        "https://dify.example.com/v1/chat-messages/..%2F..%2Fx%3Fy%3D1%23z/stop"
    )


# Apps


def test_the_cloud_is_the_default() -> None:
    assert DifyApp(KEY).base_url == "https://api.dify.ai/v1"


def test_an_app_is_brought_to_one_form() -> None:
    assert DifyApp(f" {KEY}\n", "https://dify.example.com/") == DifyApp(KEY, "https://dify.example.com/v1")


def test_an_app_cannot_be_changed(app: DifyApp) -> None:
    with pytest.raises(AttributeError):
        app.api_key = "other"  # type: ignore[misc]


def test_an_app_survives_pickling() -> None:
    app = DifyApp(KEY, "https://dify.example.com", {"X-Team": "weather"}, Settings(max_retries=5))

    assert pickle.loads(pickle.dumps(app)) == app


def test_a_bots_id_is_made_of_platform_host_and_key() -> None:
    digest = hashlib.sha256(f"remote-chatbots\0dify\0{KEY}".encode()).hexdigest()[:12]

    assert DifyApp(KEY, "https://dify.example.com:5001/tools/v1").bot_id == f"dify:dify.example.com:5001:{digest}"


def test_a_bots_id_is_the_same_for_one_app_and_another_for_the_next() -> None:
    ids = [DifyApp(f" {KEY} ", "https://h/v1/").bot_id, DifyApp(KEY, "https://h", {"a": "b"}).bot_id]
    others = [DifyApp(KEY + "4", "https://h").bot_id, DifyApp(KEY, "https://other").bot_id]

    assert len(set(ids)) == 1
    assert len({*ids, *others}) == 3


def test_a_bots_id_does_not_hold_the_key(app: DifyApp) -> None:
    assert "secret" not in app.bot_id


# What is shown


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda app: app, id="app"),
        pytest.param(lambda app: BotClient(app, user="ann"), id="BotClient"),
        pytest.param(lambda app: AsyncBotClient(app, user="ann"), id="AsyncBotClient"),
        pytest.param(lambda app: next(app.ask(Question("My name is Nils", user="ann"))), id="effect"),
        pytest.param(lambda app: next(app.ask(Question("My name is Nils", user="ann"))).request, id="request"),
    ],
)
def test_neither_key_nor_headers_nor_question_are_shown(make: Callable[[DifyApp], Any]) -> None:
    shown = repr(make(DifyApp(KEY, "https://dify.example.com", {"X-Team": "weather-secret"})))

    assert "secret" not in shown
    assert "Nils" not in shown
    assert "dify.example.com" in shown


@pytest.mark.parametrize("kind", [BotClient, AsyncBotClient])
def test_a_client_shows_and_keeps_its_user_and_clocks_through_pickling(kind: Any) -> None:
    client = pickle.loads(pickle.dumps(kind(DifyApp(KEY), user="ann", timeout=(5, 60))))

    assert (client.bot, client.user, client.timeouts) == (DifyApp(KEY), "ann", Timeouts(5, 60))
    assert "user='ann'" in repr(client)
    assert "silence_s=60" in repr(client)


@pytest.mark.parametrize("kind", [BotClient, AsyncBotClient])
@pytest.mark.parametrize("timeout", [0, "60", (1, 2, 3, 4)], ids=repr)
def test_a_client_refuses_a_timeout_that_is_none(kind: Any, timeout: Any) -> None:
    with pytest.raises(BotUsageError, match="timeout"):
        kind(DifyApp(KEY), timeout=timeout)


@pytest.mark.parametrize("kind", [BotClient, AsyncBotClient])
def test_a_question_and_arguments_of_its_own_do_not_go_together(kind: Any) -> None:
    with pytest.raises(BotUsageError, match="not both"):
        kind(DifyApp(KEY), user="ann").stream(Question("Rain?", user="ann"), conversation_id="c-1")


@pytest.mark.parametrize("kind", [BotClient, AsyncBotClient])
def test_a_client_asks_nothing_for_nobody(kind: Any) -> None:
    with pytest.raises(BotUsageError, match="user"):
        kind(DifyApp(KEY)).stream("Rain?")


# HTTP as data


def test_a_json_request_is_complete() -> None:
    request = json_request("POST", "https://h:8080/v1/x?y=1", {"A": "b"}, {"text": "雨"})

    assert request == HttpRequest(
        "POST", "https://h:8080/v1/x?y=1", {"A": "b", "Content-Type": "application/json"}, '{"text":"雨"}'.encode()
    )
    assert request.host == "h:8080"


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        ({}, ""),
        ({"content-type": "application/json"}, "application/json"),
        ({"content-type": "Text/Event-Stream; charset=utf-8"}, "text/event-stream"),
        ({"content-type": " text/html ;x=y;z"}, "text/html"),
        ({"content-type": ""}, ""),
    ],
    ids=repr,
)
def test_a_heads_media_type_is_bare_and_in_lower_case(headers: dict[str, str], content_type: str) -> None:
    assert ResponseHead(200, headers).content_type == content_type
