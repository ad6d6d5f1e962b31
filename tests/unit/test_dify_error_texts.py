"""What the message of a Dify refusal never says."""

from __future__ import annotations

import html
import json
import pickle
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from remote_chatbots import BotError, BotRateLimitError, BotServerError, DifyApp, Question
from remote_chatbots.platforms.dify.errors import refusal
from tests.unit.dify_said import TOO_MANY, body_of, head_of

Drive = Callable[..., Any]


KEY = "app-secret-key-123"
QUESTION = "My name is Nils Holgersson, what is my balance?"
MORE = "\n    For further information visit https://errors.pydantic.dev/2.12/v/"
PYDANTIC = {
    "a bad id": (
        "1 validation error for ChatRequestPayload\nconversation_id\n  Value error, conversation_id must be a valid "
        f"UUID [type=value_error, input_value='abc', input_type=str]{MORE}value_error"
    ),
    "no query": (
        "1 validation error for ChatRequestPayload\nquery\n  Field required [type=missing, input_value={'inputs': {}, "
        f"'response_...ng', 'user': 'reader-1'}}, input_type=dict]{MORE}missing"
    ),
    "several at once": (
        "3 validation errors for HitTestingPayload\nretrieval_model.search_method\n  Field required [type=missing, "
        f"input_value={{'top_k': 2}}, input_type=dict]{MORE}missing\nretrieval_model.reranking_enable\n"
        f"  Field required [type=missing, input_value={{'top_k': 2}}, input_type=dict]{MORE}missing"
    ),
}


@pytest.mark.parametrize("message", PYDANTIC.values(), ids=PYDANTIC)
def test_the_echo_of_a_validation_error_is_left_out_and_its_reason_kept(message: str) -> None:
    text = str(refusal(head_of(400), body_of("invalid_param", message, status=400)))

    assert "validation error" in text
    assert "Value error, conversation_id must be a valid UUID." in text or "Field required" in text
    for echo in ("abc", "reader-1", "top_k", "input_value", "pydantic.dev"):
        assert echo not in text


ECHOES = {
    "in the reason": (400, "application/json", body_of("invalid_param", f"'{QUESTION}' with {KEY} is wrong")),
    "by pydantic": (
        400,
        "application/json",
        body_of("invalid_param", f"Value error [type=value_error, input_value={QUESTION!r}, input_type=str]"),
    ),
    "in a web page": (502, "text/html", f"<html>{QUESTION} {KEY}</html>".encode()),
    "in plain text": (500, "text/plain", f"{KEY}: {QUESTION}".encode()),
    "in a redirect": (302, "text/html", f"<a href='?q={QUESTION}&k={KEY}'>".encode()),
    "in a success that is no answer": (200, "application/json", orjson.dumps({"query": QUESTION, "key": KEY})),
    "in a success that is a web page": (200, "text/html", f"<p>{QUESTION} {KEY}".encode()),
    "in a success that is a refusal": (200, "application/json", body_of("bad", f"{QUESTION} {KEY}", status=400)),
    "in an event that is no JSON": (200, "text/event-stream", f"data: {QUESTION} {KEY}\n\n".encode()),
    "in an error event": (
        200,
        "text/event-stream",
        b'data: {"event":"error","code":"x","message":"%s %s"}\n\n' % (QUESTION.encode(), KEY.encode()),
    ),
    "in a failed run": (
        200,
        "text/event-stream",
        b'data: {"event":"workflow_finished","data":{"status":"failed","error":"%s %s"}}\n\n'
        % (QUESTION.encode(), KEY.encode()),
    ),
}


def held_behind(error: BaseException | None) -> list[object]:
    """Return what the errors behind one hold: the pickles of Dask's library take them along."""
    if error is None:
        return []
    own = [getattr(error, name) for name in dir(error) if not name.startswith("__")]
    return own + held_behind(error.__cause__) + held_behind(error.__context__)


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "stream"])
@pytest.mark.parametrize(("status", "content_type", "body"), ECHOES.values(), ids=ECHOES)
def test_neither_key_nor_question_stands_in_an_error(
    drive: Drive, status: int, content_type: str, body: bytes, blocking: bool
) -> None:
    app = DifyApp(KEY, "https://dify.example.com")
    flow = app.ask(Question(QUESTION, user="ann", blocking=blocking))

    error = drive(flow, (head_of(status, content_type=content_type), body)).error

    assert isinstance(error, BotError)
    for shape in (str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error)), repr(held_behind(error))):
        assert KEY not in shape
        assert "Nils Holgersson" not in shape


def test_a_question_of_several_lines_is_not_shown_either(drive: Drive) -> None:
    question = 'My name is\nNils "Holgersson", isn\'t it?'
    page = f"<html><p>{question}</p></html>".encode()

    flow = DifyApp(KEY).ask(Question(question, user="ann"))

    error = drive(flow, (head_of(502, content_type="text/html"), page)).error

    assert "Nils" not in str(error)


def test_an_echo_that_a_server_has_written_in_its_own_way_is_not_shown_either(drive: Drive) -> None:
    question = 'Is "Nils" <b>här</b> & there?'
    echoes = [html.escape(question), json.dumps(question), json.dumps(question, ensure_ascii=False)]

    for echo in echoes:
        flow = DifyApp(KEY).ask(Question(question, user="ann"))
        error = drive(flow, (head_of(502, content_type="text/html"), f"<html>{echo}".encode())).error
        assert "Nils" not in str(error), echo


def test_an_echo_that_the_end_of_what_is_shown_cuts_is_not_shown_either(drive: Drive) -> None:
    for at in range(150, 210):
        page = b"<html>".ljust(at, b"x") + QUESTION.encode() + b"</html>"
        flow = DifyApp(KEY).ask(Question(QUESTION, user="ann"))

        error = drive(flow, (head_of(200, content_type="text/html"), page)).error

        assert "My name" not in str(error), f"echo at {at}"


@pytest.mark.parametrize("status", [200, 502], ids=["a success", "a failure"])
def test_of_a_long_web_page_the_first_200_bytes_are_shown(drive: Drive, status: int) -> None:
    def shown(page: bytes) -> str:
        flow = DifyApp(KEY).ask(Question(QUESTION, user="ann"))
        return str(drive(flow, (head_of(status, content_type="text/html"), page)).error)

    assert f"'{'a' * 200}'" in shown(b"a" * 200)
    assert f"'{'a' * 200}'…" in shown(b"a" * 201)


@pytest.mark.parametrize("question", ["is", "a", "form", "?"])
def test_a_short_question_takes_no_words_apart(question: str) -> None:
    hidden = (KEY, question)

    text = str(refusal(head_of(400), body_of("invalid_param", "this information is missing a formula"), hidden))

    assert "this" in text
    assert "information" in text
    assert "missing" in text
    assert "formula" in text


@pytest.mark.parametrize("question", ["requests", "Too many requests", "many", "Please try again later."])
def test_what_was_asked_does_not_change_what_a_refusal_means(question: str) -> None:
    error = refusal(head_of(400), body_of("invalid_param", TOO_MANY, status=400), (KEY, question))

    assert type(error) is BotRateLimitError


def test_a_question_in_the_words_of_a_failed_run_changes_nothing_either() -> None:
    error = refusal(head_of(400), body_of("invalid_param", "Run failed: lost", status=400), (KEY, "Run failed"))

    assert type(error) is BotServerError
