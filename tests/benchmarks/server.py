"""A server process that outruns its clients: raw sockets, bytes made beforehand, one thread for each connection."""

from __future__ import annotations

import multiprocessing
import select
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import NamedTuple, Self

from tests.benchmarks import wire

HELD_S = 1.0  # so long a Dify 1.14 chatflow holds its body open (recorded: 1.14.2/chatflow-stream-1-first-turn)
FEW = 20


class Pause(NamedTuple):
    """Send nothing for so long, or until the client closes the connection."""

    seconds: float


class Stamped(NamedTuple):
    """Send this with the moment of sending in it."""

    template: bytes


Step = bytes | Pause | Stamped


def replies(burst_events: int) -> Mapping[str, Sequence[Step]]:
    """Return what is sent, by the first part of the request's path."""
    ended = wire.dify_end() + wire.LAST_CHUNK
    return {
        # As fast as the client takes it: everything in one call of the kernel's.
        "burst": [wire.HEAD + wire.dify_text(burst_events) + ended],
        "openai": [wire.HEAD + wire.openai_stream(burst_events) + wire.LAST_CHUNK],
        "short": [wire.HEAD + wire.dify_text(FEW) + ended],
        # The first token alone; the pause keeps the rest out of the read that brings it.
        "first": [wire.HEAD + wire.dify_text(1), Pause(0.005), wire.dify_text(FEW - 1) + ended],
        "held": [
            wire.HEAD + wire.chatflow_start() + wire.dify_text(FEW, wire.CHATFLOW),
            Stamped(wire.chatflow_end()),
            Pause(HELD_S),
            wire.LAST_CHUNK,
        ],
    }


class Counts(NamedTuple):
    """Connections of a server's clients."""

    opened: int
    open_now: int


class Server:
    """The server, as its clients' process sees it. To be used in a `with`.

    Args:
        burst_events: How many text events the long replies have.
    """

    def __init__(self, burst_events: int = 1) -> None:
        fresh = multiprocessing.get_context("spawn")
        self._control, theirs = fresh.Pipe()
        self._process = fresh.Process(target=_serve, args=(theirs, burst_events), daemon=True)
        self._process.start()
        theirs.close()
        self._port: int = self._control.recv()

    def url(self, reply: str) -> str:
        """Return the address under which `reply` is sent."""
        return f"http://127.0.0.1:{self._port}/{reply}/v1"

    def counts(self) -> Counts:
        """Return how many connections were opened so far, and how many are open."""
        self._control.send("counts")
        return Counts(*self._control.recv())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._control.close()
        self._process.join(5)
        self._process.kill()


class _Listener:
    def __init__(self, burst_events: int) -> None:
        self._replies = replies(burst_events)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._lock = threading.Lock()
        self._opened = 0
        self._open = 0
        self.port: int = self._socket.getsockname()[1]

    def counts(self) -> tuple[int, int]:
        with self._lock:
            return self._opened, self._open

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
                while (path := _request(connection)) is not None:
                    if not _reply(connection, self._replies[path]):
                        return
        except OSError:
            pass  # the client has left
        finally:
            with self._lock:
                self._open -= 1


def _request(connection: socket.socket) -> str | None:
    """Read one request; return the first part of its path, None if the client has closed the connection."""
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
    return line.split(b"/")[1].decode()


def _reply(connection: socket.socket, steps: Sequence[Step]) -> bool:
    """Send a reply; return whether the client is still there."""
    for step in steps:
        if isinstance(step, bytes):
            connection.sendall(step)
        elif isinstance(step, Stamped):
            # Both processes read one clock: on Linux time.monotonic is the machine's.
            connection.sendall(wire.stamped(step.template, time.monotonic()))
        elif select.select([connection], [], [], step.seconds)[0]:
            return False  # nothing is asked before a reply is over: this is the end of the connection
    return True


def _serve(control: Connection, burst_events: int) -> None:
    listener = _Listener(burst_events)
    threading.Thread(target=listener.accept, daemon=True).start()
    control.send(listener.port)
    while True:
        try:
            control.recv()
        except (EOFError, KeyboardInterrupt):
            return
        control.send(listener.counts())
