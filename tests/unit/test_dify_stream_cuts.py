"""Dify's streams, cut: in two at every byte, and off after every byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import orjson
import pytest

from remote_chatbots import (
    BotProtocolError,
    BotTruncatedError,
    DifyApp,
    Finished,
    Question,
    Started,
    TextDelta,
    Unrecognized,
)
from tests.covering import covering
from tests.unit.test_json_framing import at_any_byte

IDS = {"conversation_id": "c-1", "message_id": "m-1", "created_at": 1767225600, "task_id": "t-1"}
USAGE = {"prompt_tokens": 812, "completion_tokens": 64, "total_tokens": 876, "total_price": "0.0001602"}
RUN = {"workflow_run_id": "r-1"}
TEXT = "上海今天有雨 🌧️, 带伞。👩‍👩‍👧"
PIECES = ["上海今天", "有雨 🌧️", "", ", 带伞。", "👩‍👩‍👧"]


def message(text: str) -> dict[str, Any]:
    return {"event": "message", **IDS, "id": "m-1", "answer": text}


def message_end() -> dict[str, Any]:
    resources = [{"position": 1, "document_name": "天气.md", "content": "西风带来雨。"}]
    return {"event": "message_end", **IDS, "metadata": {"usage": USAGE, "retriever_resources": resources}}


def run(name: str, **data: Any) -> dict[str, Any]:
    return {"event": name, **IDS, **RUN, "data": data}


PING = None
CHAT = [PING, *map(message, PIECES[:2]), PING, *map(message, PIECES[2:]), message_end()]
CHATFLOW = [
    PING,
    run("workflow_started", id="r-1", inputs={"sys.query": "会下雨吗？"}),
    run("node_started", id="n-1", title="回答 💬"),
    *map(message, PIECES),
    run("node_finished", id="n-1", title="回答 💬", status="succeeded"),
]
STREAMS = {
    "chat": [*CHAT],
    "chatflow": [*CHATFLOW, message_end(), run("workflow_finished", status="succeeded")],
    "chatflow, the other order": [*CHATFLOW, run("workflow_finished", status="succeeded"), message_end()],
}


def compact(event: dict[str, Any]) -> bytes:
    """As 1.14 writes: no spaces, raw UTF-8."""
    return orjson.dumps(event)


def escaped(event: dict[str, Any]) -> bytes:
    """As 0.15 writes: spaces, and \\uXXXX escapes."""
    return json.dumps(event).encode()


def laid_out(events: list[Any], write: Callable[[dict[str, Any]], bytes]) -> tuple[bytes, list[tuple[int, Any]]]:
    """Return the stream's bytes, and where in them the JSON of each event ends."""
    body, ends = b"", []
    for event in events:
        if event is None:
            body += b"event: ping\n\n"
            continue
        body += b"data: " + write(event)
        ends.append((len(body), event))
        body += b"\n\n"
    return body, ends


LAID_OUT = covering(list(STREAMS), (compact, escaped), ids=lambda part: getattr(part, "__name__", part))


@pytest.fixture(params=[pytest.param(one.values, marks=one.marks, id=one.id) for one in LAID_OUT])
def stream(request: pytest.FixtureRequest) -> tuple[bytes, list[tuple[int, Any]]]:
    name, write = request.param
    return laid_out(STREAMS[name], write)


def test_the_whole_stream_gives_the_whole_answer(app: DifyApp, drive: Any, stream: Any) -> None:
    played = drive(app.ask(Question("会下雨吗？", user="ann")), [stream[0]])

    assert played.error is None
    assert (played.answer.text, played.answer.usage.total_tokens) == (TEXT, 876)
    assert [source.title for source in played.answer.sources] == ["天气.md"]


@at_any_byte
def test_a_stream_cut_in_two_at_any_byte_gives_the_same_answer(
    app: DifyApp, drive: Any, stream: Any, step: int
) -> None:
    body, _ = stream
    question = Question("会下雨吗？", user="ann")
    whole = drive(app.ask(question), [body]).answer

    for at in range(0, len(body) + 1, step):
        played = drive(app.ask(question), [part for part in (body[:at], body[at:]) if part])
        assert (played.error, played.answer) == (None, whole), f"cut at {at}"


def test_a_stream_byte_by_byte_gives_the_events_of_a_stream_event_by_event(
    app: DifyApp, drive: Any, stream: Any
) -> None:
    body, _ = stream
    question = Question("会下雨吗？", user="ann")
    events = drive(app.ask(question), [part + b"\n\n" for part in body.split(b"\n\n") if part]).events

    played = drive(app.ask(question), [body[at : at + 1] for at in range(len(body))])

    assert played.events == events
    assert [event.text for event in events if isinstance(event, TextDelta)] == [piece for piece in PIECES if piece]


@at_any_byte
def test_a_stream_cut_off_after_any_byte_is_truncated_or_whole(
    app: DifyApp, drive: Any, stream: Any, step: int
) -> None:
    body, ends = stream
    question = Question("会下雨吗？", user="ann")

    for at in range(0, len(body), step):
        arrived = [event for end, event in ends if end <= at]
        text = "".join(event.get("answer", "") for event in arrived)
        over = any(event["event"] in ("message_end", "workflow_finished") for event in arrived)
        played = drive(app.ask(question), [body[:at]] if at else [])

        if over:
            assert (played.error, played.answer.text) == (None, TEXT), f"cut off after {at}"
            assert played.events[-1:] == [Finished("stop", played.answer.metadata)], f"cut off after {at}"
        else:
            assert type(played.error) is BotTruncatedError, f"cut off after {at}"
            assert played.error.partial_text == text, f"cut off after {at}"
            assert played.error.message_id == ("m-1" if arrived else ""), f"cut off after {at}"
            assert not any(isinstance(event, Finished) for event in played.events), f"cut off after {at}"


def test_what_came_whole_before_the_cut_was_handed_on(app: DifyApp, drive: Any) -> None:
    body, ends = laid_out(STREAMS["chat"], compact)
    third = ends[2][0]

    played = drive(app.ask(Question("会下雨吗？", user="ann")), [body[: third - 1]])

    assert played.events == [
        Started("c-1", "m-1", "t-1", created_at=1767225600),
        TextDelta("上海今天有雨 🌧️"),
    ]


# What lies together in one read

READ_AT_ONCE = (
    *({"event": "message", "answer": text} for text in ("It", " ", "rai", "")),
    "neither object nor text",
    *({"event": "message", "answer": text} for text in ("ns", 7, ".")),
    {"event": "ping"},
    {"event": "message", "answer": " Not."},
    {"event": "message_end", "metadata": {}},
)


@pytest.mark.parametrize(
    ("coalesce", "pieces"), [(True, ["It rai", "ns. Not."]), (False, ["It", " ", "rai", "ns", ".", " Not."])]
)
def test_text_that_arrives_in_one_read_keeps_its_place_among_the_other_events(
    app: DifyApp, drive: Any, framed: Any, coalesce: bool, pieces: list[str]
) -> None:
    question = Question("Will it rain?", user="ann", coalesce=coalesce)

    played = drive(app.ask(question), framed(*READ_AT_ONCE))

    kinds = [type(event).__name__ for event in played.events]
    assert [event.text for event in played.events if isinstance(event, TextDelta)] == pieces
    assert kinds.index("Unrecognized") == kinds.index("Finished") - (2 if coalesce else 4)
    assert played.answer.text == "It rains. Not."


def test_text_in_one_read_with_what_is_no_json_is_handed_on_first(app: DifyApp, drive: Any, framed: Any) -> None:
    text = [{"event": "message", "answer": piece} for piece in ("It", " rains.")]

    played = drive(app.ask(Question("Will it rain?", user="ann")), framed(*text, *text) + b"data: {no JSON}\n\n")

    assert isinstance(played.error, BotProtocolError)
    assert played.error.partial_text == played.answer.text == "It rains.It rains."


def test_a_read_that_ends_between_the_two_line_ends_of_an_event_joins_the_next_to_nothing(
    app: DifyApp, drive: Any, framed: Any
) -> None:
    body = framed(*READ_AT_ONCE)
    ends = [at + 1 for at in range(len(body)) if body.startswith(b"\n\n", at)]

    played = drive(app.ask(Question("Will it rain?", user="ann")), [body[a:b] for a, b in pairwise([0, *ends, None])])

    assert played.answer.text == "It rains. Not."
    assert [event.raw for event in played.events if isinstance(event, Unrecognized)] == ["neither object nor text"]
