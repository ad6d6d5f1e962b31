"""Stop sequences: the answer ends before the first, wherever its text is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import orjson
import pytest

from remote_chatbots import (
    Answer,
    BotConnectError,
    BotTruncatedError,
    DifyApp,
    Event,
    Finished,
    Question,
    Reasoning,
    Settings,
    Step,
    TextDelta,
    TextReplaced,
)
from remote_chatbots.flow import Abandoned, Aside
from remote_chatbots.stopping import StopCutter

Drive = Callable[..., Any]


def cut(sequences: list[str], *pieces: str) -> tuple[str, bool]:
    """Return the text that `pieces` leave, and whether a sequence was found."""
    cutter = StopCutter(sequences)
    kept = [event for piece in pieces for event in cutter.cut([TextDelta(piece)])]
    return Answer.of([*kept, *cutter.rest()]).text, cutter.found


def splits(text: str) -> Iterator[list[str]]:
    """Yield `text` in every way it can be cut into pieces."""
    for mask in range(1 << max(len(text) - 1, 0)):
        at = [0, *(i for i in range(1, len(text)) if mask >> (i - 1) & 1), len(text)]
        yield [text[a:b] for a, b in pairwise(at)]


@pytest.mark.parametrize(
    ("sequences", "text", "kept", "found"),
    [
        pytest.param([], "Hello END", "Hello END", False, id="no sequence"),
        pytest.param(["END"], "Hello", "Hello", False, id="none in the text"),
        pytest.param(["END"], "Hi END more", "Hi ", True, id="one in the middle"),
        pytest.param(["END"], "END more", "", True, id="at the very beginning"),
        pytest.param(["END"], "Hello END", "Hello ", True, id="at the very end"),
        pytest.param(["END"], "Hi END END", "Hi ", True, id="twice"),
        pytest.param(["END"], "Hello EN", "Hello EN", False, id="begun at the end"),
        pytest.param(["END"], "EN EEND.", "EN E", True, id="begun before"),
        pytest.param(["\n\n"], "a\nb\n\nc", "a\nb", True, id="line ends"),
        pytest.param(["aab"], "aaaabc", "aa", True, id="overlapping itself"),
        pytest.param(["abab"], "ababab", "", True, id="overlapping its repetition"),
        pytest.param(["ab", "cd"], "xcdab", "x", True, id="the first of two in the text"),
        pytest.param(["cdx", "ab"], "1ab2cd", "1", True, id="the second of two alone"),
        pytest.param(["abc", "bcd"], "abdbcd", "abd", True, id="two that overlap"),
        pytest.param(["。", "！"], "好的！再见。", "好的", True, id="Chinese"),
        pytest.param(["👩‍👧"], "a👩‍👦👩‍👧b", "a👩‍👦", True, id="an emoji of several characters"),
        pytest.param(["x"], "", "", False, id="no text"),
    ],
)
def test_text_ends_before_the_first_sequence_however_it_is_cut(
    sequences: list[str], text: str, kept: str, found: bool
) -> None:
    for pieces in splits(text):
        assert cut(sequences, *pieces) == (kept, found), pieces


@pytest.mark.parametrize(
    ("sequences", "text"),
    [(["abc", "b"], "xabcx"), (["abcd", "bc"], "xabcdx"), (["aaa", "a"], "xaaax"), (["bc", "abc"], "xabcx")],
    ids=["one inside the other", "one in the other's middle", "one a part of the other", "one the other's end"],
)
def test_sequences_that_hold_each_other_give_one_result_however_the_text_is_cut(
    sequences: list[str], text: str
) -> None:
    assert len({cut(sequences, *pieces) for pieces in splits(text)}) == 1


def test_a_tail_that_may_become_a_sequence_is_held_back_until_it_is_clear() -> None:
    cutter = StopCutter(["END"])

    assert cutter.cut([TextDelta("the E")]) == [TextDelta("the ")]
    assert cutter.cut([TextDelta("N")]) == []
    assert cutter.cut([TextDelta("T.")]) == [TextDelta("ENT.")]
    assert cutter.rest() == []


def test_what_is_still_held_back_at_the_end_is_text() -> None:
    cutter = StopCutter(["END"])
    cutter.cut([TextDelta("the EN")])

    assert cutter.rest() == [TextDelta("EN")]
    assert cutter.rest() == []


def test_nothing_is_held_back_once_a_sequence_was_found() -> None:
    cutter = StopCutter(["END", "more"])
    cutter.cut([TextDelta("a END mo")])

    assert (cutter.rest(), cutter.cut([TextDelta("re b")])) == ([], [])


def test_without_sequences_events_pass_as_they_are() -> None:
    events: list[Event] = [TextDelta("a"), Reasoning("b"), TextDelta("")]

    assert StopCutter([]).cut(events) is events


def test_events_that_are_no_text_pass_also_after_a_sequence() -> None:
    step = Step("s-1", "node")

    events = StopCutter(["END"]).cut([step, TextDelta("a END"), Reasoning("END"), step, TextDelta("b"), Finished()])

    assert events == [step, TextDelta("a "), Reasoning("END"), step, Finished()]


def test_a_replacement_begins_the_text_anew() -> None:
    cutter = StopCutter(["END"])

    events = cutter.cut([TextDelta("a END b"), TextReplaced("new", "why"), TextDelta(" text")])

    assert events == [TextDelta("a "), TextReplaced("new", "why"), TextDelta(" text")]
    assert not cutter.found


def test_a_replacement_is_cut_as_well() -> None:
    cutter = StopCutter(["END"])

    assert cutter.cut([TextReplaced("new END more"), TextDelta("x")]) == [TextReplaced("new ")]
    assert cutter.found


def test_a_tail_held_back_from_withdrawn_text_is_withdrawn_too() -> None:
    cutter = StopCutter(["END"])
    cutter.cut([TextDelta("bad EN")])

    assert cutter.cut([TextReplaced("D")]) == [TextReplaced("D")]
    assert (cutter.found, cutter.rest()) == (False, [])


# In a turn

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
END = {"event": "message_end", "metadata": {"usage": USAGE, "retriever_resources": [{"document_name": "coast.md"}]}}
RUN = {"event": "workflow_started", "workflow_run_id": "r-1", "data": {}}
STOPPED_RUN = {"event": "workflow_finished", "data": {"status": "stopped", "error": "Stopped by user."}}


def message(text: str) -> dict[str, Any]:
    return {"event": "message", "answer": text}


@pytest.fixture
def app() -> DifyApp:
    return DifyApp(
        "app-key", "https://dify.example.com", settings=Settings(stop_wait_s=1.25, end_grace_s=0.2, probe_after_s=3.0)
    )


def question(*stop: str) -> Question:
    return Question("Will it rain?", user="ann", stop=stop)


def test_the_server_is_told_to_stop_and_the_turn_ends_with_its_usage(app: DifyApp, drive: Drive, framed: Any) -> None:
    chunks = [framed(message("Rain E")), framed(message("ND more")), framed(message("lost")), framed(END)]

    played = drive(app.ask(question("END")), chunks)

    (stop,) = played.asides
    assert (stop.method, stop.url) == ("POST", "https://dify.example.com/v1/chat-messages/t-1/stop")
    assert orjson.loads(stop.body) == {"user": "ann"}
    assert played.error is None
    assert [type(event).__name__ for event in played.events] == [
        "Started",
        "TextDelta",
        "UsageReported",
        "SourcesFound",
        "Finished",
    ]
    assert (played.answer.text, played.answer.finish_reason) == ("Rain ", "stop")
    assert played.answer.usage.total_tokens == 5


def test_the_closing_metadata_is_kept_when_a_sequence_ended_the_answer(app: DifyApp, drive: Drive, framed: Any) -> None:
    end = {"event": "message_end", "metadata": {"annotation_reply": None}, "files": [{"filename": "map.pdf"}]}

    played = drive(app.ask(question("END")), [framed(message("Rain END")), framed(end)])

    assert played.events[-1] == Finished("stop", {"annotation_reply": None, "files": [{"filename": "map.pdf"}]})


def test_the_text_before_a_sequence_is_given_before_the_server_is_told(app: DifyApp, drive: Drive, framed: Any) -> None:
    played = drive(app.ask(question("END")), [framed(message("Rain END"))], leave_after=2)

    assert played.events[1:] == [TextDelta("Rain ")]
    assert played.asides == []


@pytest.mark.parametrize("later", [False, True], ids=["in the first read", "in a later one"])
def test_the_end_is_waited_for_as_long_as_settings_say(app: DifyApp, drive: Drive, framed: Any, later: bool) -> None:
    begun = [framed(message("Hi. "))] if later else []

    played = drive(app.ask(question("END")), [*begun, framed(message("Rain END")), framed(message("x")), framed(END)])

    assert played.waits == [3.0, *[None] * len(begun), 1.25, 1.25, 0.2]
    assert played.reads[-3].deadline is played.reads[-2].deadline


def test_an_end_that_does_not_come_in_time_is_done_without(app: DifyApp, drive: Drive, framed: Any) -> None:
    played = drive(app.ask(question("END")), [framed(message("Rain END")), None])

    assert (played.error, played.answer.text) == (None, "Rain ")
    assert played.events[-1] == Finished("stop")


@pytest.mark.parametrize(
    "after",
    [
        [BotTruncatedError("dify: broken.")],
        [b'data: {"event":"error","code":"internal_server_error","message":"Lost."}\n\n'],
        [b"data: <html>Bad gateway</html>\n\n"],
        [],
    ],
    ids=["the connection breaks", "an error event", "an event that is no JSON", "the body ends"],
)
def test_however_the_server_ends_after_it_was_told_to_stop_is_no_error(
    app: DifyApp, drive: Drive, framed: Any, after: list[Any]
) -> None:
    played = drive(app.ask(question("END")), [framed(message("Rain END")), *after])

    assert (played.error, played.answer.text) == (None, "Rain ")
    assert played.events[-1] == Finished("stop")


def test_a_run_that_was_stopped_for_a_sequence_is_an_ordinary_stop(app: DifyApp, drive: Drive, framed: Any) -> None:
    played = drive(app.ask(question("END")), [framed(RUN, message("Rain END")), framed(STOPPED_RUN)])

    assert (played.answer.text, played.answer.finish_reason) == ("Rain ", "stop")


def test_the_server_is_told_once(app: DifyApp, drive: Drive, framed: Any) -> None:
    chunks = [framed(message("Rain END")), framed(message("END")), framed(message("END")), framed(END)]

    assert len(drive(app.ask(question("END")), chunks).asides) == 1


def test_a_stop_call_that_fails_changes_nothing(app: DifyApp, drive: Drive, framed: Any) -> None:
    chunks = [framed(message("Rain END")), framed(END)]

    played = drive(app.ask(question("END")), chunks, asides=[BotConnectError("dify: no connection.")])

    assert (played.error, played.answer.text, played.answer.usage.total_tokens) == (None, "Rain ", 5)


def test_without_a_task_id_the_answer_is_cut_all_the_same(app: DifyApp, drive: Drive) -> None:
    lines = [b'data: {"id":"old-1","answer":"%s","created_at":1}\n\n' % text for text in (b"Rain E", b"ND lost")]

    played = drive(app.ask(question("END")), lines)

    assert (played.error, played.answer.text, played.asides) == (None, "Rain ", [])


def test_a_held_back_tail_is_given_before_the_last_event(app: DifyApp, drive: Drive, framed: Any) -> None:
    played = drive(app.ask(question("END")), [framed(message("Rain EN")), framed(END)])

    assert played.asides == []
    assert [type(event).__name__ for event in played.events[-2:]] == ["TextDelta", "Finished"]
    assert (played.answer.text, played.answer.finish_reason) == ("Rain EN", "stop")


@pytest.mark.parametrize(
    "broken",
    [[BotTruncatedError("dify: broken.")], [b"data: <html>\n\n"], []],
    ids=["a broken connection", "an event that is no JSON", "the end of the body"],
)
def test_a_held_back_tail_is_part_of_what_was_said_before_an_error(
    app: DifyApp, drive: Drive, framed: Any, broken: list[Any]
) -> None:
    played = drive(app.ask(question("END")), [framed(message("Rain EN")), *broken])

    assert played.error.partial_text == "Rain EN"


def test_text_that_is_withdrawn_after_a_sequence_gives_way_to_the_new_text(
    app: DifyApp, drive: Drive, framed: Any
) -> None:
    replaced = {"event": "message_replace", "answer": "[removed]", "reason": "output_moderation"}

    played = drive(app.ask(question("END")), [framed(message("bad END")), framed(replaced), framed(END)])

    assert (played.answer.text, played.answer.replaced) == ("[removed]", True)


def test_a_caller_who_leaves_after_a_sequence_is_not_kept(app: DifyApp, drive: Drive, framed: Any) -> None:
    played = drive(app.ask(question("END")), [framed(message("Rain END")), Abandoned, framed(END)])

    assert (played.error, played.over) == (None, True)
    assert [type(effect) for effect in played.effects].count(Aside) == 1


def test_a_repeated_answer_is_not_doubled_while_its_tail_is_held_back(app: DifyApp, drive: Drive, framed: Any) -> None:
    events = [{"event": "agent_message", "answer": "Rain E"}, {"event": "message", "answer": "Rain E"}, END]

    played = drive(app.ask(question("END")), [framed(event) for event in events])

    assert played.answer.text == "Rain E"
