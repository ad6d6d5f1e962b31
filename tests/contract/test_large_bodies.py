"""A large file on its way: both drivers send the same octets, with their length, and nobody holds the file twice."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import threading
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from remote_chatbots import (
    AsyncBotClient,
    Attachment,
    BotClient,
    BotError,
    BotRejectedError,
    BotTimeoutError,
    BotTruncatedError,
    BotUsageError,
    DifyApp,
    GPTBotsAgent,
    Question,
)
from remote_chatbots.contents import AsBase64, Base64Text, Content, FileOnDisk, Joined, Octets
from remote_chatbots.flow import Flow, Send, read_body
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.timeouts import Settings, Timeouts
from remote_chatbots.transports.aiohttp_driver import AiohttpTransport
from remote_chatbots.transports.requests_driver import RequestsTransport
from remote_chatbots.wire import HttpRequest
from tests.covering import covering

# What a driver may hold of a file that it sends: some slices, and what waits to be sent.
MOST_BYTES = 2 * 1024 * 1024
FILE = b"0123456789abcdef" * (20 * 1024 * 1024 // 16) + b"!"


REPLIES = {
    b"/files/upload": b'{"id": "f-1"}',
    b"/chat-messages": b'{"answer": "Seen.", "message_id": "m-1", "conversation_id": "c-1"}',
    b"/v1/conversation ": b'{"conversation_id": "c-1"}',
    b"/v2/conversation/message": b'{"message_id": "m-1", "output": [{"content": {"text": "Seen."}}]}',
}


STANDARD = Timeouts()


class Sink:
    """A server that keeps the heads of requests, and of their bodies a digest."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, int, str]] = []
        self.wait_s = 0.0  # after each megabyte
        self.refuses = False  # as a proxy does: at the first bytes
        self.lingers = False  # and reads on until its client has heard that; else it closes at once
        self._open: socket.socket | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._open is not None:
            with contextlib.suppress(OSError):  # a client whose turn failed may still hold its end
                self._open.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open = connection
            with connection, contextlib.suppress(ConnectionError):  # of a client that left in the middle
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        if self.refuses:
            connection.recv(1)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n413")
            if self.lingers:
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            return
        buffer, told = bytearray(65536), b""
        while b"\r\n\r\n" not in told:
            told += buffer[: connection.recv_into(buffer)]
        head, _, begun = told.partition(b"\r\n\r\n")
        lengths = [line[16:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        length = int(lengths[0]) if lengths else 0
        digest, left = hashlib.sha256(begun), length - len(begun)
        read_bytes = 0
        while left > 0 and (size := connection.recv_into(buffer, min(left, len(buffer)))):
            digest.update(memoryview(buffer)[:size])
            left -= size
            read_bytes += size
            if read_bytes > 1024 * 1024:
                read_bytes = 0
                time.sleep(self.wait_s)
        self.received.append((head, length - left, digest.hexdigest()))
        if not left:
            reply = next((said for part, said in REPLIES.items() if part in head.partition(b"\r\n")[0]), b"{}")
            told = f"Content-Type: application/json\r\nContent-Length: {len(reply)}\r\nConnection: close"
            connection.sendall(f"HTTP/1.1 200 OK\r\n{told}\r\n\r\n".encode() + reply)


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


def posted(driver: str, sink: Sink, body: bytes | Content, timeouts: Timeouts = STANDARD) -> None:
    request = HttpRequest("POST", sink.url, {"Content-Type": "application/octet-stream"}, body)

    def flow() -> Flow[None]:
        yield Send(request)
        yield from read_body(100, "dify")

    async def post() -> None:
        transport = AiohttpTransport(timeouts, Settings())
        async with transport.run(flow(), "dify") as run:
            async for _ in run:
                pass
        await transport.aclose()

    if driver == "aiohttp":
        asyncio.run(post())
    else:
        transport = RequestsTransport(timeouts, Settings())
        list(transport.run(flow(), "dify"))
        transport.close()


DRIVERS = ["requests", "aiohttp"]


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest, sink: Sink) -> str:
    posted(request.param, sink, b"what a library imports at its first use is no part of a body")
    sink.received.clear()
    return str(request.param)


def on_disk(tmp_path: Path) -> Content:
    path = tmp_path / "large.bin"
    path.write_bytes(FILE)
    return FileOnDisk(path)


CONTENTS: dict[str, Callable[[Path], Content]] = {
    "bytes": lambda _: Octets(FILE),
    "base64": lambda _: Base64Text(b64encode(FILE).decode()),
    "a file on disk": on_disk,
    "between other bytes": lambda _: Joined((Octets(b"begin "), Octets(FILE), Octets(b" end"))),
    "as base64": lambda _: AsBase64(Octets(FILE)),
}


@pytest.mark.parametrize(("kind", "driver"), covering(list(CONTENTS), DRIVERS), indirect=["driver"])
def test_a_large_body_is_sent_whole_with_its_length_and_never_held_again(
    driver: str, kind: str, tmp_path: Path, sink: Sink
) -> None:
    content = CONTENTS[kind](tmp_path)
    tracemalloc.start()
    try:
        posted(driver, sink, content)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    whole = b"".join(content)
    [(head, received_bytes, digest)] = sink.received
    assert (received_bytes, digest) == (len(content), hashlib.sha256(whole).hexdigest())
    assert b"chunked" not in head.lower()
    assert most_bytes < MOST_BYTES


def test_large_bytes_that_are_no_file_are_sent_in_slices_too(driver: str, sink: Sink) -> None:
    posted(driver, sink, FILE)

    [(_, received_bytes, digest)] = sink.received
    assert (received_bytes, digest) == (len(FILE), hashlib.sha256(FILE).hexdigest())


def test_a_file_that_is_changed_while_it_is_sent_says_so(driver: str, tmp_path: Path, sink: Sink) -> None:
    content = on_disk(tmp_path)
    (tmp_path / "large.bin").write_bytes(FILE[: len(FILE) // 2])

    with pytest.raises(BotUsageError, match="has another length than when it was given"):
        posted(driver, sink, content)


@pytest.mark.parametrize("kind", ["bytes", "a content"])
def test_a_large_body_may_take_longer_than_silence_may(driver: str, kind: str, sink: Sink) -> None:
    sink.wait_s = 0.15  # some three seconds in all
    posted(driver, sink, FILE if kind == "bytes" else Octets(FILE), Timeouts(silence_s=2.2))

    [(_, received_bytes, _)] = sink.received
    assert received_bytes == len(FILE)


def test_a_pause_in_which_a_body_is_read_may_take_longer_than_a_connection_may(driver: str, sink: Sink) -> None:
    body = FILE[: 5 * 1024 * 1024]
    sink.wait_s = 0.3
    posted(driver, sink, body, Timeouts(connect_s=0.2, silence_s=5))

    [(_, received_bytes, _)] = sink.received
    assert received_bytes == len(body)


def test_a_body_that_is_not_read_on_meets_the_limit_of_silence(sink: Sink) -> None:
    sink.wait_s = 1
    with pytest.raises(BotTimeoutError) as caught:
        posted("requests", sink, FILE, Timeouts(silence_s=0.3))
    sink.wait_s = 0
    assert caught.value.phase == "silence"


def test_a_refusal_of_a_large_file_is_heard_behind_all_of_it(sink: Sink) -> None:
    sink.refuses = sink.lingers = True
    app = DifyApp("app-1", sink.url)
    heard = [uploaded("requests", app, Attachment.from_bytes(DOCUMENT)) for _ in range(3)]

    assert [(type(error), error.http_status) for error in heard] == [(BotRejectedError, 413)] * 3


def test_a_refusal_of_a_large_file_whose_connection_is_closed_at_once_is_heard_or_a_break(
    driver: str, sink: Sink
) -> None:
    sink.refuses = True
    app = DifyApp("app-1", sink.url)
    heard = [uploaded(driver, app, Attachment.from_bytes(DOCUMENT)) for _ in range(5)]

    # The server closes a connection with bytes unread: where its reset overtakes the answer, nobody can read that.
    assert {type(error) for error in heard} <= {BotRejectedError, BotTruncatedError}
    assert {error.http_status for error in heard if isinstance(error, BotRejectedError)} <= {413}


def uploaded(driver: str, app: DifyApp, file: Attachment) -> BotError:
    async def upload() -> None:
        async with AsyncBotClient(app, user="ann") as client:
            await client.upload(file)

    try:
        if driver == "aiohttp":
            asyncio.run(upload())
        else:
            with BotClient(app, user="ann") as client:
                client.upload(file)
    except BotError as error:
        return error
    raise AssertionError("the upload was taken")


FILES: dict[str, Callable[[Path], Attachment]] = {
    "bytes": lambda _: Attachment.from_bytes(DOCUMENT),
    "base64": lambda _: Attachment.from_base64(b64encode(DOCUMENT).decode()),
    "a data url": lambda _: Attachment.from_url(f"data:text/plain;base64,{b64encode(DOCUMENT).decode()}"),
    "a path": lambda path: Attachment.from_path(written(path)),
}
DOCUMENT = FILE[: 8 * 1024 * 1024]


def written(folder: Path) -> Path:
    path = folder / "large.txt"
    path.write_bytes(DOCUMENT)
    return path


def asked(driver: str, bot: BotProtocol, file: Attachment) -> str:
    question = Question("What is it?", user="ann", files=[file], blocking=True)

    async def ask() -> str:
        async with AsyncBotClient(bot) as client:
            return (await client.ask(question)).text

    if driver == "aiohttp":
        return asyncio.run(ask())
    with BotClient(bot) as client:
        return client.ask(question).text


@pytest.mark.parametrize(
    ("kind", "platform", "driver"), covering(list(FILES), ["dify", "gptbots"], DRIVERS, pairs=True), indirect=["driver"]
)
def test_a_question_with_a_large_file_holds_it_no_second_time(
    driver: str, platform: str, kind: str, tmp_path: Path, sink: Sink
) -> None:
    bot: BotProtocol = DifyApp("app-1", sink.url) if platform == "dify" else GPTBotsAgent("app-1", sink.url)
    file = FILES[kind](tmp_path)
    tracemalloc.start()
    try:
        answer = asked(driver, bot, file)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert answer == "Seen."
    assert max(size for _, size, _ in sink.received) > len(DOCUMENT)
    assert most_bytes < MOST_BYTES
