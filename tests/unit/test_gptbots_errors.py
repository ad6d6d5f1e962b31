"""GPTBots' refusals: which class each is, wherever it stands, and what its message says and never says."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from remote_chatbots import (
    BotAuthError,
    BotError,
    BotNotFoundError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
    GPTBotsAgent,
    Question,
    Settings,
)
from remote_chatbots.platforms.gptbots.errors import ERROR_TABLE, STATUS_TABLE, refusal
from remote_chatbots.wire import ResponseHead

Drive = Callable[..., Any]
Heard = Callable[..., Any]
Kind = type[BotReplyError]

# GPTBots API reference, "Send message" of both versions and the pages of the other calls.
CODES: dict[str, Kind] = {
    "40000": BotRejectedError,
    "40001": BotRateLimitError,
    "40005": BotRejectedError,
    "40107": BotAuthError,
    "40113": BotAuthError,
    "40127": BotAuthError,
    "20055": BotAuthError,
    "40353": BotQuotaError,
    "20022": BotQuotaError,
    "40379": BotQuotaError,
    "COIN_NOT_ENOUGH": BotQuotaError,
    "40356": BotNotFoundError,
    "40358": BotNotFoundError,
    "20059": BotNotFoundError,
    "40378": BotNotFoundError,
    "AGENT_WORKFLOW_PUBLISHED_NOT_EXIST": BotRejectedError,
    "40364": BotRejectedError,
    "20040": BotRejectedError,
    "40325": BotRejectedError,
    "40326": BotRejectedError,
    "40332": BotRejectedError,
    "40371": BotRejectedError,
    "200116": BotRejectedError,
    "200222": BotRejectedError,
    "50101": BotRejectedError,
    "40343": BotRejectedError,
    "403200": BotRejectedError,
    "403201": BotRejectedError,
    "403202": BotRejectedError,
    "403203": BotRejectedError,
    "403204": BotRejectedError,
    "403215": BotRejectedError,
    "50000": BotServerError,
}
STATUSES: dict[int, Kind] = {
    301: BotReplyError,
    400: BotRejectedError,
    401: BotAuthError,
    402: BotQuotaError,
    403: BotAuthError,
    404: BotNotFoundError,
    405: BotRejectedError,
    408: BotServerError,
    409: BotRejectedError,
    413: BotRejectedError,
    418: BotRejectedError,
    429: BotRateLimitError,
    500: BotServerError,
    502: BotServerError,
    503: BotServerError,
    504: BotServerError,
    522: BotServerError,
}
FORMS: dict[str, Callable[[Any], Any]] = {
    "code and message": lambda code: {"code": code, "message": "It is so."},
    "code and msg": lambda code: {"code": code, "msg": "It is so.", "data": None},
    "inside error": lambda code: {"error": {"code": code, "message": "It is so.", "status": 400}},
    "wrapped, in payload": lambda code: {"code": -50000, "payload": {"originalCode": code, "message": "It is so."}},
    "wrapped, in data": lambda code: {"code": "-50000", "message": "It is so.", "data": {"originalCode": code}},
    "wrapped, words outside": lambda code: {"code": -50000, "message": "It is so.", "payload": {"originalCode": code}},
}
INFO = {"code": 11, "message": "MessageInfo", "data": {"message_id": "m-1"}}
SAID = {"code": 3, "message": "Text", "data": "Twelve "}
END = {"code": 0, "message": "End", "data": None}


def written(code: str) -> list[int | str]:
    return [int(code), code] if code.isdecimal() else [code]


def error_of(status: int, body: Any, hidden: tuple[str, ...] = (), **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return refusal(ResponseHead(status, {name.replace("_", "-"): one for name, one in headers.items()}), raw, hidden)


def test_every_code_and_status_of_the_tables_is_tested_here() -> None:
    assert set(CODES) == set(ERROR_TABLE)
    assert set(STATUS_TABLE) <= set(STATUSES)


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_an_error_of_its_class_in_every_form_under_every_status_and_in_mid_stream(
    heard: Heard, code: str
) -> None:
    for body in (form(number) for form in FORMS.values() for number in written(code)):
        for status in (200, 400, 401, 404, 500):
            error = error_of(status, body)
            assert (type(error), error.code, error.http_status) == (CODES[code], code, status)
            assert "It is so." in str(error)
            assert str(error).startswith(f"gptbots: {status} {code}: ")
        first, later = heard(body).error, heard(INFO, SAID, body).error
        assert (type(first), first.code, first.http_status, first.in_stream) == (CODES[code], code, 200, False)
        assert (type(later), later.code, later.http_status, later.in_stream) == (CODES[code], code, 0, True)
        assert (later.partial_text, later.conversation_id, later.message_id) == ("Twelve ", "c-1", "m-1")
        assert later.retryable is False
        assert "It is so." in str(later)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Bad Gateway</body></html>",
        b"upstream connect error",
        b"[]",
        b'{"code":49999,"message":"New."}',
        b'{"timestamp":1,"error":"Not Found","path":"/"}',
        b'\xff\xfe{"code"',
    ],
    ids=lambda body: body[:12].decode("ascii", "replace"),
)
def test_without_a_code_that_is_known_the_status_says_the_class(body: bytes) -> None:
    for status, kind in STATUSES.items():
        error = error_of(status, body)
        assert (type(error), error.http_status) == (kind, status)
        assert str(error).startswith(f"gptbots: {status}")
        assert str(error).endswith(".")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": 401, "message": "Unauthorized"}, BotAuthError),
        ({"code": "429", "msg": "Slow down", "data": None}, BotRateLimitError),
        ({"code": 500, "message": "Oops", "data": None}, BotServerError),
        ({"code": 49999, "message": "New"}, BotServerError),
        ({"error": {"code": "slow_down", "message": "Slow down", "status": 429}}, BotRateLimitError),
        ({"error": {"message": "Forbidden", "status": 403}}, BotAuthError),
        ({"status": 404, "error": "Not Found", "path": "/v2/conversation/message"}, BotNotFoundError),
    ],
    ids=str,
)
def test_a_refusal_under_200_is_of_the_class_that_its_own_status_says(heard: Heard, body: Any, kind: Kind) -> None:
    assert type(error_of(200, body)) is kind
    played = heard(body)
    assert type(played.error) is kind
    assert (played.error.http_status, played.error.conversation_id) == (200, "c-1")


def test_a_code_that_is_not_known_is_a_refusal_from_20000_on_and_a_frame_below(heard: Heard) -> None:
    assert type(heard(INFO, {"code": 20000, "message": "New"}).error) is BotServerError
    assert heard(INFO, {"code": 19999, "message": "New", "data": None}, END).error is None
    assert type(heard(INFO, {"code": -7, "message": "New"}).error) is BotServerError
    assert type(heard(INFO, {"code": "NOT_TODAY", "message": "New"}).error) is BotServerError


def test_a_wrapper_with_nothing_inside_is_a_server_error(heard: Heard) -> None:
    error = heard(INFO, SAID, {"code": -50000, "message": "Run failed", "payload": None}).error
    assert (type(error), error.code) == (BotServerError, "-50000")
    assert "Run failed." in str(error)


@pytest.mark.parametrize("code", [0, 200, "0", "200", None, True, 0.0, [], {}], ids=repr)
def test_a_code_of_success_is_no_refusal(agent: GPTBotsAgent, drive: Drive, code: Any) -> None:
    body = {"code": code, "message": "OK", "data": {"conversation_id": "c-1"}}
    played = drive(agent.ask(Question("HI!", user="ann")), (ResponseHead(200, {}), orjson.dumps(body)), b"")
    assert played.error.conversation_id == "c-1"


def test_an_error_behind_the_end_changes_nothing(heard: Heard, framed: Any) -> None:
    played = heard(framed(SAID, END, {"code": 50000, "message": "Too late"}))
    assert (played.error, played.answer.text) == (None, "Twelve ")


def test_nothing_behind_an_error_is_taken(heard: Heard, framed: Any) -> None:
    error = heard(framed(SAID, {"code": 20022, "message": "No credits"}, SAID, END)).error
    assert (type(error), error.partial_text) == (BotQuotaError, "Twelve ")


@pytest.mark.parametrize("size", [1, 5, 4096])
@pytest.mark.parametrize("kind", ["text/plain", "application/json", "text/event-stream", ""])
def test_a_refusal_under_200_is_one_whatever_the_content_type_and_however_it_arrives(
    agent: GPTBotsAgent, drive: Drive, kind: str, size: int
) -> None:
    body = orjson.dumps({"code": 40127, "message": "No such key"}, option=orjson.OPT_INDENT_2)
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    flow = agent.ask(Question("HI!", conversation_id="c-1"))
    error = drive(flow, (ResponseHead(200, {"content-type": kind}), chunks)).error
    assert (type(error), error.code) == (BotAuthError, "40127")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<html>Log in</html>"),
        ("application/xhtml+xml", b"<html/>"),
        ("text/event-stream", b"<!doctype html>\n<title>Log in</title>\n"),
        ("text/event-stream", b"<html><title>Log in</title></html>"),
        ("text/plain", b"upstream connect error\n"),
        ("application/json", b"{'code': 3}\n"),
        ("application/json", b'{"a": ' * 20000 + b"1" + b"}" * 20000),
        ("application/json", b'{"conversation_id": "c-1"}'),
        ("", b"\x1f\x8b\x08\x00 is gzip\n"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_a_success_that_is_no_answer_is_a_protocol_error_that_shows_its_beginning(
    agent: GPTBotsAgent, drive: Drive, kind: str, body: bytes
) -> None:
    flow = agent.ask(Question("HI!", conversation_id="c-9"))
    error = drive(flow, (ResponseHead(200, {"content-type": kind}), body)).error
    assert isinstance(error, BotProtocolError)
    assert (error.conversation_id, str(error)[:9], len(str(error)) < 600) == ("c-9", "gptbots: ", True)


def test_a_frame_that_is_no_json_keeps_the_text_before_it(heard: Heard) -> None:
    error = heard(SAID, b"data: {'code': 3}\n\n", END).error
    assert (type(error), error.partial_text) == (BotProtocolError, "Twelve ")


def test_a_web_page_in_the_place_of_the_rest_keeps_the_text_before_it(heard: Heard) -> None:
    error = heard(SAID, b"<html>504 Gateway Time-out</html>").error
    assert (type(error), error.partial_text, "504 Gateway" in str(error)) == (BotProtocolError, "Twelve ", True)


def test_a_frame_of_ten_megabytes_is_taken_and_one_above_the_limit_is_not(heard: Heard) -> None:
    large = {"code": 3, "message": "Text", "data": "x" * 10_000_000}
    assert len(heard(large, END).answer.text) == 10_000_000
    error = heard(SAID, large, settings=Settings(max_event_bytes=1 << 20)).error
    assert (type(error), error.partial_text) == (BotProtocolError, "Twelve ")


@pytest.mark.parametrize("endless", [b"data: " + b"x" * 5000, b'data: {"code":3,"data":"' + b"x" * 5000, b":" * 5000])
def test_a_line_that_never_ends_is_refused_at_the_limit(heard: Heard, endless: bytes) -> None:
    error = heard(SAID, *[endless] * 3, settings=Settings(max_event_bytes=4096)).error
    assert (type(error), error.partial_text) == (BotProtocolError, "Twelve ")


def test_neither_key_nor_question_stand_in_an_error(agent: GPTBotsAgent, drive: Drive) -> None:
    text = 'My "secret" question <b>'
    echo = f"key {agent.api_key} asked {text}"
    bodies = [
        (ResponseHead(400, {"x-request-id": f"r-{agent.api_key}"}), orjson.dumps({"code": 40000, "message": echo})),
        (ResponseHead(502, {}), echo.encode()),
        (ResponseHead(200, {"content-type": "text/html"}), echo.encode()),
        (ResponseHead(200, {}), orjson.dumps({"code": f"E{agent.api_key}", "message": echo})),
        (ResponseHead(200, {}), orjson.dumps({"code": -50000, "payload": {"originalCode": 7, "message": echo}})),
        (ResponseHead(200, {}), echo.encode() + b"\n"),
        (ResponseHead(302, {"location": f"https://x.example.com/?key={agent.api_key}"}), b""),
    ]
    for reply in bodies:
        for question in (Question(text, conversation_id="c-1"), Question(text, user="ann")):
            played = drive(agent.ask(question), reply)
            told = f"{played.error}{played.error.details()}"
            assert isinstance(played.error, BotError)
            assert agent.api_key not in told
            assert "secret" not in told


def test_a_redirect_is_not_followed_and_says_where_it_leads() -> None:
    error = error_of(307, b"", location="https://api-jp.gptbots.ai/v2?x=1")
    assert "it redirects to https://api-jp.gptbots.ai/v2." in str(error)
    assert "base_url" in str(error)


@pytest.mark.parametrize(
    ("status", "code", "wait", "retryable", "wait_s"),
    [
        (429, 40001, "2", True, 2.0),
        (429, 0, "", True, None),
        (400, 40001, "", True, None),
        (503, 0, "3", True, 3.0),
        (503, 0, "", False, None),
        (500, 40001, "", False, None),
        (500, 50000, "1", False, 1.0),
        (402, 20022, "1", False, 1.0),
    ],
)
def test_what_may_be_posted_again_is_what_was_not_taken(
    status: int, code: int, wait: str, retryable: bool, wait_s: float | None
) -> None:
    error = error_of(status, {"code": code, "message": "No"}, retry_after=wait)
    assert (error.retryable, error.retry_after_s) == (retryable, wait_s)


def test_the_servers_id_of_the_request_is_kept() -> None:
    assert error_of(500, b"", x_request_id="r-1").request_id == "r-1"
    assert error_of(500, b"", x_trace_id="t-1").request_id == "t-1"


def test_an_error_comes_back_whole_from_a_pickle(heard: Heard) -> None:
    error = heard(INFO, SAID, {"code": 40356, "message": "Gone"}).error
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.details()) == (type(error), str(error), error.details())
