"""A server process that outruns its clients: raw sockets, bytes made beforehand, one thread for each connection."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Sequence
from functools import cache
from multiprocessing.connection import Connection
from typing import NamedTuple

from tests.benchmarks import wire
from tests.benchmarks.server_process import ServerProcess

HELD_S = 1.0  # so long a Dify 1.14 chatflow holds its body open (recorded: 1.14.2/chatflow-stream-1-first-turn)
FEW = 20


class Pause(NamedTuple):
    """Send nothing for so long, or until the client closes the connection."""

    seconds: float


class Stamped(NamedTuple):
    """Send this with the moment of sending in it."""

    template: bytes


class Repeated(NamedTuple):
    """Send this so many times."""

    data: bytes
    times: int


Step = bytes | Pause | Stamped | Repeated


@cache
def reply_to(asked: str) -> Sequence[Step]:
    """Return what is sent where the first part of the request's path is `asked`: a name, and a number after a dash."""
    name, _, number = asked.partition("-")
    ended = wire.dify_end() + wire.LAST_CHUNK
    match name:
        case "burst":  # as fast as the client takes it: everything in one call of the kernel's
            return [wire.HEAD + wire.dify_text(int(number)) + ended]
        case "openai":
            return [wire.HEAD + wire.openai_stream(int(number)) + wire.LAST_CHUNK]
        case "short":
            return [wire.HEAD + wire.dify_text(FEW) + ended]
        case "first":  # the first token alone; the pause keeps the rest out of the read that brings it
            return [wire.HEAD + wire.dify_text(1), Pause(0.005), wire.dify_text(FEW - 1) + ended]
        case "held":
            begun = wire.HEAD + wire.chatflow_start() + wire.dify_text(FEW, wire.CHATFLOW)
            return [begun, Stamped(wire.chatflow_end()), Pause(HELD_S), wire.LAST_CHUNK]
        case "paced":  # a token, which says when it was sent, and so many milliseconds; for a second
            token: list[Step] = [Stamped(wire.stamped_token()), Pause(int(number) / 1000)]
            return [wire.HEAD, *(token * (1000 // int(number))), ended]
        case "endless":  # so many blocks
            return [wire.HEAD, Repeated(wire.dify_text(wire.BLOCK), int(number)), ended]
        case "prose":  # the same, of text above all
            return [wire.HEAD, Repeated(wire.dify_prose(wire.BLOCK), int(number)), ended]
    raise ValueError(asked)


class Counts(NamedTuple):
    """What a server has seen of its clients: connections, and the bytes of their requests, heads included."""

    opened: int
    open_now: int
    received_bytes: int


class Server(ServerProcess):
    """The server, as its clients' process sees it. To be used in a `with`."""

    def __init__(self) -> None:
        super().__init__(_serve)

    def url(self, reply: str) -> str:
        """Return the address under which `reply` is sent (see `reply_to`)."""
        return f"http://127.0.0.1:{self._port}/{reply}/v1"

    def counts(self) -> Counts:
        """Return what was counted so far."""
        self._control.send("counts")
        return Counts(*self._control.recv())


class _Listener:
    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._lock = threading.Lock()
        self._opened = 0
        self._open = 0
        self._received_bytes = 0
        self.port: int = self._socket.getsockname()[1]

    def counts(self) -> tuple[int, int, int]:
        with self._lock:
            return self._opened, self._open, self._received_bytes

    def accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._opened += 1
                self._open += 1
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection:
                while (request := _request(connection)) is not None:
                    with self._lock:
                        self._received_bytes += request.size_bytes
                    if not _reply(connection, reply_to(request.asked)):
                        return
        except OSError:
            pass  # the client has left
        finally:
            with self._lock:
                self._open -= 1


class _Request(NamedTuple):
    asked: str  # the first part of its path
    size_bytes: int


def _request(connection: socket.socket) -> _Request | None:
    """Read one request; return None if the client has closed the connection."""
    read = b""
    while b"\r\n\r\n" not in read:
        if not (more := connection.recv(65536)):
            return None
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    length = next((int(h.split(b":")[1]) for h in headers if h.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        if not (more := connection.recv(65536)):
            return None
        body += more
    return _Request(line.split(b"/")[1].decode(), len(head) + 4 + len(body))


def _reply(connection: socket.socket, steps: Sequence[Step]) -> bool:
    """Send a reply; return whether the client is still there."""
    for step in steps:
        if isinstance(step, bytes):
            connection.sendall(step)
        elif isinstance(step, Repeated):
            for _ in range(step.times):
                connection.sendall(step.data)
        elif isinstance(step, Stamped):
            # Both processes read one clock: on Linux time.monotonic is the machine's.
            connection.sendall(wire.stamped(step.template, time.monotonic()))
        elif select.select([connection], [], [], step.seconds)[0]:
            return False  # nothing is asked before a reply is over: this is the end of the connection
    return True


def _serve(control: Connection) -> None:
    listener = _Listener()
    threading.Thread(target=listener.accept, daemon=True).start()
    control.send(listener.port)
    while True:
        try:
            control.recv()
        except (EOFError, KeyboardInterrupt):
            return
        control.send(listener.counts())
