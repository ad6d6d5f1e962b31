"""A stream that begins with silence: what is asked beside it, and what that may mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from remote_chatbots import (
    BotConnectError,
    BotNotFoundError,
    BotRejectedError,
    BotTimeoutError,
    DifyApp,
    Question,
    Settings,
)
from remote_chatbots.flow import Abandoned
from remote_chatbots.wire import ResponseHead

Drive = Callable[..., Any]

PING = b"event: ping\n\n"
TEXT = {"event": "message", "answer": "Rain."}
END = {"event": "message_end", "metadata": {}}


@pytest.fixture
def app() -> DifyApp:
    return DifyApp("app-secret-key-123", "https://dify.example.com", settings=Settings(probe_after_s=3.0))


def question(**fields: Any) -> Question:
    return Question("Will it rain?", **{"user": "ann & co", **fields})


def reply(body: Any, status: int = 200) -> tuple[ResponseHead, bytes]:
    return ResponseHead(status, {"content-type": "application/json"}), orjson.dumps(body)


def form(**controls: Any) -> tuple[ResponseHead, bytes]:
    """Return what the server tells of an app with one text field for each of `controls`."""
    items = [{"text-input": {"variable": name, "label": name, **told}} for name, told in controls.items()]
    return reply({"user_input_form": items})


NO_FORM = form()
GONE = reply({"code": "not_found", "message": "Conversation Not Exists.", "status": 404}, 404)


def paths(played: Any) -> list[str]:
    return [urlsplit(request.url).path for request in played.asides]


def test_a_bot_that_is_merely_slow_is_asked_about_once_and_waited_for(app: DifyApp, drive: Drive, framed: Any) -> None:
    chunks = [PING, None, PING, framed(TEXT), framed(END)]

    played = drive(app.ask(question()), chunks, asides=[NO_FORM])

    assert (played.error, played.answer.text) == (None, "Rain.")
    assert paths(played) == ["/v1/parameters"]
    assert played.waits == [3.0, 3.0, None, None, None, 0.1]


def test_pings_do_not_prolong_the_silence(app: DifyApp, drive: Drive, framed: Any) -> None:
    played = drive(app.ask(question()), [PING, PING, framed(TEXT), framed(END)])

    first, second, third, *_ = played.reads
    assert first.deadline is second.deadline is third.deadline


def test_a_bot_that_has_spoken_is_not_asked_about(app: DifyApp, drive: Drive, framed: Any) -> None:
    played = drive(app.ask(question(conversation_id="c-9")), [framed(TEXT), framed(TEXT), framed(END)])

    assert played.asides == []
    assert played.waits[:3] == [3.0, None, None]


def test_the_calls_name_the_conversation_and_its_user_and_hold_the_key(app: DifyApp, drive: Drive) -> None:
    played = drive(app.ask(question(conversation_id="c-9&x=1")), [None], asides=[reply({"data": []}), NO_FORM])

    messages, parameters = played.asides
    assert (messages.method, urlsplit(messages.url).path) == ("GET", "/v1/messages")
    asked = {"conversation_id": ["c-9&x=1"], "user": ["ann & co"], "limit": ["1"]}
    assert parse_qs(urlsplit(messages.url).query) == asked
    assert (parameters.method, parameters.url) == ("GET", "https://dify.example.com/v1/parameters")
    assert {request.headers["Authorization"] for request in played.asides} == {"Bearer app-secret-key-123"}
    assert {request.body for request in played.asides} == {b""}


def test_a_conversation_that_is_not_there_is_an_error(app: DifyApp, drive: Drive) -> None:
    played = drive(app.ask(question(conversation_id="c-9")), [PING, None], asides=[GONE])

    assert type(played.error) is BotNotFoundError
    assert (played.error.code, played.error.http_status, played.error.retryable) == ("not_found", 404, False)
    assert paths(played) == ["/v1/messages"]


def test_an_id_that_can_be_no_conversation_is_an_error(app: DifyApp, drive: Drive) -> None:
    told = {"code": "invalid_param", "message": "abc is not a valid uuid", "status": 400}

    played = drive(app.ask(question(conversation_id="abc")), [None], asides=[reply(told, 400)])

    assert type(played.error) is BotRejectedError


def test_an_input_that_is_missing_is_an_error_that_names_it(app: DifyApp, drive: Drive) -> None:
    asides = [form(season={"required": False}, city={"required": True}, day={"required": True})]

    played = drive(app.ask(question()), [None], asides=asides)

    assert type(played.error) is BotRejectedError
    assert str(played.error).startswith("dify: city is required")
    assert (played.error.code, played.error.http_status, played.error.platform) == ("invalid_param", 400, "dify")


@pytest.mark.parametrize(
    ("version", "refused"), [("1.14.2", True), ("1.0.0", True), ("0.15.3", False), ("", False)], ids=str
)
def test_a_conversation_that_goes_on_needs_its_inputs_again_where_the_server_reads_them_each_turn(
    app: DifyApp, drive: Drive, framed: Any, version: str, refused: bool
) -> None:
    head, body = form(city={"required": True})
    told = ResponseHead(200, {**head.headers, "x-version": version}), body

    played = drive(
        app.ask(question(conversation_id="c-9")), [None, framed(TEXT), framed(END)], asides=[reply({"data": []}), told]
    )

    assert (type(played.error) is BotRejectedError) is refused


@pytest.mark.parametrize(
    ("control", "inputs"),
    [
        ({"required": True}, {"city": "Bergen"}),
        ({"required": True}, {"city": 0}),
        ({"required": True}, {"city": False}),
        ({"required": False}, {}),
        ({}, {}),
        ({"required": True, "default": "Oslo"}, {}),
    ],
    ids=["given", "zero", "false", "not required", "nothing said", "a default"],
)
def test_an_input_that_is_not_missing_is_no_error(
    app: DifyApp, drive: Drive, framed: Any, control: dict[str, Any], inputs: dict[str, Any]
) -> None:
    chunks = [None, framed(TEXT), framed(END)]

    played = drive(app.ask(question(inputs=inputs)), chunks, asides=[form(city=control)])

    assert (played.error, played.answer.text) == (None, "Rain.")


@pytest.mark.parametrize("value", [None, ""], ids=repr)
def test_an_input_of_nothing_is_missing(app: DifyApp, drive: Drive, value: Any) -> None:
    played = drive(app.ask(question(inputs={"city": value})), [None], asides=[form(city={"required": True})])

    assert type(played.error) is BotRejectedError


@pytest.mark.parametrize(
    "outcome",
    [
        BotConnectError("dify: no connection."),
        BotTimeoutError("dify: not a byte.", phase="silence"),
        reply({"code": "unauthorized", "message": "no", "status": 401}, 401),
        reply({}, 500),
        (ResponseHead(200, {}), b"<html>"),
        (ResponseHead(200, {}), b""),
        reply([]),
        reply({"user_input_form": None}),
        reply({"user_input_form": 5}),
        reply({"user_input_form": "odd"}),
        reply({"user_input_form": [None, 5, {"text-input": None}, {"text-input": {"required": True}}]}),
        reply({"user_input_form": [{"text-input": {"required": True, "variable": 5}}]}),
        reply({"user_input_form": {"text-input": {"required": True, "variable": "city"}}}),
    ],
    ids=[
        "no connection",
        "silence",
        "401",
        "500",
        "HTML",
        "nothing",
        "a list",
        "no form",
        "a number as form",
        "a word as form",
        "odd controls",
        "a number as name",
        "an object as form",
    ],
)
def test_a_look_that_tells_nothing_changes_nothing(app: DifyApp, drive: Drive, framed: Any, outcome: Any) -> None:
    chunks = [None, framed(TEXT), framed(END)]

    played = drive(app.ask(question()), chunks, asides=[outcome])

    assert (played.error, played.answer.text) == (None, "Rain.")


def test_a_look_at_a_conversation_that_fails_still_asks_for_the_form(app: DifyApp, drive: Drive, framed: Any) -> None:
    chunks = [None, framed(TEXT), framed(END)]

    played = drive(app.ask(question(conversation_id="c-9")), chunks, asides=[BotConnectError("dify: no."), NO_FORM])

    assert played.error is None
    assert paths(played) == ["/v1/messages", "/v1/parameters"]


def test_neither_key_nor_question_stands_in_what_a_look_finds(app: DifyApp, drive: Drive) -> None:
    told = {"code": "invalid_param", "message": "'Will it rain?' by app-secret-key-123 is wrong", "status": 400}

    error = drive(app.ask(question(conversation_id="c-9")), [None], asides=[reply(told, 400)]).error

    assert "Will it rain?" not in str(error)
    assert "secret" not in str(error)


def test_a_whole_answer_that_is_slow_is_not_asked_about(app: DifyApp, drive: Drive) -> None:
    head = ResponseHead(200, {"content-type": "application/json"})

    played = drive(app.ask(question(blocking=True)), (head, [b'{"answer":', b'"Rain."}']))

    assert (played.answer.text, played.asides, set(played.waits)) == ("Rain.", [], {None})


def test_a_caller_who_leaves_while_it_is_looked_into_is_not_kept(app: DifyApp, drive: Drive) -> None:
    played = drive(app.ask(question()), [None], asides=[Abandoned])

    assert (played.error, played.over, played.effects_after_leaving) == (None, True, [])
