"""The small calls of a Dify app, without a socket: what is sent, and what is made of what comes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from remote_chatbots import (
    BotNotFoundError,
    BotProtocolError,
    BotRejectedError,
    BotServerError,
    BotUsageError,
    DifyApp,
    StoredMessage,
)
from remote_chatbots.flow import Flow, Read, Send
from remote_chatbots.platforms.dify import management
from remote_chatbots.wire import HttpRequest, ResponseHead

JSON = {"content-type": "application/json"}
PLACE = "https://dify.example.com/v1"
Reply = tuple[int, bytes]
Server = Callable[[HttpRequest], Reply]


def call(flow: Flow[Any], server: Server) -> tuple[Any, list[HttpRequest]]:
    """Perform a flow against a server that is a function; return what it gives, and the requests that it made."""
    sent: list[HttpRequest] = []
    body, outcome, step = b"", None, None
    running: Generator[Any, Any, Any] = flow
    while True:
        try:
            step = running.send(outcome)
        except StopIteration as over:
            return over.value, sent
        if isinstance(step, Send):
            sent.append(step.request)
            status, body = server(step.request)
            outcome = ResponseHead(status, JSON)
        else:
            assert isinstance(step, Read)
            outcome, body = body, b""


def saying(*bodies: Any, status: int = 200) -> Server:
    """Return a server that gives one body after the other."""
    replies = iter(bodies)

    def server(_: HttpRequest) -> Reply:
        body = next(replies)
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()

    return server


def query(request: HttpRequest) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.url).query))


def turn(number: int, created_at: int, **more: Any) -> dict[str, Any]:
    return {"id": f"m{number}", "query": f"q{number}", "answer": f"a{number}", "created_at": created_at, **more}


def page(*turns: Mapping[str, Any], has_more: bool = False) -> dict[str, Any]:
    return {"limit": 100, "has_more": has_more, "data": list(turns)}


def pages_of(turns: Iterable[Mapping[str, Any]]) -> Server:
    """Return a server that cuts pages as Dify does (recorded: messages-same-second-page-1)."""
    stored = sorted(turns, key=lambda one: (one["created_at"], one["id"]))

    def server(request: HttpRequest) -> Reply:
        asked = query(request)
        first = next((one for one in stored if one["id"] == asked.get("first_id")), None)
        before = [one for one in stored if first is None or one["created_at"] < first["created_at"]]
        shown = before[-int(asked["limit"]) :]
        has_more = any(one["created_at"] < shown[0]["created_at"] for one in before) if shown else False
        return 200, json.dumps(page(*shown, has_more=has_more)).encode()

    return server


@pytest.mark.parametrize("seed", range(20))
def test_no_turn_is_lost_where_several_share_a_second(app: DifyApp, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(management, "PAGE_SIZE", 5)
    dice = random.Random(seed)
    seconds = [second for second in range(12) for _ in range(dice.randint(0, 4))]
    turns = [turn(number, second) for number, second in enumerate(seconds, 10)]

    told, _ = call(app.history("c", user="ann"), pages_of(turns))

    assert {one.message_id for one in told} == {one["id"] for one in turns}
    assert [one.created_at for one in told] == sorted(one.created_at for one in told)
    assert [one.role for one in told] == ["user", "assistant"] * len(turns)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("limit", [1, 2, 5, 8])
def test_a_history_that_is_read_in_parts_is_the_whole(app: DifyApp, limit: int, seed: int) -> None:
    dice = random.Random(seed)
    seconds = [second for second in range(8) for _ in range(dice.randint(0, 4))]
    server = pages_of([turn(number, second) for number, second in enumerate(seconds, 10)])
    whole, _ = call(app.history("c", user="ann"), server)
    read: list[StoredMessage] = []
    while page_read := call(app.history("c", user="ann", limit=limit, before=read), server)[0]:
        assert len(page_read) <= limit
        read = page_read + read
    assert [one.created_at for one in read] == sorted(one.created_at for one in read)
    assert sorted((one.message_id, one.role) for one in read) == sorted((one.message_id, one.role) for one in whole)


def test_a_part_of_a_history_costs_one_page_and_what_was_said_since_is_none_of_it(app: DifyApp) -> None:
    turns = [turn(number, number) for number in range(100, 150)]
    read, _ = call(app.history("c", user="ann", limit=20), pages_of(turns))
    server = pages_of([*turns, turn(150, 150)])
    part, sent = call(app.history("c", user="ann", limit=20, before=read), server)
    assert [one.text for one in part] == [f"{kind}{number}" for number in range(130, 140) for kind in "qa"]
    assert [(query(request)["first_id"], query(request)["limit"]) for request in sent] == [("m141", "11")]
    part, sent = call(app.history("c", user="ann", limit=20, before=read[0].message_id), server)
    assert [one.text for one in part] == [f"{kind}{number}" for number in range(130, 140) for kind in "qa"]
    assert [(query(request)["first_id"], query(request)["limit"]) for request in sent] == [("m140", "10")]


@pytest.mark.parametrize(
    ("limit", "asked"), [(0, []), (1, ["1"]), (2, ["1"]), (3, ["2"]), (200, ["100"]), (201, ["100", "100"])]
)
def test_a_history_is_read_as_far_as_the_limit_needs(app: DifyApp, limit: int, asked: list[str]) -> None:
    turns = [turn(number, number) for number in range(100, 300)]
    told, sent = call(app.history("c", user="ann", limit=limit), pages_of(turns))
    assert [query(request)["limit"] for request in sent] == asked
    assert [one.text for one in told[-2:]] == ["q299", "a299"][2 - min(limit, 2) :]
    assert len(told) == limit


def test_a_page_of_a_history_may_begin_with_the_newest_as_the_documents_have_it(app: DifyApp) -> None:
    newest_first = page(turn(3, 30), turn(2, 20), has_more=True), page(turn(2, 20), turn(1, 10))
    told, sent = call(app.history("c", user="ann"), saying(*newest_first))
    assert [one.text for one in told] == ["q1", "a1", "q2", "a2", "q3", "a3"]
    assert [query(request).get("first_id") for request in sent] == [None, "m3"]


def test_a_list_that_repeats_itself_comes_to_an_end(app: DifyApp) -> None:
    again = page({"id": "c1", "name": "One", "created_at": 1}, has_more=True)
    told, sent = call(app.conversations(user="ann"), saying(again, again))
    assert ([one.conversation_id for one in told], len(sent)) == (["c1"], 2)
    told, sent = call(app.history("c", user="ann"), saying(page(turn(1, 1), has_more=True), page(turn(1, 1))))
    assert ([one.message_id for one in told], len(sent)) == (["m1", "m1"], 2)


def test_files_belong_to_the_question_or_to_the_answer(app: DifyApp) -> None:
    # Dify API reference, "Get conversation history messages"; all that was recorded have none.
    files = [
        {"id": "f1", "type": "image", "url": "https://x/1", "mime_type": "image/png", "belongs_to": "user"},
        {"id": "f2", "type": "audio", "url": "https://x/2", "mime_type": None, "belongs_to": "assistant"},
    ]
    (question, answer), _ = call(app.history("c", user="ann"), saying(page(turn(1, 1, message_files=files))))
    assert [(one.kind, one.url, one.mime_type, one.id) for one in question.media] == [
        ("image", "https://x/1", "image/png", "f1")
    ]
    assert [(one.kind, one.url, one.mime_type, one.id) for one in answer.media] == [("audio", "https://x/2", "", "f2")]


def test_what_an_answer_cost_is_told_where_the_history_has_it(app: DifyApp) -> None:
    cost = {"message_tokens": 3, "answer_tokens": 4, "total_tokens": 7, "total_price": "0.0012", "currency": "USD"}
    (question, answer), _ = call(app.history("c", user="ann"), saying(page(turn(1, 1, **cost))))
    assert question.usage is None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 4, 7)
    assert (str(answer.usage.total_price), answer.usage.currency) == ("0.0012", "USD")


def test_a_message_of_2023_says_little_and_its_rating_is_a_word(app: DifyApp) -> None:
    told, _ = call(app.history("c", user="ann"), saying({"has_more": False, "data": [turn(1, 1, feedback="like")]}))
    assert [(one.text, one.rating, one.conversation_id) for one in told] == [("q1", None, "c"), ("a1", "like", "c")]


@pytest.mark.parametrize("said", [{"result": "success"}, "success", b""])
def test_done_is_said_with_an_object_a_word_or_nothing(app: DifyApp, said: Any) -> None:
    assert call(app.rename("c", "Trip", user="ann"), saying(said))[0] == "Trip"
    assert call(app.feedback("m", "like", user="ann"), saying(said))[0] is None
    assert call(app.delete("c", user="ann"), saying(said, status=200 if said else 204))[0] is None
    assert call(app.stop("t", user="ann"), saying(said))[0] is None


def test_what_is_sent_is_what_the_reference_has(app: DifyApp) -> None:
    made: list[tuple[str, str, Any]] = []
    for flow in (
        app.rename("c", "Trip", user="ann"),
        app.rename("c", user="ann"),
        app.delete("c/1?", user="ann"),
        app.feedback("m", None, user="ann"),
        app.feedback("m", "dislike", user="ann", comment="too long"),
        app.stop("t", user="ann"),
    ):
        (request,) = call(flow, saying({"name": "New"}))[1]
        made.append((request.method, request.url.removeprefix(PLACE), json.loads(request.body)))
    assert made == [
        ("POST", "/conversations/c/name", {"user": "ann", "name": "Trip"}),
        ("POST", "/conversations/c/name", {"user": "ann", "auto_generate": True}),
        ("DELETE", "/conversations/c%2F1%3F", {"user": "ann"}),
        ("POST", "/messages/m/feedbacks", {"user": "ann", "rating": None}),
        ("POST", "/messages/m/feedbacks", {"user": "ann", "rating": "dislike", "content": "too long"}),
        ("POST", "/chat-messages/t/stop", {"user": "ann"}),
    ]


VARIABLE = {"id": "v1", "name": "stops", "value_type": "array[string]", "value": "['pier']", "description": "where"}


@pytest.mark.parametrize("named", ["stops", "v1"])
def test_a_variable_is_set_by_its_name_or_its_id(app: DifyApp, named: str) -> None:
    now = VARIABLE | {"value": "['pier', 'mole']"}
    told, (_, request) = call(app.set_variable("c", named, ["pier", "mole"], user="ann"), saying(page(VARIABLE), now))
    assert (request.method, request.url) == ("PUT", f"{PLACE}/conversations/c/variables/v1")
    assert json.loads(request.body) == {"value": ["pier", "mole"], "user": "ann"}
    assert (told.name, told.kind, told.value, told.description) == ("stops", "array[string]", ["pier", "mole"], "where")


def test_a_variable_that_there_is_not_is_refused_with_the_names_of_those_there_are(app: DifyApp) -> None:
    with pytest.raises(BotUsageError, match=r"^dify: the conversation has no variable 'stop'. Give one of: stops\.$"):
        call(app.set_variable("c", "stop", [], user="ann"), saying(page(VARIABLE)))
    with pytest.raises(BotUsageError, match=r"^dify: JSON has no form for what was given .* Give text"):
        call(app.set_variable("c", "stops", {1, 2}, user="ann"), saying(page(VARIABLE)))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "3", "3"),
        ("secret", "None", "None"),
        ("number", "3", 3),
        ("float", "0.5", 0.5),
        ("boolean", "True", True),
        ("boolean", "false", False),
        ("object", "{'a': None, 'b': [True]}", {"a": None, "b": [True]}),
        ("object", '{"a": null}', {"a": None}),
        ("array[object]", "[{'it''s': 1}]", [{"its": 1}]),
        ("object", "{'a': <Segment>}", "{'a': <Segment>}"),
        ("object", "__import__('os').getcwd()", "__import__('os').getcwd()"),
        ("array[number]", "[" * 5000, "[" * 5000),
        ("number", None, None),
        ("object", {"a": 1}, {"a": 1}),
    ],
)
def test_a_variables_text_is_read_as_its_type_says_and_kept_where_it_cannot_be(
    app: DifyApp, kind: str, text: Any, value: Any
) -> None:
    told, _ = call(app.variables("c", user="ann"), saying(page(VARIABLE | {"value_type": kind, "value": text})))
    assert told[0].value == value
    assert type(told[0].value) is type(value)


LISTS: list[Callable[[DifyApp], Flow[Any]]] = [
    lambda app: app.history("c", user="ann"),
    lambda app: app.conversations(user="ann"),
    lambda app: app.variables("c", user="ann"),
]


@pytest.mark.parametrize("listed", LISTS)
@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b'"success"', b'{"data": null}', b"{}", b""])
def test_a_reply_that_is_no_list_is_an_error_and_not_an_empty_list(
    app: DifyApp, listed: Callable[[DifyApp], Flow[Any]], body: bytes
) -> None:
    with pytest.raises(BotProtocolError, match=r"^dify: the reply .*Check that base_url"):
        call(listed(app), saying(body))


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b"true"])
def test_a_web_page_does_not_say_that_something_is_done(app: DifyApp, body: bytes) -> None:
    for flow in (app.delete("c", user="ann"), app.feedback("m", "like", user="ann"), app.rename("c", "n", user="ann")):
        with pytest.raises(BotProtocolError, match=r"^dify: the reply is no (JSON|object)"):
            call(flow, saying(body))


def test_a_refusal_under_http_200_is_a_refusal(app: DifyApp) -> None:
    said = {"code": "not_found", "message": "Conversation Not Exists.", "status": 404}
    for flow in (app.history("c", user="ann"), app.delete("c", user="ann"), app.suggestions("m", user="ann")):
        with pytest.raises(BotNotFoundError, match="Conversation Not Exists"):
            call(flow, saying(said))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (
            404,
            b"<!doctype html>\n<title>404 Not Found</title>",
            BotNotFoundError,
        ),  # an id that is no UUID; an old server
        (400, b'{"code":"bad_request","message":"Suggested Questions Is Disabled.","status":400}', BotRejectedError),
        (500, b'{"message": "Internal Server Error", "code": "unknown"}', BotServerError),
    ],
)
def test_refusals_are_of_their_class(app: DifyApp, status: int, body: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^dify: "):
        call(app.suggestions("m", user="ann"), saying(body, status=status))


def test_taking_back_a_rating_that_there_is_not_is_no_error_but_any_other_refusal_is(app: DifyApp) -> None:
    none = {"code": "invalid_param", "message": "rating cannot be None when feedback not exists", "status": 400}
    assert call(app.feedback("m", None, user="ann"), saying(none, status=400))[0] is None
    with pytest.raises(BotRejectedError):
        call(app.feedback("m", "like", user="ann"), saying(none, status=400))
    with pytest.raises(BotRejectedError):
        call(app.feedback("m", None, user="ann"), saying(none | {"message": "no"}, status=400))


@pytest.mark.parametrize("bad", ["", ".", ".."])
def test_an_id_that_names_nothing_is_refused_before_anything_is_sent(app: DifyApp, bad: str) -> None:
    for flow in (
        app.history(bad, user="ann"),
        app.rename(bad, "n", user="ann"),
        app.delete(bad, user="ann"),
        app.variables(bad, user="ann"),
        app.set_variable(bad, "v", 1, user="ann"),
        app.feedback(bad, "like", user="ann"),
        app.suggestions(bad, user="ann"),
        app.stop(bad, user="ann"),
    ):
        with pytest.raises(BotUsageError, match=r"^dify: an id is missing"):
            call(flow, saying())


def test_a_name_that_is_no_text_is_refused_before_anything_is_sent(app: DifyApp) -> None:
    with pytest.raises(BotUsageError, match=r"^dify: name must be text"):
        call(app.rename("c", None, user="ann"), saying())  # type: ignore[arg-type]


def test_a_rating_that_is_none_is_refused_before_anything_is_sent(app: DifyApp) -> None:
    with pytest.raises(BotUsageError, match=r'^dify: rating must be "like"'):
        call(app.feedback("m", "great", user="ann"), saying())  # type: ignore[arg-type]
