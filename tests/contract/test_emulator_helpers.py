"""How the tests of the emulator ask it, what was recorded, and what really came over the socket."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import Emulator

# Profile to the folder of its recordings.
AGES = {"0.15": "0.15.3", "1.14": "1.14.2"}
WIRE = Path(__file__).parents[1] / "recorded" / "wire"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
FERRY = "When does the ferry to Gull Island leave?"

# The recorded apps had other variables than ours.
OUR_NAMES = {'"book"': '"guest"', "Alice": "Ann"}

# What an event means, as against what happened to be said.
TELLING = {
    "event",
    "reason",
    "status",
    "node_id",
    "node_type",
    "index",
    "predecessor_node_id",
    "from_variable_selector",
    "total_steps",
    "exceptions_count",
    "retriever_from",
    "data_source_type",
    "currency",
    "finish_reason",
    "position",
    "code",
    "mode",
    "has_more",
    "sys.dialogue_count",
}


def recording(age: str, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((WIRE / AGES[age] / f"{name}.json").read_text("utf-8"))
    return loaded


def recorded_events(age: str, name: str) -> list[dict[str, Any]]:
    text = "".join(chunk["text"] for chunk in recording(age, name)["response"]["chunks"])
    for theirs, ours in OUR_NAMES.items():
        text = text.replace(theirs, ours)
    return events_in(text)


def recorded_body(age: str, name: str) -> Any:
    text = recording(age, name)["response"]["body"]
    for theirs, ours in OUR_NAMES.items():
        text = text.replace(theirs, ours)
    return json.loads(text)


def bearer(emulator: Emulator, kind: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {emulator.key(kind)}"}


def question(query: str, user: str = "ann", **body: Any) -> dict[str, Any]:
    return {"inputs": {}, "query": query, "user": user, "response_mode": "streaming", **body}


def post(
    emulator: Emulator, query: str, *, kind: str = "chat", stream: bool = False, timeout: float = 5, **body: Any
) -> requests.Response:
    url = f"{emulator.dify_url}/chat-messages"
    return requests.post(
        url, json=question(query, **body), headers=bearer(emulator, kind), stream=stream, timeout=timeout
    )


def get(emulator: Emulator, path: str, *, kind: str = "chat", **query: Any) -> requests.Response:
    return requests.get(f"{emulator.dify_url}/{path}", params=query, headers=bearer(emulator, kind), timeout=5)


def stop(emulator: Emulator, task_id: str, *, kind: str = "chat", user: str = "ann") -> None:
    url = f"{emulator.dify_url}/chat-messages/{task_id}/stop"
    requests.post(url, json={"user": user}, headers=bearer(emulator, kind), timeout=5)


def events_in(text: str) -> list[dict[str, Any]]:
    blocks = text.split("\n\n")
    return [{"event": "ping"} if block == "event: ping" else json.loads(block[6:]) for block in blocks if block]


def turn(emulator: Emulator, query: str, **fields: Any) -> list[dict[str, Any]]:
    return events_in(post(emulator, query, **fields).content.decode())


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def answer_in(events: list[dict[str, Any]]) -> str:
    return "".join(event["answer"] for event in events if event["event"] in ("message", "agent_message"))


def history(emulator: Emulator, events: list[dict[str, Any]], kind: str = "chat", user: str = "ann") -> Any:
    held = next(event["conversation_id"] for event in events if "conversation_id" in event)
    return get(emulator, "messages", kind=kind, user=user, conversation_id=held).json()["data"]


def lines_of(response: requests.Response) -> Iterator[dict[str, Any]]:
    return (json.loads(line[6:]) for line in response.iter_lines(chunk_size=1) if line.startswith(b"data: "))


def shape(value: Any, key: str = "") -> Any:
    """Return the keys in their order and the types of values; texts, ids and numbers may differ."""
    if key in TELLING:
        return value
    if isinstance(value, dict):
        return [(name, shape(item, name)) for name, item in value.items()]
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


def collapsed(events: list[dict[str, Any]]) -> list[Any]:
    """Return the shapes of events with runs of text pieces taken together."""
    shapes = [shape(event) for event in events]
    texts = ("message", "agent_message")
    return [
        each
        for place, each in enumerate(shapes)
        if place == 0 or each != shapes[place - 1] or events[place]["event"] not in texts
    ]


@dataclass(frozen=True)
class Raw:
    """What came over the socket.

    Attributes:
        head: The status line and the headers.
        data: What followed, with HTTP's chunk marks.
        end: "complete", "closed" (politely, but too early), "reset" or "silent" (nothing came any more).
        took_s: How long it took.
    """

    head: str
    data: bytes
    end: str
    took_s: float

    @property
    def status(self) -> int:
        return int(self.head.split(" ")[1])

    def header(self, name: str) -> str | None:
        found = re.search(rf"(?im)^{name}: (.*?)\r?$", self.head)
        return found[1] if found else None

    @property
    def writes(self) -> list[bytes]:
        """The HTTP chunks, each of which the server wrote at once; the last may be cut."""
        found, rest = [], self.data
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size, 16)
            if length:
                found.append(rest[:length])
            rest = rest[length + 2 :]
        return found

    @property
    def body(self) -> bytes:
        return b"".join(self.writes) if self.header("Transfer-Encoding") else self.data


def ask_raw(
    emulator: Emulator, query: str, *, kind: str = "chat", patience_s: float = 5, silence_s: float = 5, **body: Any
) -> Raw:
    """Ask over a plain socket, wait so long for the first byte, and read until nothing comes for so long."""
    payload = json.dumps(question(query, **body)).encode()
    port = int(emulator.dify_url.split(":")[2].partition("/")[0])
    lines = [
        "POST /v1/chat-messages HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {emulator.key(kind)}",
        "Content-Type: application/json",
        "Accept-Encoding: identity",
        f"Content-Length: {len(payload)}",
    ]
    data, begun = b"", time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=patience_s) as peer:
        peer.sendall("\r\n".join([*lines, "", ""]).encode() + payload)
        while (end := _end_of(data)) is None:
            try:
                more = peer.recv(65536)
            except TimeoutError:
                end = "silent"
                break
            except ConnectionResetError:
                end = "reset"
                break
            if not more:
                end = "closed"
                break
            data += more
            peer.settimeout(silence_s)
    head, _, rest = data.partition(b"\r\n\r\n")
    return Raw(head.decode(), rest, end, time.monotonic() - begun)


def _end_of(data: bytes) -> str | None:
    head, blank, rest = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    over = len(rest) >= int(length[1]) if length else rest.endswith(b"\r\n0\r\n\r\n") or rest == b"0\r\n\r\n"
    return "complete" if blank and over else None


@pytest.mark.parametrize("age", AGES)
def test_the_plain_socket_and_requests_read_the_same(age: str) -> None:
    with Emulator(age, token_delay_s=0) as emulator:
        raw = ask_raw(emulator, "[[echo]] one two")
        assert (raw.status, raw.end) == (200, "complete")
        assert answer_in(events_in(raw.body.decode())) == answer_in(turn(emulator, "[[echo]] one two")) == "one two"
