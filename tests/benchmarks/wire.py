"""The bytes that the server sends: recorded events of Dify 1.14, and the same tokens in the shape of OpenAI's API."""

from __future__ import annotations

import json
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any

CHAT, CHATFLOW = "chat-stream-1-first-turn", "chatflow-stream-1-first-turn"
RECORDED = Path(__file__).parent.parent / "recorded" / "wire" / "1.14.2"
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"
# Where the server writes the moment of sending. As long as what is written there, so that the chunk's size holds.
SENT_AT = b"@@@@@@@@@@@@@@@@@@@"
BLOCK = 1000  # events that are sent over and over, where a reply is too long to be made beforehand


def stamped(template: bytes, sent_at_s: float) -> bytes:
    """Return `template` with the moment of sending in it."""
    return template.replace(SENT_AT, b"%019.6f" % sent_at_s)


def stamped_token() -> bytes:
    """Return a recorded text event whose text is the moment of sending, to be stamped with it."""
    event = {**json.loads(_text_events(CHAT)[0]), "answer": SENT_AT.decode()}
    return chunk(_event(_json(event)))


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk of HTTP's chunked encoding."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def pieces(count: int) -> list[str]:
    """Return the text of `count` events: the recorded answer, over and over."""
    return list(islice(cycle(json.loads(data)["answer"] for data in _text_events(CHAT)), count))


def dify_text(count: int, recording: str = CHAT) -> bytes:
    """Return `count` recorded text events, one in each HTTP chunk."""
    return b"".join(chunk(_event(data)) for data in islice(cycle(_text_events(recording)), count))


def text_of_prose(count: int) -> str:
    """Return the text of `dify_prose`."""
    return "".join(pieces(240)) * count


def dify_prose(count: int) -> bytes:
    """Return `count` recorded text events, each with a paragraph of the recorded text in place of a token."""
    event = {**json.loads(_text_events(CHAT)[0]), "answer": text_of_prose(1)}
    return chunk(_event(_json(event))) * count


def dify_chunks() -> list[bytes]:
    """Return the recorded text events, each in an HTTP chunk: those that `dify_text` sends over and over."""
    return [chunk(_event(data)) for data in _text_events(CHAT)]


def dify_end() -> bytes:
    """Return the recorded last event of a basic chat app: usage and sources."""
    return chunk(_event(_events(CHAT)[-1]))


def chatflow_end() -> bytes:
    """Return the two recorded last events of a chatflow, to be stamped with the moment of sending."""
    message_end, workflow_finished = (json.loads(data) for data in _events(CHATFLOW)[-2:])
    message_end["metadata"]["sent_at"] = SENT_AT.decode()
    return chunk(_event(_json(message_end))) + chunk(_event(_json(workflow_finished)))


def chatflow_start() -> bytes:
    """Return the recorded event that tells a client that a run is under way."""
    return chunk(_event(_events(CHATFLOW)[0]))


def openai_stream(count: int) -> bytes:
    """Return the same tokens as chat-completion chunks, one in each HTTP chunk (OpenAI API reference, "Streaming")."""
    deltas = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces(count)), {}]
    return b"".join(
        chunk(_event(_json(_completion(delta, "stop" if not delta else None)))) for delta in deltas
    ) + chunk(_event(b"[DONE]"))


def _completion(delta: dict[str, str], finish_reason: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-C0hTcVJd8Q2m5d1xq0R3wTn7yYbLk",
        "object": "chat.completion.chunk",
        "created": 1795206992,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_560af6e559",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}],
        "usage": None,
    }


@cache
def _text_events(recording: str) -> list[bytes]:
    return [data for data in _events(recording) if b'"event":"message",' in data and b'"answer":""' not in data]


@cache
def _events(recording: str) -> list[bytes]:
    """Return the data of the recorded events, as sent; a ping has none, and is not among them."""
    told = json.loads((RECORDED / f"{recording}.json").read_bytes())
    body = "".join(part["text"] for part in told["response"]["chunks"]).encode()
    return [event.removeprefix(b"data: ") for event in body.split(b"\n\n") if event.startswith(b"data: ")]


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
