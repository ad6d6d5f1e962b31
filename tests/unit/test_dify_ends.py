"""When a Dify turn is over, how long is waited for what, and how a turn is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from remote_chatbots import (
    BotConnectError,
    BotServerError,
    BotTimeoutError,
    BotTransportError,
    BotTruncatedError,
    DifyApp,
    Finished,
    Question,
    Settings,
)
from remote_chatbots.flow import Abandoned, Aside, Read, Send, Sleep, Turn
from remote_chatbots.wire import ResponseHead

Play = Callable[..., Any]

TEXT = {"event": "message", "answer": "Rain."}
END = {"event": "message_end", "metadata": {}}
SPEECH = {"event": "tts_message", "audio": "//uQ"}
SPEECH_END = {"event": "tts_message_end", "audio": ""}
RUN = {"event": "workflow_started", "workflow_run_id": "r-1", "data": {"id": "r-1"}}
NODE = {"event": "node_finished", "data": {"id": "n-1", "status": "succeeded"}}
PAUSED = {"event": "workflow_paused", "data": {"reasons": []}}
ERROR = {"event": "error", "code": "internal_server_error", "status": 500, "message": "Lost."}

END_GRACE_S, SPEECH_S, OTHER_END_S, PROBE_S = 0.2, 7.0, 2.0, 3.0
SETTINGS = Settings(end_grace_s=END_GRACE_S, speech_wait_s=SPEECH_S, stop_wait_s=1.25, probe_after_s=PROBE_S)


def run_finished(status: str) -> dict[str, Any]:
    return {"event": "workflow_finished", "workflow_run_id": "r-1", "data": {"status": status, "error": None}}


@pytest.fixture
def patient() -> DifyApp:
    return DifyApp("app-secret-key-123", "https://dify.example.com/v1", settings=SETTINGS)


def question(**fields: Any) -> Question:
    return Question("Will it rain?", **{"user": "ann", **fields})


# Which read may wait how long


@pytest.mark.parametrize(
    ("events", "waits"),
    [
        pytest.param([TEXT, TEXT], [PROBE_S, None, None], id="text"),
        pytest.param([TEXT, END], [PROBE_S, None, END_GRACE_S], id="chat"),
        pytest.param([TEXT, SPEECH, END], [PROBE_S, None, None, SPEECH_S], id="speech that goes on after the end"),
        pytest.param(
            [TEXT, SPEECH, SPEECH_END, END], [PROBE_S, None, None, None, END_GRACE_S], id="speech that ended before"
        ),
        pytest.param(
            [TEXT, END, SPEECH, SPEECH, SPEECH_END],
            [PROBE_S, None, END_GRACE_S, SPEECH_S, SPEECH_S, END_GRACE_S],
            id="speech that begins after the end",
        ),
        pytest.param(
            [RUN, TEXT, END, run_finished("succeeded")], [PROBE_S, None, None, OTHER_END_S, END_GRACE_S], id="chatflow"
        ),
        pytest.param(
            [RUN, TEXT, run_finished("succeeded"), END],
            [PROBE_S, None, None, OTHER_END_S, END_GRACE_S],
            id="chatflow, the other order",
        ),
        pytest.param([RUN, NODE, TEXT], [PROBE_S, None, None, None], id="a node that succeeded is no run that did"),
        pytest.param([RUN, TEXT, run_finished("stopped")], [PROBE_S, None, None, END_GRACE_S], id="stopped"),
        pytest.param([RUN, TEXT, run_finished("partial-succeeded")], [PROBE_S, None, None, OTHER_END_S], id="partly"),
        pytest.param(
            [RUN, TEXT, END, run_finished("partial-succeeded")],
            [PROBE_S, None, None, OTHER_END_S, END_GRACE_S],
            id="partly, the other order",
        ),
        pytest.param([RUN, TEXT, run_finished("failed")], [PROBE_S, None, None, END_GRACE_S], id="failed"),
        pytest.param([RUN, TEXT, PAUSED], [PROBE_S, None, None, END_GRACE_S], id="paused"),
        pytest.param([TEXT, ERROR], [PROBE_S, None, END_GRACE_S], id="error"),
        pytest.param([RUN, TEXT, ERROR], [PROBE_S, None, None, END_GRACE_S], id="error in a run"),
    ],
)
def test_a_read_may_wait_as_long_as_something_may_still_come(
    told: Play, events: list[dict[str, Any]], waits: list[float | None]
) -> None:
    assert told(*events, settings=SETTINGS).waits == waits


def test_an_answer_of_2023_may_be_empty(told: Play) -> None:
    played = told({"id": "m-1", "answer": "", "created_at": 1679586595})

    assert played.error is None
    assert (played.answer.text, played.answer.message_id) == ("", "m-1")
    assert played.answer.finish_reason == "stop"


def test_what_comes_after_the_end_does_not_prolong_the_wait(told: Play) -> None:
    played = told(TEXT, END, {"event": "ping"}, {"event": "ping"}, settings=SETTINGS)

    _, _, first, second, third = [read.deadline for read in played.reads]
    assert first is second is third


@pytest.mark.parametrize(
    "events",
    [[TEXT, END], [TEXT, SPEECH, END], [RUN, TEXT, END], [RUN, TEXT, run_finished("succeeded")]],
    ids=["the end of the body", "the last of the speech", "workflow_finished", "message_end"],
)
@pytest.mark.parametrize(
    "then",
    [
        None,
        BotTruncatedError("dify: the connection broke.", platform="dify"),
        BotTimeoutError("dify: not a byte.", phase="silence", platform="dify"),
    ],
    ids=["does not come in time", "breaks", "runs into silence"],
)
def test_a_whole_answer_stays_whole_when_what_is_waited_for(
    patient: DifyApp, drive: Play, framed: Play, events: list[dict[str, Any]], then: Any
) -> None:
    played = drive(patient.ask(question()), [*map(framed, events), then])

    assert played.error is None
    assert played.answer.text == "Rain."
    assert played.events[-1] == Finished()


@pytest.mark.parametrize("events", [[TEXT], [RUN, TEXT, NODE]], ids=["chat", "chatflow"])
@pytest.mark.parametrize(
    "error",
    [
        BotTruncatedError("dify: the connection broke.", platform="dify"),
        BotTimeoutError("dify: not a byte.", phase="silence", platform="dify"),
    ],
    ids=["broke", "silence"],
)
def test_an_error_before_the_end_leaves_with_the_text_and_ids_so_far(
    patient: DifyApp, drive: Play, framed: Play, events: list[dict[str, Any]], error: BotTransportError
) -> None:
    played = drive(patient.ask(question()), [*map(framed, events), error])

    assert type(played.error) is type(error)
    assert (played.error.partial_text, played.error.task_id, played.error.message_id) == ("Rain.", "t-1", "m-1")
    assert played.error.message == error.message


@pytest.mark.parametrize("together", [True, False], ids=["in the same read", "in the next read"])
@pytest.mark.parametrize(
    "then", [b"data: [DONE]\n\n", b"data: <html>\n\n", b"data:\n\n"], ids=["DONE", "HTML", "empty"]
)
def test_what_a_proxy_adds_after_the_end_spoils_no_answer(
    patient: DifyApp, drive: Play, framed: Play, then: bytes, together: bool
) -> None:
    chunks = [framed(TEXT, END) + then] if together else [framed(TEXT, END), then]

    played = drive(patient.ask(question()), chunks)

    assert (played.error, played.answer.text) == (None, "Rain.")
    assert played.events[-1] == Finished()


def test_an_error_event_is_raised_also_when_the_connection_breaks_after_it(
    patient: DifyApp, drive: Play, framed: Play
) -> None:
    broken = BotTruncatedError("dify: the connection broke.", platform="dify")

    played = drive(patient.ask(question()), [framed(TEXT), framed(ERROR), broken])

    assert type(played.error) is BotServerError


# Leaving early


def test_leaving_tells_the_server_to_stop_and_reads_on_to_the_end(patient: DifyApp, drive: Play, framed: Play) -> None:
    chunks = [framed(TEXT), framed(TEXT), framed(TEXT, END), framed(TEXT)]

    played = drive(patient.ask(question()), chunks, leave_after=2)

    stop, *reads = played.effects_after_leaving
    assert (stop.request.method, stop.request.url) == (
        "POST",
        "https://dify.example.com/v1/chat-messages/t-1/stop",
    )
    assert orjson.loads(stop.request.body) == {"user": "ann"}
    assert stop.request.headers["Authorization"] == "Bearer app-secret-key-123"
    assert [type(effect) for effect in reads] == [Read, Read]
    assert (played.error, played.over) == (None, True)


def test_leaving_while_bytes_are_waited_for_is_the_same(patient: DifyApp, drive: Play, framed: Play) -> None:
    played = drive(patient.ask(question()), [framed(TEXT), Abandoned, framed(END), framed(TEXT)])

    assert [type(effect) for effect in played.effects_after_leaving] == [Aside, Read]
    assert (played.error, played.over) == (None, True)


@pytest.mark.parametrize(
    ("events", "reads"),
    [
        ([END], 1),
        ([TEXT, ERROR], 2),
        ([run_finished("stopped")], 1),
        ([NODE, run_finished("succeeded"), END], 2),
        ([], 1),
    ],
    ids=["message_end", "an error", "a stopped run", "a run that succeeded", "the end of the body"],
)
def test_after_leaving_the_reads_end_with(
    patient: DifyApp, drive: Play, framed: Play, events: list[dict[str, Any]], reads: int
) -> None:
    played = drive(patient.ask(question()), [framed(RUN), Abandoned, *map(framed, events)])

    assert [type(effect) for effect in played.effects_after_leaving] == [Aside, *[Read] * reads]
    assert (played.error, played.over) == (None, True)


def test_events_after_leaving_reach_nobody(patient: DifyApp, drive: Play, framed: Play) -> None:
    played = drive(patient.ask(question()), [framed(TEXT), framed(TEXT), framed(END)], leave_after=2)

    assert len(played.events) == 2
    assert played.answer.text == "Rain."


@pytest.mark.parametrize(
    "chunks",
    [[Abandoned], [b"event: ping\n\n", Abandoned], [b'data: {"event":"message","answer":"Rain."}\n\n', Abandoned]],
    ids=["no byte yet", "a ping", "text without ids"],
)
def test_without_a_task_id_nothing_can_be_stopped(patient: DifyApp, drive: Play, chunks: list[Any]) -> None:
    played = drive(patient.ask(question()), chunks)

    assert played.effects_after_leaving == []
    assert (played.error, played.over) == (None, True)


def test_leaving_before_the_reply_began_sends_nothing_more(patient: DifyApp, drive: Play) -> None:
    played = drive(patient.ask(question()), Abandoned)

    assert played.effects_after_leaving == []
    assert (played.error, played.over) == (None, True)


def test_leaving_between_two_tries_sends_nothing_more(patient: DifyApp, drive: Play) -> None:
    turn = Turn(patient.ask(question()))
    assert type(turn.resume()) is Send
    assert type(turn.resume(BotConnectError("dify: no connection."))) is Sleep

    assert turn.abandon() is None
    assert turn.over


def test_leaving_a_whole_answer_that_is_being_read_stops_nothing(patient: DifyApp, drive: Play) -> None:
    head = ResponseHead(200, {"content-type": "application/json"})

    played = drive(patient.ask(question(blocking=True)), (head, [b'{"task_id":"t-1",', Abandoned]))

    assert played.effects_after_leaving == []
    assert (played.error, played.over) == (None, True)


@pytest.mark.parametrize(
    "events",
    [[TEXT, END], [TEXT, ERROR], [RUN, TEXT, END], [RUN, TEXT, run_finished("succeeded")], [RUN, PAUSED]],
    ids=["message_end", "error", "message_end of a run", "workflow_finished", "paused"],
)
def test_a_turn_whose_end_has_come_is_not_stopped(
    patient: DifyApp, drive: Play, framed: Play, events: list[dict[str, Any]]
) -> None:
    played = drive(patient.ask(question()), [*map(framed, events), Abandoned])

    assert played.effects_after_leaving == []
    assert (played.error, played.over) == (None, True)


def test_an_end_that_came_with_the_text_at_which_the_caller_left_is_seen(
    patient: DifyApp, drive: Play, framed: Play
) -> None:
    played = drive(patient.ask(question()), [framed(TEXT, END)], leave_after=2)

    assert played.effects_after_leaving == []


@pytest.mark.parametrize(
    "outcome",
    [
        BotConnectError("dify: no connection."),
        BotTimeoutError("dify: not a byte.", phase="silence"),
        (ResponseHead(500, {}), b"Internal Server Error"),
        (ResponseHead(300, {}), b""),
        (ResponseHead(404, {"content-type": "text/html"}), b"<html>"),
    ],
    ids=["no connection", "silence", "500", "300", "404"],
)
def test_a_stop_that_fails_is_not_raised_and_not_waited_for(
    patient: DifyApp, drive: Play, framed: Play, outcome: Any
) -> None:
    chunks = [framed(TEXT), framed(TEXT), framed(END)]

    played = drive(patient.ask(question()), chunks, asides=[outcome], leave_after=2)

    assert [type(effect) for effect in played.effects_after_leaving] == [Aside]
    assert (played.error, played.over) == (None, True)


def test_the_stop_is_sent_for_the_user_who_asked(patient: DifyApp, drive: Play, framed: Play) -> None:
    played = drive(patient.ask(question(user="王芳")), [framed(TEXT), Abandoned])

    assert orjson.loads(played.effects_after_leaving[0].request.body) == {"user": "王芳"}


def test_a_turn_that_was_read_to_its_end_tells_nobody_to_stop(patient: DifyApp, drive: Play, framed: Play) -> None:
    played = drive(patient.ask(question()), [framed(TEXT), framed(END)])

    assert (played.asides, played.over) == ([], True)
