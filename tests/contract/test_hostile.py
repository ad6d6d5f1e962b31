"""A server that trickles, floods, breaks off or lies: every clock holds, on both drivers alike, and one post a turn."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import Callable

import pytest
import requests

from remote_chatbots import (
    AsyncBotClient,
    BotAuthError,
    BotClient,
    BotProtocolError,
    BotRateLimitError,
    BotReplyError,
    BotServerError,
    BotTimeoutError,
    BotTruncatedError,
    DifyApp,
    Question,
    Settings,
    TextDelta,
    Timeouts,
)
from remote_chatbots.transports.decoding import MOST_BYTES, Decoder, UnreadableError
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
    Step,
    Wait,
    chunk,
    text,
)

Serve = Callable[..., Scripted]
WHOLE = [CHUNKED, chunk(text("Hel", "lo")), chunk(END), LAST_CHUNK]
HELLO = Question("Hello?", user="anna")
LONG = 100  # drops of 0.05 s: five seconds, where the clocks of these tests are shorter than one


def dripping(before: bytes, drop: bytes, times: int = LONG) -> list[Step]:
    return [before, *[step for _ in range(times) for step in (drop, Wait(0.05))]]


TRICKLES = {
    "the status line": dripping(b"HTTP/1.1 200 O", b"K"),
    "a line of the head": dripping(HEAD + b"X-Slow: ", b"a"),
    "interim heads": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints": dripping(b"", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"),
}
TRICKLES_BEHIND_TEXT = {
    "the length of a chunk": dripping(CHUNKED + chunk(text("Hel")), b"0"),
    "an extension of a chunk": dripping(CHUNKED + chunk(text("Hel")) + b"5;a=", b"a"),
    "the trailers": dripping(CHUNKED + chunk(text("Hel")) + b"0\r\n", b"X-T: a\r\n"),
}


@pytest.mark.parametrize("what", [*TRICKLES, *TRICKLES_BEHIND_TEXT])
def test_what_trickles_meets_the_limit_of_the_whole_turn(serve: Serve, driver: Driver, what: str) -> None:
    server = serve({**TRICKLES, **TRICKLES_BEHIND_TEXT}[what])
    began = time.monotonic()
    error = driver.one(server.url, timeout=(3, 3, 0.5)).error
    assert isinstance(error, BotTimeoutError)
    assert error.phase == "total"
    assert not error.retryable
    assert error.partial_text == ("Hel" if what in TRICKLES_BEHIND_TEXT else "")
    assert time.monotonic() - began < 3
    assert len(server.received) == 1


@pytest.mark.parametrize("what", TRICKLES)
def test_a_head_that_trickles_is_silence_without_a_limit_of_the_whole_turn(
    serve: Serve, driver: Driver, what: str
) -> None:
    began = time.monotonic()
    error = driver.one(serve(TRICKLES[what]).url, timeout=(3, 0.4)).error
    assert isinstance(error, BotTimeoutError)
    assert error.phase == "silence"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("what", ["the length of a chunk", "the trailers", "the body"])
def test_a_refusal_whose_body_trickles_is_told_by_its_status(
    serve: Serve, driver: Driver, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("remote_chatbots.flow.ERROR_BODY_WAIT_S", 0.2)
    head = b"HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n"
    drops = {"the length of a chunk": b"0", "the trailers": b"X-T: a\r\n", "the body": chunk(b"a")}
    began = time.monotonic()
    error = driver.one(serve(dripping(head + (b"0\r\n" if what == "the trailers" else b""), drops[what])).url).error
    assert isinstance(error, BotServerError)
    assert error.http_status == 502
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_body_of_a_redirect_is_not_read_to_its_end(
    serve: Serve, driver: Driver, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr("remote_chatbots.flow.ERROR_BODY_WAIT_S", 0.2)
    head = f"HTTP/1.1 {status} Moved\r\nLocation: /elsewhere?a=b\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    server = serve(dripping(head, chunk(b"a" * 1000)))
    began = time.monotonic()
    error = driver.one(server.url).error
    assert type(error) is BotReplyError
    assert error.http_status == status
    assert "it redirects to /elsewhere." in str(error)
    assert time.monotonic() - began < 2
    assert len(server.received) == 1


@pytest.mark.parametrize("what", [*TRICKLES, "the body"])
def test_leaving_takes_no_longer_than_stop_wait_s_when_the_stop_call_trickles(
    serve: Serve, driver: Driver, what: str
) -> None:
    answer = TRICKLES.get(what) or dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"a")
    server = serve([CHUNKED, chunk(text("Hel")), Wait(5)], answer)
    app = DifyApp(KEY, server.url, settings=Settings(stop_wait_s=0.3))
    began = time.monotonic()
    if driver.name == "requests":
        with BotClient(app).stream(HELLO) as run:
            next(run)
    else:

        async def leave() -> None:
            async with AsyncBotClient(app).stream(HELLO) as run:
                await anext(run)

        asyncio.run(leave())
    assert time.monotonic() - began < 2
    assert len(server.received) == 2


@pytest.mark.parametrize("what", ["the head", "the body"])
def test_a_look_into_a_silent_stream_that_trickles_is_bounded(
    serve: Serve, driver: Driver, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("remote_chatbots.flow.Aside.__new__.__defaults__", (0.3,), raising=True)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n" + (b"X: " if what == "the head" else b"\r\n")
    server = serve([CHUNKED, Wait(0.8), chunk(text("Hello") + END), LAST_CHUNK], dripping(head, b"a"))
    began = time.monotonic()
    turn = driver.one(server.url, probe_after_s=0.1)
    assert (turn.error, turn.answer.text) == (None, "Hello")
    assert time.monotonic() - began < 3


def test_half_a_chunks_length_at_the_time_of_the_look_breaks_nothing(serve: Serve, driver: Driver) -> None:
    whole = chunk(text("Hello") + END)
    silent = [CHUNKED, whole[:1], Wait(0.5), whole[1:], LAST_CHUNK]
    answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"]
    turn = driver.one(serve(silent, answer).url, probe_after_s=0.2)
    assert (turn.error, turn.answer.text) == (None, "Hello")


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_wait_that_the_whole_turn_has_no_time_for_is_the_refusal_itself(
    serve: Serve, driver: Driver, status: str
) -> None:
    refused = f"HTTP/1.1 {status}\r\nRetry-After: 5\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    server = serve([refused])
    began = time.monotonic()
    error = driver.one(server.url, timeout=(3, 3, 1)).error
    assert isinstance(error, (BotRateLimitError, BotServerError))
    assert error.retry_after_s == 5
    assert error.retryable
    assert time.monotonic() - began < 0.9
    assert len(server.received) == 1


@pytest.mark.whole
@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_failure_that_calls_itself_too_many_requests_is_not_posted_again(
    serve: Serve, driver: Driver, status: int
) -> None:
    body = b'{"code": "too_many_requests", "message": "Slow down.", "status": 429}'
    head = f"HTTP/1.1 {status} X\r\nRetry-After: 0\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server = serve([head + body], WHOLE)
    error = driver.one(server.url).error
    assert isinstance(error, BotReplyError)
    assert not error.retryable
    assert len(server.received) == 1


@pytest.mark.parametrize("lines", [[b"X-Big: " + b"a" * 20_000 + b"\r\n"], [b"X-%d: a\r\n" % n for n in range(90)]])
def test_a_large_head_is_taken(serve: Serve, driver: Driver, lines: list[bytes]) -> None:
    server = serve([CHUNKED[:-2] + b"".join(lines) + b"\r\n", *WHOLE[1:]])
    assert driver.one(server.url).answer.text == "Hello"


@pytest.mark.parametrize(
    "lines", [[b"X-Big: " + b"a" * 70_000 + b"\r\n"], [b"X-%d: a\r\n" % n for n in range(110)]], ids=["long", "many"]
)
def test_a_giant_head_is_an_error(serve: Serve, driver: Driver, lines: list[bytes]) -> None:
    server = serve([CHUNKED[:-2] + b"".join(lines) + b"\r\n", *WHOLE[1:]])
    assert isinstance(driver.one(server.url).error, BotTruncatedError)
    assert len(server.received) == 1


@pytest.mark.parametrize("cut", [b"HTTP/1.1 2", HEAD, HEAD + b"X-Half: a"], ids=["status", "between", "within"])
def test_a_head_that_was_cut_off_is_no_head(serve: Serve, driver: Driver, cut: bytes) -> None:
    assert isinstance(driver.one(serve([cut, Close]).url).error, BotTruncatedError)


def compressed(coding: str) -> bytes:
    body = text("Hello") + END
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return {"deflate": zlib.compress(body), "raw deflate": raw.compress(body) + raw.flush()}.get(
        coding, gzip.compress(body)
    )


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "deflate", "raw deflate", "identity"])
def test_a_known_coding_that_nobody_asked_for_is_read(serve: Serve, driver: Driver, coding: str) -> None:
    body = text("Hello") + END if coding == "identity" else compressed(coding)
    named = coding.removeprefix("raw ").encode()
    server = serve([HEAD + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (named, len(body)), body])
    turn = driver.one(server.url)
    assert (turn.error, turn.answer.text) == (None, "Hello")


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip"])
def test_a_coding_that_nobody_asked_for_and_that_is_not_read_is_a_protocol_error(
    serve: Serve, driver: Driver, coding: str
) -> None:
    body = gzip.compress(gzip.compress(text("Hello") + END))
    head = HEAD + f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert isinstance(driver.one(serve([head, body]).url).error, BotProtocolError)


@pytest.mark.parametrize("broken", ["in one piece", "in two"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "half"])
def test_compression_that_breaks_loses_nothing_of_what_came_before(
    serve: Serve, driver: Driver, whole: bool, broken: str
) -> None:
    packer = zlib.compressobj(wbits=31)
    body = packer.compress(text("Hel") + (END if whole else b"")) + packer.flush(zlib.Z_FULL_FLUSH)
    head = HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    noise = b"\xff" * 50
    pieces = [chunk(body + noise)] if broken == "in one piece" else [chunk(body), Wait(0.05), chunk(noise)]
    turn = driver.one(serve([head, *pieces, LAST_CHUNK]).url)
    if whole:
        assert (turn.error, turn.answer.text) == (None, "Hel")
    else:
        assert isinstance(turn.error, BotProtocolError)
        assert turn.error.partial_text == "Hel"


@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error"])
def test_a_bomb_of_compressed_bytes_is_not_blown_up(serve: Serve, driver: Driver, status: str) -> None:
    packer = zlib.compressobj(9, wbits=31)
    padding = packer.compress(b": " + b"\0" * 1_000_000 + b"\n\n")
    body = packer.compress(text("Hel")) + packer.flush(zlib.Z_SYNC_FLUSH) + padding
    body += b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(60)) + packer.flush()
    head = HEAD.replace(b"200 OK", status.encode())
    server = serve([head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body), body])
    error = driver.one(server.url).error
    assert isinstance(error, BotProtocolError if status == "200 OK" else BotServerError)
    assert len(server.received) == 1


def test_a_read_grows_to_no_more_than_it_may() -> None:
    decoder = Decoder("gzip")
    assert len(decoder.feed(gzip.compress(b"\0" * 100_000_000))) == MOST_BYTES
    with pytest.raises(UnreadableError):
        decoder.check()


def test_another_protocol_is_no_answer(serve: Serve, driver: Driver) -> None:
    server = serve([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"], WHOLE)
    first, second = driver.ask(server.url, HELLO, HELLO)
    assert isinstance(first.error, BotTruncatedError)
    assert second.answer.text == "Hello"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("200 OK", BotTruncatedError),
        ("204 No Content", BotTruncatedError),
        ("205 Reset Content", BotTruncatedError),
        ("304 Not Modified", BotReplyError),
        ("401 Unauthorized", BotAuthError),
        ("500 Internal Server Error", BotServerError),
    ],
)
def test_an_empty_body_is_not_waited_for(serve: Serve, driver: Driver, status: str, kind: type[Exception]) -> None:
    length = b"" if status[:3] in ("204", "304") else b"Content-Length: 0\r\n"
    server = serve([b"HTTP/1.1 %s\r\n%s\r\n" % (status.encode(), length)])
    began = time.monotonic()
    turns = driver.ask(server.url, HELLO, HELLO)
    assert all(isinstance(turn.error, kind) for turn in turns)
    assert time.monotonic() - began < 2
    assert server.connections == 1


def test_a_body_of_a_told_length_ends_where_it_was_told(serve: Serve, driver: Driver) -> None:
    body = text("Hello") + END
    server = serve([HEAD + b"Content-Length: %d\r\n\r\n" % len(body), body])
    turns = driver.ask(server.url, *[HELLO] * 5)
    assert [turn.answer.text for turn in turns] == ["Hello"] * 5
    assert server.connections == 1


@pytest.mark.parametrize("late", [False, True], ids=["at once", "later"])
def test_bytes_behind_an_answer_are_not_the_next_one(serve: Serve, driver: Driver, late: bool) -> None:
    forged = b"".join([CHUNKED, chunk(text("forged") + END), LAST_CHUNK])
    answer = b"".join([CHUNKED, chunk(text("true") + END), LAST_CHUNK])
    server = serve([answer, Wait(0.05), forged] if late else [answer + forged], [answer])
    app = DifyApp(KEY, server.url)

    async def ask() -> list[str]:
        client = AsyncBotClient(app)
        first = await client.ask(HELLO)
        await asyncio.sleep(0.2)
        return [first.text, (await client.ask(HELLO)).text]

    if driver.name == "aiohttp":
        assert asyncio.run(ask()) == ["true", "true"]
    else:
        client = BotClient(app)
        first = client.ask(HELLO).text
        time.sleep(0.2)
        assert [first, client.ask(HELLO).text] == ["true", "true"]


def test_a_connection_lies_idle_by_itself_whatever_others_of_the_thread_do(serve: Serve) -> None:
    silent = [CHUNKED, Wait(0.2), chunk(text("Hello") + END), LAST_CHUNK]
    look = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"]
    server = serve(silent, look, WHOLE, WHOLE, WHOLE, silent, look)
    client = BotClient(DifyApp(KEY, server.url, settings=Settings(probe_after_s=0.1, idle_s=0.4)))
    for _ in range(5):
        client.ask(HELLO)
        time.sleep(0.15)
    client.close()
    stream, first_look, *_, second_stream, second_look = [request.connection for request in server.received]
    assert stream == second_stream
    assert second_look not in (stream, first_look)


def test_a_session_of_the_callers_keeps_the_clocks_of_a_body(serve: Serve) -> None:
    server = serve(TRICKLES_BEHIND_TEXT["the length of a chunk"])
    began = time.monotonic()
    with requests.Session() as session, pytest.raises(BotTimeoutError) as caught:
        BotClient(DifyApp(KEY, server.url), timeout=Timeouts(3, 3, 0.4), session=session).ask(HELLO)
    assert (caught.value.phase, caught.value.partial_text) == ("total", "Hel")
    assert time.monotonic() - began < 2


def test_text_of_a_reader_that_is_slow_comes_before_the_error(serve: Serve) -> None:
    server = serve([CHUNKED, chunk(text("A")), chunk(text("B")), chunk(text("C")), Reset])
    said = []

    def listen() -> None:
        for one in BotClient(DifyApp(KEY, server.url)).stream(HELLO):
            if isinstance(one, TextDelta):
                said.append(one.text)
                time.sleep(0.1)

    with pytest.raises(BotTruncatedError):
        listen()
    assert "".join(said) == "ABC"


async def slowly(client: BotClient | AsyncBotClient) -> None:
    if isinstance(client, BotClient):
        for _ in client.stream(HELLO):
            time.sleep(0.05)
    else:
        async for _ in client.stream(HELLO):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", [BotClient, AsyncBotClient])
async def test_the_limit_of_the_whole_turn_holds_for_a_caller_slower_than_the_server(
    serve: Serve, kind: type[BotClient | AsyncBotClient]
) -> None:
    server = serve([CHUNKED, *[step for _ in range(200) for step in (chunk(text("a")), Wait(0.01))]])
    began = time.monotonic()
    with pytest.raises(BotTimeoutError) as caught:
        await slowly(kind(DifyApp(KEY, server.url), timeout=Timeouts(3, 3, 0.4)))
    assert caught.value.phase == "total"
    assert caught.value.partial_text.startswith("aa")
    assert time.monotonic() - began < 1.5
