"""A server process that sends to a thousand clients at once, at a pace: one loop, one timer for each stream."""

from __future__ import annotations

import heapq
import selectors
import socket
import time
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection

from tests.benchmarks import wire
from tests.benchmarks.server_process import ServerProcess


class CrowdServer(ServerProcess):
    """The server, as its clients' process sees it. To be used in a `with`."""

    def __init__(self) -> None:
        super().__init__(_serve)

    def url(self, events: int, interval_ms: int) -> str:
        """Return the address under which so many text events are sent, one each `interval_ms`."""
        return f"http://127.0.0.1:{self._port}/{events}-{interval_ms}/v1"

    def latest_s(self) -> float:
        """Return by how much the latest event missed its moment, since this was last asked."""
        self._control.send("latest")
        latest: float = self._control.recv()
        return latest


@dataclass(slots=True)
class _Client:
    socket: socket.socket
    read: bytes = b""
    sent: int = 0
    events: int = 0
    interval_s: float = 0.0


class _Loop:
    def __init__(self, control: Connection) -> None:
        self._control = control
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listening.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._due: list[tuple[float, int, _Client]] = []
        self._order = count()  # of those that are due at one moment
        self._latest_s = 0.0
        self._pieces = wire.dify_chunks()
        self._end = wire.dify_end() + wire.LAST_CHUNK
        control.send(self._listening.getsockname()[1])

    def run(self) -> None:
        """Serve until the other process lets go of its end of the pipe."""
        while True:
            wait_s = max(self._due[0][0] - time.monotonic(), 0) if self._due else None
            for key, _ in self._selector.select(wait_s):
                if key.fileobj is self._listening:
                    self._accept()
                elif key.fileobj is not self._control:
                    self._read(key.data)
                elif not self._told():
                    return
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                at, _, client = heapq.heappop(self._due)
                self._latest_s = max(self._latest_s, now - at)
                self._send(client, at)

    def _told(self) -> bool:
        try:
            self._control.recv()
        except EOFError:
            return False
        self._control.send(self._latest_s)
        self._latest_s = 0.0
        return True

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._listening.accept()
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._selector.register(connection, selectors.EVENT_READ, _Client(connection))
        except BlockingIOError:
            pass

    def _read(self, client: _Client) -> None:
        try:
            more = client.socket.recv(65536)
        except ConnectionError:
            more = b""
        if not more:
            self._selector.unregister(client.socket)
            client.socket.close()
            return
        client.read += more
        head, blank, body = client.read.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if blank and len(body) >= length:
            events, _, interval_ms = head.split(b"/")[1].partition(b"-")
            client.read, client.sent, client.events = b"", 0, int(events)
            client.interval_s = int(interval_ms) / 1000
            client.socket.send(wire.HEAD)
            self._wait(client, time.monotonic())

    def _wait(self, client: _Client, at: float) -> None:
        heapq.heappush(self._due, (at, next(self._order), client))

    def _send(self, client: _Client, at: float) -> None:
        # What waits at a client is some kilobytes, and always finds room.
        try:
            client.socket.send(self._pieces[client.sent % len(self._pieces)])
            client.sent += 1
            if client.sent < client.events:
                self._wait(client, at + client.interval_s)
            else:
                client.socket.send(self._end)
        except OSError:
            pass  # the client has left


def _serve(control: Connection) -> None:
    _Loop(control).run()
