"""A small HTTP server that plays a recording's bytes on a socket, in the recorded pieces or in others."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.recorded.recordings import Recording

# A client that is slower than the server gets several pieces in one read, whatever their chunks. With a breath between
# them it sees nearly every one by itself.
A_BREATH_S = 0.0002
Recut = Callable[[Sequence[bytes]], list[bytes]]


@dataclass(frozen=True)
class Reply:
    """What the server answers.

    Attributes:
        head: The status line and the headers, with the blank line.
        pieces: The body, in the pieces it is sent in.
        waits_s: How long to wait before each piece; the head goes out with the first.
        chunked: Whether each piece is one chunk of HTTP's chunked encoding.
        whole: Whether the body ends as HTTP wants it; if not, the connection is closed where the end should be.
        held_s: How long the body stays open after its last piece, unless `ReplayServer.release` is set before.
    """

    head: bytes
    pieces: tuple[bytes, ...]
    waits_s: tuple[float, ...]
    chunked: bool
    whole: bool
    held_s: float


@dataclass(frozen=True)
class Received:
    """A request as the server got it; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def reply_of(
    exchange: Recording,
    recut: Recut | None = None,
    *,
    apart_s: float = A_BREATH_S,
    time_scale: float = 0.0,
    held_s: float = 0.0,
) -> Reply:
    """Return the reply that plays `exchange`.

    Args:
        exchange: The recording.
        recut: Makes other pieces of the recorded ones. Default: the pieces as recorded.
        apart_s: How long to wait between two pieces.
        time_scale: Seconds of the test for a second of the recording. Default: its times play no part.
        held_s: See `Reply`.
    """
    pieces = tuple(piece for piece in (recut(exchange.pieces) if recut else exchange.pieces) if piece)
    chunked = "Transfer-Encoding" in exchange.headers
    headers = dict(exchange.headers)
    if not chunked:
        headers["Content-Length"] = str(sum(map(len, pieces)))
    lines = [f"HTTP/1.1 {exchange.status} {exchange.reason}", *(f"{name}: {headers[name]}" for name in headers)]
    waits_s = [0.0, *[apart_s] * len(pieces)][: len(pieces)]
    if time_scale:
        assert recut is None, "pieces of another cut have no times"
        before = (0.0, *exchange.times_s)
        waits_s = [(at - was) * time_scale for was, at in zip(before, exchange.times_s, strict=False)]
    return Reply("\r\n".join([*lines, "", ""]).encode(), pieces, tuple(waits_s), chunked, exchange.whole, held_s)


class ReplayServer:
    """Gives every request its reply, and when all are given the last one again, on a port that the system chooses.

    A context manager: when it is left, its port is free and its threads have ended.

    Attributes:
        received: The requests, in order.
        marks: What happened, in order: "last piece sent", "body ended", and what a test adds.
        release: Set it to end a body that is held open.
    """

    def __init__(self, *replies: Reply) -> None:
        self.received: list[Received] = []
        self.marks: list[str] = []
        self.release = threading.Event()
        self._replies = replies
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._over = False

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over = True
        self.release.set()
        # A thread that waits in accept notices a connection, and not everywhere that its socket is gone.
        socket.create_connection(self._listener.getsockname()).close()
        self._threads[0].join()
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._over:
                connection.close()
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        # A client may leave at any moment: that is no failure of the server.
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            while first := lines.readline():
                method, path, _ = first.decode().split(" ", 2)
                headers = {}
                while line := lines.readline().strip():
                    name, _, value = line.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = lines.read(int(headers.get("content-length", 0)))
                self.received.append(Received(method, path, headers, body))
                reply = self._replies[min(len(self.received), len(self._replies)) - 1]
                self._answer(connection, reply)
                if not reply.whole:
                    return

    def _answer(self, connection: socket.socket, reply: Reply) -> None:
        head = reply.head
        for piece, wait_s in zip(reply.pieces, reply.waits_s, strict=True):
            if wait_s:
                time.sleep(wait_s)
            connection.sendall(head + (b"%x\r\n%b\r\n" % (len(piece), piece) if reply.chunked else piece))
            head = b""
        self.marks.append("last piece sent")
        if reply.held_s:
            self.release.wait(reply.held_s)
        self.marks.append("body ended")
        if reply.whole and reply.chunked:
            connection.sendall(b"0\r\n\r\n")


def one_byte_at_a_time(pieces: Sequence[bytes]) -> list[bytes]:
    """Return each byte as a piece."""
    return [bytes([byte]) for byte in b"".join(pieces)]


def in_one_piece(pieces: Sequence[bytes]) -> list[bytes]:
    """Return all of it as one piece."""
    return [b"".join(pieces)]


def cut_at_random(seed: int) -> Recut:
    """Return a cut at thirty places that `seed` chooses, wherever they fall: in a key, in a character."""

    def recut(pieces: Sequence[bytes]) -> list[bytes]:
        body = b"".join(pieces)
        chosen = random.Random(seed).sample(range(1, len(body)), min(30, len(body) - 1))
        cuts = [0, *sorted(chosen), len(body)]
        return [body[start:end] for start, end in itertools.pairwise(cuts)]

    return recut


def with_crlf(pieces: Sequence[bytes]) -> list[bytes]:
    """Return the recorded pieces with CRLF for LF. Inside an event's JSON no line end stands raw."""
    return [piece.replace(b"\n", b"\r\n") for piece in pieces]


def cut_between_cr_and_lf(pieces: Sequence[bytes]) -> list[bytes]:
    """Return pieces that end in CR, with the LF that belongs to it at the beginning of the next."""
    return re.findall(rb"[^\r]+\r?", b"".join(with_crlf(pieces)))


def with_comments(pieces: Sequence[bytes]) -> list[bytes]:
    """Return one piece with a comment before every line and one for itself after every event."""
    body = re.sub(rb"^(?=data:|event:)", b": a comment\n", b"".join(pieces), flags=re.MULTILINE)
    return [body.replace(b"\n\n", b"\n\n:\n\n: data: {}\n\n")]
