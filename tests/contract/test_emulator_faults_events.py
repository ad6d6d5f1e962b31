"""Faults in the events of a stream, looked at over a plain socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from remote_chatbots.emulator import (
    CommentLines,
    DuplicateEnd,
    Emulator,
    EndEarly,
    ErrorEvent,
    ExtraPings,
    HugeEvent,
    ReducedErrorEvent,
    TextAfterEnd,
    UnknownEvents,
)
from tests.contract.test_emulator_helpers import FERRY, answer_in, ask_raw, events_in, history, kinds, post, turn

KINDS = ("chat", "agent-chat", "advanced-chat")
PING = b"event: ping\n\n"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.02) as running:
        yield running


@pytest.fixture
def older() -> Iterator[Emulator]:
    with Emulator("2023", token_delay_s=0) as running:
        yield running


def usual(kind: str, query: str = FERRY) -> list[dict[str, Any]]:
    """Return what a fresh server answers to its first question when nothing goes wrong."""
    with Emulator(token_delay_s=0, held_open_s=0) as fresh:
        return turn(fresh, query, kind=kind)


def data_events(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] != "ping"]


@pytest.mark.parametrize("after_events", [0, 1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_event_ends_the_stream_after_so_many_events(emulator: Emulator, kind: str, after_events: int) -> None:
    emulator.faults.add(ErrorEvent(after_events, code="provider_quota_exceeded", message="used up", status=400))
    raw = ask_raw(emulator, FERRY, kind=kind)
    *told, error = data_events(events_in(raw.body.decode()))
    assert raw.end == "complete"
    assert told == data_events(usual(kind))[:after_events]
    ids = {key: value for key, value in error.items() if key in ("conversation_id", "message_id", "created_at")}
    assert error == {
        "event": "error",
        **ids,
        "code": "provider_quota_exceeded",
        "status": 400,
        "message": "used up",
    }
    assert len(ids) == 3
    stored = history(emulator, [error], kind)[0]
    assert (stored["answer"], stored["status"], stored["error"]) == ("", "error", "used up")


@pytest.mark.parametrize("after_events", [0, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_reduced_error_event_has_no_code_and_no_ids_and_leaves_the_body_open(
    emulator: Emulator, kind: str, after_events: int
) -> None:
    emulator.faults.add(ReducedErrorEvent(after_events, message="no such thing"))
    raw = ask_raw(emulator, FERRY, kind=kind, silence_s=0.3)
    assert raw.end == "silent"
    assert raw.body.endswith(b'data: {"event":"error","message":"no such thing","status":500}\n\n')
    assert len(data_events(events_in(raw.body.decode()))) == after_events + 1


def test_the_body_of_a_reduced_error_event_can_end_later(emulator: Emulator) -> None:
    emulator.faults.add(ReducedErrorEvent(open_s=0.2))
    raw = ask_raw(emulator, FERRY)
    assert (raw.end, 0.2 <= raw.took_s < 3) == ("complete", True)


def test_in_2023_an_error_event_has_no_name(older: Emulator) -> None:
    older.faults.add(ErrorEvent(2, message="gone"))
    body = ask_raw(older, FERRY).body
    assert body.endswith(b'data: {"code": "completion_request_error", "message": "gone", "status": 400}\n\n')
    assert body.count(b"data: ") == 3


def test_in_2023_a_reduced_error_event_is_what_it_is_elsewhere(older: Emulator) -> None:
    older.faults.add(ReducedErrorEvent(open_s=0))
    told = b'data: {"event": "error", "message": "Run failed: internal error", "status": 500}\n\n'
    assert ask_raw(older, FERRY).body == told


@pytest.mark.parametrize(
    ("kind", "left_out", "last"),
    [
        ("chat", 1, "message"),
        ("agent-chat", 1, "agent_thought"),
        ("agent-chat", 2, "agent_message"),
        ("advanced-chat", 1, "message_end"),
        ("advanced-chat", 2, "node_finished"),
    ],
)
def test_a_stream_can_end_politely_without_its_last_events(
    emulator: Emulator, kind: str, left_out: int, last: str
) -> None:
    emulator.faults.add(EndEarly(left_out))
    raw = ask_raw(emulator, FERRY, kind=kind)
    told = events_in(raw.body.decode())
    assert raw.end == "complete"
    assert told == usual(kind)[:-left_out]
    assert told[-1]["event"] == last
    assert history(emulator, told, kind)[0]["answer"]


def test_a_stream_can_end_before_anything_is_told(emulator: Emulator) -> None:
    emulator.faults.add(EndEarly(10_000))
    raw = ask_raw(emulator, FERRY)
    assert (raw.status, raw.body, raw.end) == (200, b"", "complete")


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_can_come_twice(emulator: Emulator, kind: str) -> None:
    emulator.faults.add(DuplicateEnd())
    told = turn(emulator, FERRY, kind=kind)
    first = kinds(told).index("message_end")
    assert told[first] == told[first + 1]
    assert told[:first] + told[first + 1 :] == usual(kind)


@pytest.mark.parametrize(
    ("kind", "event"), [("chat", "message"), ("agent-chat", "agent_message"), ("advanced-chat", "message")]
)
def test_text_can_come_after_the_end(emulator: Emulator, kind: str, event: str) -> None:
    emulator.faults.add(TextAfterEnd(" Oh, and"))
    told = turn(emulator, FERRY, kind=kind)
    after = told[kinds(told).index("message_end") + 1]
    assert (after["event"], after["answer"]) == (event, " Oh, and")
    assert [each for each in told if each is not after] == usual(kind)


@pytest.mark.parametrize(
    ("kind", "event"), [("chat", "message"), ("agent-chat", "agent_message"), ("advanced-chat", "message")]
)
def test_an_event_can_be_huge(emulator: Emulator, kind: str, event: str) -> None:
    emulator.faults.add(HugeEvent())
    lines = post(emulator, "hello", kind=kind, timeout=30).content.split(b"\n\n")
    huge = [line for line in lines if len(line) > 10 * 1024 * 1024]
    assert len(huge) == 1
    assert huge[0].startswith(f'data: {{"event":"{event}"'.encode())
    assert lines.index(huge[0]) == (2 if kind == "advanced-chat" else 1)


def test_a_huge_event_can_be_as_large_as_one_likes(emulator: Emulator) -> None:
    emulator.faults.add(HugeEvent(size_bytes=5000, after_events=0))
    told = turn(emulator, "hello")
    assert told[0]["answer"] == "x" * 5000


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_unknown_events_come_between_the_others(emulator: Emulator, kind: str, every: int) -> None:
    emulator.faults.add(UnknownEvents(every))
    told = turn(emulator, FERRY, kind=kind)
    known = [event for event in told if event["event"] != "tide_table"]
    assert known == usual(kind)
    assert len(told) - len(known) == len(data_events(known)) // every


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_pings_come_between_the_events(emulator: Emulator, kind: str, every: int) -> None:
    with Emulator(token_delay_s=0, held_open_s=0) as fresh:
        events = ask_raw(fresh, FERRY, kind=kind).body.removeprefix(PING).split(b"\n\n")[:-1]
    emulator.faults.add(ExtraPings(every))
    body = ask_raw(emulator, FERRY, kind=kind).body
    expected = b"".join(
        event + b"\n\n" + (PING if number % every == 0 else b"") for number, event in enumerate(events, 1)
    )
    assert body == (PING if kind == "advanced-chat" else b"") + expected


@pytest.mark.parametrize("profile", ["2023", "0.15", "1.14"])
def test_comment_lines_come_right_before_the_events(profile: str) -> None:
    with Emulator(profile, token_delay_s=0) as fresh:
        plain = ask_raw(fresh, FERRY).body
    with Emulator(profile, token_delay_s=0) as commented:
        commented.faults.add(CommentLines(text="still here"))
        body = ask_raw(commented, FERRY).body
    assert body == plain.replace(b"data: ", b": still here\ndata: ")


def test_a_comment_can_come_before_every_second_event(emulator: Emulator) -> None:
    emulator.faults.add(CommentLines(every_events=2))
    body = ask_raw(emulator, FERRY).body
    blocks = body.split(b"\n\n")[:-1]
    assert [block.startswith(b": keep-alive\n") for block in blocks[:4]] == [False, True, False, True]


def test_faults_of_events_go_together(emulator: Emulator) -> None:
    emulator.faults.add(TextAfterEnd("!"), DuplicateEnd(), UnknownEvents(every_events=4), ExtraPings(every_events=2))
    told = turn(emulator, "[[echo]] one two")
    assert answer_in(told) == "one two!"
    assert kinds(told).count("message_end") == 2
    assert kinds(told).count("ping") == len(data_events(told)) // 2


def test_a_blocking_answer_knows_no_events(emulator: Emulator) -> None:
    emulator.faults.add(ErrorEvent(0), ExtraPings())
    response = post(emulator, "[[echo]] hello", response_mode="blocking")
    assert (response.status_code, response.json()["answer"]) == (200, "hello")
    assert len(emulator.faults) == 0
