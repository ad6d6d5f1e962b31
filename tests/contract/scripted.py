"""A server that does exactly what a test tells it to, byte by byte; and both drivers behind one face."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp  # noqa: F401  # before any clock of a test runs: it takes a while to import

from remote_chatbots import Answer, AsyncBotClient, BotClient, DifyApp, Event, Question, Settings
from remote_chatbots.protocol import BotProtocol

KEY = "app-a-key-that-must-not-show"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Wait:
    """Send nothing for so long."""

    seconds: float


@dataclass(frozen=True)
class Until:
    """Send nothing until the test says so (for at most ten seconds)."""

    event: threading.Event


class Reset:
    """End the connection with a TCP reset."""


class Close:
    """End the connection politely."""


Step = bytes | Wait | Until | threading.Event | type[Reset] | type[Close]


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk of HTTP's chunked encoding."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


LAST_CHUNK = b"0\r\n\r\n"
IDS = {"conversation_id": "c-1", "message_id": "m-1", "task_id": "t-1", "created_at": 1}


def event(name: str, **keys: Any) -> bytes:
    """Return one event as Dify writes it."""
    return b"data: " + json.dumps({"event": name, **IDS, **keys}).encode() + b"\n\n"


def text(*pieces: str) -> bytes:
    """Return a message event for each piece."""
    return b"".join(event("message", answer=piece) for piece in pieces)


END = event("message_end", metadata={"usage": {"total_tokens": 3}})


@dataclass
class Received:
    """One request as it came over the socket."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Scripted:
    """A server that answers its n-th request with its n-th script; the last script serves all that follow."""

    scripts: Sequence[Sequence[Step]]
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    closed_by_client: int = 0
    deaf: bool = False  # reads nothing, says nothing

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._peers: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def close(self) -> None:
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._accepting.join()
        for peer in self._peers:
            with_suppressed(lambda peer=peer: peer.shutdown(socket.SHUT_RDWR))
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self._peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer, self.connections))
            self.connections += 1
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket, connection: int) -> None:
        with peer:
            while True:
                try:
                    while self.deaf:
                        if not peer.recv(65536):
                            return
                    request = _read_request(peer, connection)
                    if request is None:
                        self.closed_by_client += 1
                        return
                    with self._lock:
                        script = self.scripts[min(len(self.received), len(self.scripts) - 1)]
                        self.received.append(request)
                    for step in script:
                        if step is Close:
                            return
                        if step is Reset:
                            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                            return
                        if isinstance(step, Wait):
                            if self._over.wait(step.seconds):
                                return
                        elif isinstance(step, threading.Event):
                            step.set()
                        elif isinstance(step, Until):
                            step.event.wait(10)
                        else:
                            peer.sendall(step)
                except OSError:
                    self.closed_by_client += 1
                    return


def with_suppressed(act: Callable[[], Any]) -> None:
    with contextlib.suppress(OSError):
        act()


def _read_request(peer: socket.socket, connection: int) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = peer.recv(65536)
        if not more:
            return None
        data += more
        if data.startswith(b"\x16"):  # a TLS greeting
            peer.sendall(b"I speak no TLS\r\n")
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in fields)}
    while len(body) < int(headers.get("content-length", 0)):
        body += peer.recv(65536)
    return Received(line, headers, body, connection)


@dataclass
class Turn:
    """What a turn came to."""

    events: list[Event]
    answer: Answer
    error: Exception | None


class Driver:
    """Asks through one of the two clients, as a caller would."""

    def __init__(self, name: str) -> None:
        self.name = name

    def ask(self, url: str, *questions: Question, timeout: Any = (5, 5), key: str = KEY, **settings: Any) -> list[Turn]:
        """Ask one after the other with one client, and return what each came to."""
        return self.ask_bot(DifyApp(key, url, settings=Settings(**settings)), *questions, timeout=timeout)

    def ask_bot(self, bot: BotProtocol, *questions: Question, timeout: Any = (5, 5)) -> list[Turn]:
        """Ask any bot one after the other with one client, and return what each came to."""
        if self.name == "requests":
            return self._sync(BotClient(bot, timeout=timeout), questions)
        return asyncio.run(self._async(AsyncBotClient(bot, timeout=timeout), questions))

    def one(self, url: str, timeout: Any = (5, 5), **settings: Any) -> Turn:
        """Ask one question."""
        return self.ask(url, Question("Hello?", user="anna"), timeout=timeout, **settings)[0]

    def _sync(self, client: BotClient, questions: Sequence[Question]) -> list[Turn]:
        turns = []
        with client:
            for question in questions:
                run, events, error = client.stream(question), [], None
                try:
                    for one in run:
                        events.append(one)
                except Exception as raised:
                    error = raised
                turns.append(Turn(events, run.answer, error))
        return turns

    async def _async(self, client: AsyncBotClient, questions: Sequence[Question]) -> list[Turn]:
        turns = []
        for question in questions:
            run, events, error = client.stream(question), [], None
            try:
                async for one in run:
                    events.append(one)
            except Exception as raised:
                error = raised
            turns.append(Turn(events, run.answer, error))
        return turns
