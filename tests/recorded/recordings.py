"""Recordings of real Dify servers, and a reader of its own for what they say.

What the tests expect is computed here, from the recording alone: the reader splits the text at blank lines and parses
what stands after `data: `. It shares nothing with the library but the names of the errors.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from remote_chatbots import (
    BotAuthError,
    BotError,
    BotNotFoundError,
    BotRejectedError,
    BotServerError,
    BotTruncatedError,
)

WIRE = Path(__file__).parent / "wire"
VERSIONS = ("0.15.3", "1.14.2")
IDS = ("conversation_id", "message_id", "task_id", "workflow_run_id")

# What a refusal is, by HTTP status, Dify's code and the beginning of its message; the first that fits.
REFUSALS: tuple[tuple[int, str, str, type[BotError]], ...] = (
    (400, "completion_request_error", "", BotServerError),
    (400, "invalid_param", "Run failed:", BotServerError),
    (400, "invalid_param", "", BotRejectedError),
    (400, "not_chat_app", "", BotRejectedError),
    (400, "provider_not_initialize", "", BotRejectedError),
    (400, "bad_request_key_error", "", BotRejectedError),
    (400, "no_file_uploaded", "", BotRejectedError),
    (400, "filename_not_exists_error", "", BotRejectedError),
    (401, "unauthorized", "", BotAuthError),
    (403, "forbidden", "", BotAuthError),
    (404, "not_found", "", BotNotFoundError),
    (404, "file_not_found", "", BotNotFoundError),
    (415, "unsupported_audio_type", "", BotRejectedError),
    (504, "", "", BotServerError),  # HTML of nginx
)

_SMALL_CALL = re.compile(r"/v1/(messages|conversations|chat-messages/)")
_ABOUT_ITSELF = re.compile(r"/v1/(info|parameters|meta|site)\b")
_SPEECH = re.compile(r"/v1/(audio-to-text|text-to-audio)\b")
_THOUGHT = re.compile(r"<think>(.*?)</think>\s*", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Recording:
    """One exchange with a real server; `recording` makes one object of a file."""

    version: str
    name: str
    app: str = field(repr=False)
    note: str = field(repr=False)
    method: str = field(repr=False)
    target: str = field(repr=False)
    sent: Any = field(repr=False)
    status: int = field(repr=False)
    reason: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    pieces: tuple[bytes, ...] = field(repr=False)
    times_s: tuple[float, ...] = field(repr=False)
    whole: bool = field(repr=False)

    def __str__(self) -> str:
        return f"{self.version}/{self.name}"

    @property
    def path(self) -> Path:
        """The file."""
        return WIRE / self.version / f"{self.name}.json"

    @property
    def body(self) -> bytes:
        """The body of the response."""
        return b"".join(self.pieces)

    @property
    def streams(self) -> bool:
        """Whether the response is a stream of events."""
        return self.headers["Content-Type"].startswith("text/event-stream")


@dataclass(frozen=True)
class Failure:
    """How a turn failed."""

    kind: type[BotError]
    http_status: int | None = None
    code: str | None = None
    in_stream: bool | None = None


@dataclass
class Told:
    """What a recording says, read without the library: `text` as it came, with the model's thoughts in it."""

    text: str = ""
    ids: dict[str, str] = field(default_factory=lambda: dict.fromkeys(IDS, ""))
    created_at: int | None = None
    usage: dict[str, Any] | None = None
    resources: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    forms: list[dict[str, Any]] = field(default_factory=list)
    speech: bytes = b""
    events: list[dict[str, Any]] = field(default_factory=list)
    replaced: bool = False
    finish_reason: str = "stop"
    failure: Failure | None = None

    @property
    def answer(self) -> str:
        """The text without the thoughts."""
        return _THOUGHT.sub("", self.text)

    @property
    def reasoning(self) -> str:
        """The thoughts."""
        return "".join(_THOUGHT.findall(self.text))


@cache
def recording(version: str, name: str) -> Recording:
    """Return one recording."""
    told = json.loads((WIRE / version / f"{name}.json").read_text("utf-8"))
    request, response = told["request"], told["response"]
    whole = {"b64": response["body_b64"]} if "body_b64" in response else {"text": response.get("body", "")}
    entries = response.get("chunks") or [{**whole, "t_ms": response["t_end_ms"]}]
    return Recording(
        version=version,
        name=name,
        app=told["app"],
        note=told.get("note") or "",
        method=request["method"],
        target=request["path"],
        sent=request["body"],
        status=response["status"],
        reason=response["reason"],
        headers=response["headers"],
        pieces=tuple(base64.b64decode(e["b64"]) if "b64" in e else e["text"].encode() for e in entries),
        times_s=tuple(entry["t_ms"] / 1000 for entry in entries),
        whole=response["end"] == "complete",
    )


@cache
def questions() -> tuple[Recording, ...]:
    """Return every recording of `POST /v1/chat-messages`."""
    return tuple(each for each in every() if (each.method, each.target) == ("POST", "/v1/chat-messages"))


@cache
def calls_of_turn(exchange: Recording) -> tuple[Recording, ...]:
    """Return what a server is asked for a question: before one with files, what its app takes.

    Where that was not recorded, what another app says that takes pictures stands in its place.
    """
    if not exchange.sent.get("files"):
        return (exchange,)
    told = [one for one in calls_about_the_app() if one.version == exchange.version and "parameters" in one.name]
    same = next((one for one in told if one.app == exchange.app), recording(exchange.version, "chat-parameters-image"))
    return same, exchange


@cache
def small_calls() -> tuple[Recording, ...]:
    """Return every recording of what is kept of conversations and answers, and of the call that stops one."""
    return tuple(each for each in every() if _SMALL_CALL.match(each.target))


@cache
def calls_about_the_app() -> tuple[Recording, ...]:
    """Return every recording of what an app says of itself."""
    return tuple(each for each in every() if _ABOUT_ITSELF.match(each.target))


@cache
def calls_of_knowledge() -> tuple[Recording, ...]:
    """Return every recording of a search of a knowledge base, of the list of these, and of one's documents."""
    return tuple(each for each in every() if each.target.startswith("/v1/datasets"))


@cache
def speech() -> tuple[Recording, ...]:
    """Return every recording of what was heard or spoken."""
    return tuple(each for each in every() if _SPEECH.match(each.target))


@cache
def calls_of_files() -> tuple[Recording, ...]:
    """Return every recording of an upload, and of a file that is fetched."""
    return tuple(each for each in every() if each.target.startswith("/v1/files/"))


@cache
def every() -> tuple[Recording, ...]:
    """Return every recording."""
    return tuple(recording(path.parent.name, path.stem) for path in sorted(WIRE.glob("*/*.json")))


def meaning(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the JSON body of a question means to Dify: an absent or null id is "", no mode is blocking."""
    known = {"query", "user", "inputs", "conversation_id", "response_mode", "files"}
    assert set(sent) <= known, f"a body with more in it than this compares: {set(sent) - known}"
    return {
        "query": sent["query"],
        "user": sent["user"],
        "inputs": sent["inputs"],
        "conversation_id": sent.get("conversation_id") or "",
        "response_mode": sent.get("response_mode", "blocking"),
        "files": sent.get("files", []),
    }


def events_of(body: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream; what a cut left behind the last blank line is none."""
    blocks = body.decode().split("\n\n")[:-1]
    lines = [line for block in blocks for line in block.split("\n")]
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def told_by(exchange: Recording) -> Told:
    """Return what the server told in this exchange."""
    if exchange.status >= 400:
        return Told(failure=_refusal(exchange))
    if exchange.streams:
        return _told_by_events(events_of(exchange.body))
    answer = json.loads(exchange.body)
    told = Told(text=answer["answer"])
    _take_ids(told, answer)
    _take_metadata(told, answer)
    return told


def _refusal(exchange: Recording) -> Failure:
    is_json = exchange.headers["Content-Type"].startswith("application/json")
    said = json.loads(exchange.body) if is_json else {"code": "", "message": ""}
    return _failure(exchange.status, said, in_stream=False)


def _failure(status: int, said: Mapping[str, Any], *, in_stream: bool) -> Failure:
    for row_status, code, begins, kind in REFUSALS:
        if (status, said["code"]) == (row_status, code) and said["message"].startswith(begins):
            return Failure(kind, status, code, in_stream)
    raise AssertionError(f"REFUSALS has no row for {status} {said}")


def _told_by_events(events: list[dict[str, Any]]) -> Told:
    told = Told(failure=Failure(BotTruncatedError), events=events)
    stopped = False
    for event in events:
        _take_ids(told, event)
        match event["event"]:
            case "message" | "agent_message":
                told.text += event["answer"]
            case "message_replace":
                # 0.15.3 sends one although nothing was wrong, with the text that stands there already.
                told.replaced = told.replaced or event["answer"] != told.text
                told.text = event["answer"]
            case "tts_message":
                told.speech += base64.b64decode(event["audio"])
            case "message_end":
                _take_metadata(told, event)
                told.failure = None
            case "human_input_required":
                told.forms.append(event["data"])
            case "workflow_paused":
                told.finish_reason = "paused"
                told.failure = None
            case "workflow_finished" if event["data"]["status"] == "failed":
                # 1.14 says no more than this; it names neither a status nor a code.
                told.failure = Failure(BotServerError, 0, "", in_stream=True)
            case "workflow_finished":
                stopped = event["data"]["status"] == "stopped"
                told.failure = None
            case "error":
                told.failure = _failure(event["status"], event, in_stream=True)
    if told.replaced:
        told.finish_reason = "content_filter"
    elif stopped:
        told.finish_reason = "stopped"
    return told


def _take_ids(told: Told, event: Mapping[str, Any]) -> None:
    for name in IDS:
        told.ids[name] = told.ids[name] or event.get(name) or ""
    if told.created_at is None:
        told.created_at = event.get("created_at")


def _take_metadata(told: Told, event: Mapping[str, Any]) -> None:
    metadata = dict(event["metadata"])
    told.usage = metadata.pop("usage", None)
    told.resources = metadata.pop("retriever_resources", None) or []
    told.metadata = metadata | ({"files": event["files"]} if event.get("files") else {})
