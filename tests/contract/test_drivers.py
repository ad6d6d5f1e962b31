"""The drivers tell the truth: every test runs on both, against a server that does what the test says."""

from __future__ import annotations

import gzip
import json
import pickle
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from remote_chatbots import (
    AsyncBotClient,
    BotAuthError,
    BotClient,
    BotConnectError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
    BotTimeoutError,
    BotTruncatedError,
    DifyApp,
    Question,
    TextDelta,
)
from tests.contract.scripted import (
    CHUNKED,
    END,
    HEAD,
    KEY,
    LAST_CHUNK,
    Close,
    Driver,
    Reset,
    Scripted,
    Until,
    Wait,
    chunk,
    event,
    text,
)
from tests.tracebacks import with_locals

Serve = Callable[..., Scripted]
WHOLE = [CHUNKED, chunk(text("Hel", "lo")), chunk(END), LAST_CHUNK]
HELLO = Question("Hello?", user="anna")


def refusal(status: str, body: bytes, *headers: str) -> list[bytes]:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return ["\r\n".join(lines).encode() + b"\r\n\r\n" + body]


def test_an_answer_arrives_whole(serve: Serve, driver: Driver) -> None:
    turn = driver.one(serve(WHOLE).url)
    assert turn.error is None
    assert turn.answer.text == "Hello"
    assert turn.answer.conversation_id == "c-1"


def test_both_drivers_send_the_same_request(serve: Serve) -> None:
    server = serve(WHOLE)
    for name in ("requests", "aiohttp"):
        Driver(name).ask(server.url, Question("Grüße, 世界?", user="anna", inputs={"city": "Bergen"}))
    first, second = server.received
    assert first.line == second.line == "POST /v1/chat-messages HTTP/1.1"
    assert first.body == second.body
    assert json.loads(first.body)["query"] == "Grüße, 世界?"
    assert first.headers == second.headers
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.headers["accept-encoding"] == "identity"


def test_turns_in_a_row_share_one_connection(serve: Serve, driver: Driver) -> None:
    server = serve(WHOLE)
    turns = driver.ask(server.url, *[HELLO] * 30)
    assert [turn.error for turn in turns] == [None] * 30
    assert server.connections == 1


def test_a_body_held_open_does_not_hold_the_caller(serve: Serve, driver: Driver) -> None:
    released = threading.Event()
    server = serve([CHUNKED, chunk(text("Hello") + END), Until(released), LAST_CHUNK])
    turns = driver.ask(server.url, *[HELLO] * 3)
    assert [turn.answer.text for turn in turns] == ["Hello"] * 3
    assert not released.is_set()
    released.set()
    assert server.connections <= 3


def test_text_arrives_while_it_is_said(serve: Serve) -> None:
    more = threading.Event()
    server = serve([CHUNKED, chunk(text("Hel")), Until(more), chunk(text("lo") + END), LAST_CHUNK])
    said = []
    for one in BotClient(DifyApp(KEY, server.url)).stream(HELLO):
        if isinstance(one, TextDelta):
            said.append(one.text)
            more.set()  # the rest is sent only once the first piece has reached the caller
    assert said == ["Hel", "lo"]


async def test_text_arrives_while_it_is_said_async(serve: Serve) -> None:
    more = threading.Event()
    server = serve([CHUNKED, chunk(text("Hel")), Until(more), chunk(text("lo") + END), LAST_CHUNK])
    said = []
    async for one in AsyncBotClient(DifyApp(KEY, server.url)).stream(HELLO):
        if isinstance(one, TextDelta):
            said.append(one.text)
            more.set()
    assert said == ["Hel", "lo"]


def test_pieces_that_arrive_together_are_one_unless_asked_otherwise(serve: Serve, driver: Driver) -> None:
    server = serve(WHOLE)
    joined, apart = driver.ask(server.url, HELLO, Question("Hello?", user="anna", coalesce=False))
    assert [one.text for one in joined.events if isinstance(one, TextDelta)] == ["Hello"]
    assert [one.text for one in apart.events if isinstance(one, TextDelta)] == ["Hel", "lo"]


def test_nothing_listening_is_a_connect_error_that_may_be_retried(driver: Driver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = driver.one(f"http://127.0.0.1:{port}", max_retries=0).error
    assert isinstance(error, BotConnectError)
    assert error.retryable
    assert error.__cause__ is not None
    assert "Nothing was sent" in str(error)


def test_an_unknown_host_is_a_connect_error(driver: Driver) -> None:
    error = driver.one("http://no-such-host.invalid", max_retries=0).error
    assert isinstance(error, BotConnectError)


def test_a_server_without_tls_is_a_connect_error_not_to_be_retried(serve: Serve, driver: Driver) -> None:
    server = serve(WHOLE)
    error = driver.one(server.url.replace("http:", "https:"), max_retries=0).error
    assert isinstance(error, BotConnectError)
    assert not error.retryable


def test_a_connection_that_does_not_come_about_is_a_timeout_of_its_phase(driver: Driver) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):  # more than the queue holds: whoever comes now gets no answer at all
            peer = socket.socket()
            peer.setblocking(False)
            peer.connect_ex(full.getsockname())
            waiting.append(peer)
        error = driver.one(f"http://127.0.0.1:{full.getsockname()[1]}", timeout=(0.2, 5), max_retries=0).error
        for peer in waiting:
            peer.close()
    assert isinstance(error, BotTimeoutError)
    assert error.phase == "connect"
    assert error.retryable


def test_silence_before_the_head_is_a_timeout(serve: Serve, driver: Driver) -> None:
    server = serve([Wait(1)])
    error = driver.one(server.url, timeout=(5, 0.2)).error
    assert isinstance(error, BotTimeoutError)
    assert error.phase == "silence"
    assert not error.retryable
    assert len(server.received) == 1


def test_silence_in_the_middle_keeps_the_text_so_far(serve: Serve, driver: Driver) -> None:
    error = driver.one(serve([CHUNKED, chunk(text("Hel")), Wait(3)]).url, timeout=(5, 0.7)).error
    assert isinstance(error, BotTimeoutError)
    assert error.phase == "silence"
    assert error.partial_text == "Hel"
    assert (error.conversation_id, error.message_id, error.task_id) == ("c-1", "m-1", "t-1")


def test_silence_is_counted_from_the_last_byte(serve: Serve, driver: Driver) -> None:
    drops = [step for _ in range(12) for step in (chunk(text("a")), Wait(0.05))]
    begun = time.monotonic()
    error = driver.one(serve([CHUNKED, *drops, Wait(3)]).url, timeout=(5, 0.4)).error
    assert isinstance(error, BotTimeoutError)
    assert error.phase == "silence"
    assert error.partial_text == "a" * 12
    assert 0.9 < time.monotonic() - begun < 2


def test_a_trickle_meets_the_limit_of_the_whole_turn(serve: Serve, driver: Driver) -> None:
    drops = [step for _ in range(40) for step in (chunk(text("a")), Wait(0.05))]
    error = driver.one(serve([CHUNKED, *drops]).url, timeout=(5, 5, 0.4)).error
    assert isinstance(error, BotTimeoutError)
    assert error.phase == "total"
    assert error.partial_text.startswith("aa")


def test_the_limit_of_the_whole_turn_also_holds_before_the_head(serve: Serve, driver: Driver) -> None:
    error = driver.one(serve([Wait(1)]).url, timeout=(5, 5, 0.2)).error
    assert isinstance(error, BotTimeoutError)
    assert error.phase == "total"


@pytest.mark.parametrize(
    "ending",
    [[Close], [Reset], [LAST_CHUNK], [b"40\r\ndata: {\"event\": \"mess", Close]],
    ids=["closed", "reset", "polite end", "in the middle of a chunk"],
)  # fmt: skip
def test_a_stream_without_its_last_event_is_truncated(serve: Serve, driver: Driver, ending: list[object]) -> None:
    error = driver.one(serve([CHUNKED, chunk(text("Hel", "lo")), Wait(0.05), *ending]).url).error
    assert isinstance(error, BotTruncatedError)
    assert not error.retryable
    assert error.partial_text == "Hello"
    assert error.conversation_id == "c-1"


@pytest.mark.whole
@pytest.mark.parametrize("ending", [[Close], [Reset]], ids=["closed", "reset"])
def test_a_connection_that_dies_before_the_head_is_not_tried_again(
    serve: Serve, driver: Driver, ending: list[object]
) -> None:
    server = serve(ending)
    error = driver.one(server.url).error
    assert isinstance(error, BotTruncatedError)
    assert not error.retryable
    assert len(server.received) == 1


def test_how_a_connection_dies_after_the_last_event_is_no_error(serve: Serve, driver: Driver) -> None:
    turn = driver.one(serve([CHUNKED, chunk(text("Hello") + END), Reset]).url)
    assert turn.error is None
    assert turn.answer.text == "Hello"


def test_a_body_that_ends_with_the_connection_is_read_to_its_end(serve: Serve, driver: Driver) -> None:
    turn = driver.one(
        serve([HEAD + b"Connection: close\r\n\r\n", text("Hel"), Wait(0.02), text("lo") + END, Close]).url
    )
    assert turn.error is None
    assert turn.answer.text == "Hello"


def test_a_compressed_body_is_read_although_it_was_not_asked_for(serve: Serve, driver: Driver) -> None:
    body = gzip.compress(text("Hello") + END)
    turn = driver.one(
        serve([HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body]).url
    )
    assert turn.error is None
    assert turn.answer.text == "Hello"


def test_a_body_that_is_not_compressed_as_told_is_a_protocol_error(serve: Serve, driver: Driver) -> None:
    body = text("Hello") + END
    error = driver.one(
        serve([HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body]).url
    ).error
    assert isinstance(error, BotProtocolError)


def test_a_web_page_is_a_protocol_error_that_shows_its_beginning(serve: Serve, driver: Driver) -> None:
    page = b"<html><title>Welcome</title>" + b"x" * 500
    error = driver.one(serve(refusal("200 OK", page, "Content-Type: text/html")).url).error
    assert isinstance(error, BotProtocolError)
    assert "<html><title>Welcome" in str(error)
    assert "x" * 250 not in str(error)


def test_an_error_page_is_a_server_error(serve: Serve, driver: Driver) -> None:
    server = serve(refusal("502 Bad Gateway", b"<html>bad gateway", "Content-Type: text/html"))
    error = driver.one(server.url).error
    assert isinstance(error, BotServerError)
    assert error.http_status == 502
    assert len(server.received) == 1


def test_a_refusal_whose_body_hangs_is_told_by_its_status(
    serve: Serve, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remote_chatbots.flow.ERROR_BODY_WAIT_S", 0.1)
    error = driver.one(serve([b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n{", Wait(0.6)]).url).error
    assert isinstance(error, BotAuthError)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_refusal_that_ends_with_the_connection_is_read(serve: Serve, driver: Driver, version: str) -> None:
    body = b'{"code": "provider_quota_exceeded", "message": "Used up.", "status": 400}'
    head = f"HTTP/{version} 400 Bad Request\r\nConnection: close\r\n\r\n".encode()
    error = driver.one(serve([head + body, Close]).url).error
    assert isinstance(error, BotQuotaError)
    assert error.code == "provider_quota_exceeded"


def test_a_server_on_this_machine_is_reached_without_a_proxy(
    serve: Serve, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert driver.one(serve(WHOLE).url).answer.text == "Hello"


def test_put_off_for_now_is_tried_again_after_the_time_asked_for(serve: Serve, driver: Driver) -> None:
    later = refusal("429 Too Many Requests", b"{}", "Retry-After: 0")
    server = serve(later, later, WHOLE)
    turn = driver.one(server.url)
    assert turn.answer.text == "Hello"
    assert len(server.received) == 3


def test_put_off_too_often_is_a_rate_limit_error(serve: Serve, driver: Driver) -> None:
    server = serve(refusal("429 Too Many Requests", b"{}", "Retry-After: 0"))
    error = driver.one(server.url, max_retries=1).error
    assert isinstance(error, BotRateLimitError)
    assert error.retry_after_s == 0
    assert len(server.received) == 2


def test_no_redirect_is_followed(serve: Serve, driver: Driver) -> None:
    elsewhere = serve(WHOLE)
    server = serve(refusal("307 Temporary Redirect", b"", f"Location: {elsewhere.url}/chat-messages"))
    error = driver.one(server.url).error
    assert isinstance(error, BotReplyError)
    assert error.http_status == 307
    assert "base_url" in str(error)
    assert elsewhere.received == []


def test_netrc_does_not_take_the_place_of_the_key(
    serve: Serve, driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = serve(WHOLE)
    assert driver.one(server.url).error is None
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_proxy_from_the_environment_is_used(serve: Serve, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(WHOLE)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert driver.one("http://dify.invalid").answer.text == "Hello"
    assert proxy.received[0].line == "POST http://dify.invalid/v1/chat-messages HTTP/1.1"


def test_cookies_of_one_answer_do_not_go_with_the_next_question(serve: Serve, driver: Driver) -> None:
    server = serve([CHUNKED.replace(b"Transfer", b"Set-Cookie: a=b\r\nTransfer"), *WHOLE[1:]])
    driver.ask(server.url, HELLO, HELLO)
    assert "cookie" not in server.received[1].headers


def test_an_event_larger_than_allowed_is_a_protocol_error(serve: Serve, driver: Driver) -> None:
    error = driver.one(serve([CHUNKED, chunk(text("x" * 5000)), Wait(0.3)]).url, max_event_bytes=2000).error
    assert isinstance(error, BotProtocolError)
    assert "max_event_bytes" in str(error)


def test_an_event_of_ten_megabytes_arrives(serve: Serve, driver: Driver) -> None:
    long = "世" * (10 * 1024 * 1024 // 6)
    assert driver.one(serve([CHUNKED, chunk(text(long)), chunk(END), LAST_CHUNK]).url).answer.text == long


def test_a_huge_question_does_not_make_a_refusal_slow(serve: Serve, driver: Driver) -> None:
    body = b'{"code": "invalid_param", "message": "Too long.", "status": 400}'
    server = serve(refusal("400 Bad Request", body, "Content-Type: application/json"))
    (turn,) = driver.ask(server.url, Question("a(b*" * 500_000, user="anna"), timeout=(5, 10, 10))
    assert isinstance(turn.error, BotRejectedError)


def test_no_local_of_ours_shows_the_key_where_a_turn_fails(serve: Serve, driver: Driver) -> None:
    error = driver.one(serve(refusal("401 Unauthorized", b"{}")).url).error
    assert error is not None
    ours = with_locals(error, "/remote_chatbots/")
    assert ours
    assert KEY not in ours


def test_the_key_shows_in_no_error_and_no_repr(serve: Serve, driver: Driver) -> None:
    echo = json.dumps({"code": "unauthorized", "message": f"bad key {KEY} for Hello?", "status": 401}).encode()
    server = serve(refusal("401 Unauthorized", echo, "Content-Type: application/json"))
    error = driver.one(server.url).error
    assert isinstance(error, BotAuthError)
    shown = f"{error} {error!r} {vars(error)} {pickle.dumps(error)!r} {BotClient(DifyApp(KEY, server.url))!r}"
    assert KEY not in shown
    assert "Hello?" not in shown


def test_an_error_event_after_200_keeps_the_text_so_far(serve: Serve, driver: Driver) -> None:
    failure = event("error", code="completion_request_error", status=400, message="model gone")
    error = driver.one(serve([CHUNKED, chunk(text("Hel") + failure), LAST_CHUNK]).url).error
    assert isinstance(error, BotServerError)
    assert (error.in_stream, error.http_status, error.code) == (True, 400, "completion_request_error")
    assert error.partial_text == "Hel"
