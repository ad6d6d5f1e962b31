"""Events, and the answer they add up to."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest

from remote_chatbots import (
    Answer,
    Event,
    Finished,
    InputRequired,
    MediaProduced,
    Reasoning,
    Source,
    SourcesFound,
    Started,
    Step,
    TextDelta,
    TextReplaced,
    Unrecognized,
    Usage,
    UsageReported,
)
from remote_chatbots.answer import AnswerBuilder

PICTURE = MediaProduced("image", url="https://files.example.com/1.png", id="f-1")
SPEECH = MediaProduced("audio", data=b"\xff\xfb", mime_type="audio/mpeg")
SOURCES = (Source("West wind.", title="coast.md", score=0.77, position=1), Source("Rain.", title="hills.md"))
USAGE = Usage(812, 64, 876, Decimal("0.00016"), "USD", 1.7)


@pytest.mark.parametrize(
    ("events", "answer"),
    [
        pytest.param([], Answer(), id="no event"),
        pytest.param([TextDelta("Rain ")], Answer(text="Rain "), id="text"),
        pytest.param([TextDelta("Rain "), TextDelta("likely.")], Answer(text="Rain likely."), id="more text"),
        pytest.param([TextReplaced("[gone]")], Answer(text="[gone]", replaced=True), id="replaced text"),
        pytest.param(
            [TextDelta("bad"), TextReplaced("[gone]"), TextDelta(" Sorry.")],
            Answer(text="[gone] Sorry.", replaced=True),
            id="text on both sides of a replacement",
        ),
        pytest.param([TextDelta("bad"), TextReplaced("")], Answer(replaced=True), id="replaced by nothing"),
        pytest.param([Reasoning("West, "), Reasoning("so")], Answer(reasoning="West, so"), id="reasoning"),
        pytest.param(
            [Started("c-1", "m-1", "t-1", "r-1", 1767225600)],
            Answer(
                conversation_id="c-1", message_id="m-1", task_id="t-1", workflow_run_id="r-1", created_at=1767225600
            ),
            id="ids",
        ),
        pytest.param([Step("s-1", "node")], Answer(steps=(Step("s-1", "node"),)), id="a step"),
        pytest.param([PICTURE, SPEECH], Answer(media=(PICTURE, SPEECH)), id="media"),
        pytest.param([SourcesFound(SOURCES)], Answer(sources=SOURCES), id="sources"),
        pytest.param([UsageReported(USAGE)], Answer(usage=USAGE), id="usage"),
        pytest.param(
            [InputRequired({"form_id": "f-1"}), InputRequired({"form_id": "f-2"})],
            Answer(input_required=({"form_id": "f-1"}, {"form_id": "f-2"})),
            id="two forms",
        ),
        pytest.param(
            [Finished("stopped", {"annotation_reply": None})],
            Answer(finish_reason="stopped", metadata={"annotation_reply": None}),
            id="the end",
        ),
        pytest.param(
            [Unrecognized("new", {"a": 1}), Unrecognized("", [2])],
            Answer(unrecognized=(Unrecognized("new", {"a": 1}), Unrecognized("", [2]))),
            id="what is not known",
        ),
    ],
)
def test_each_event_changes_its_own_part_of_the_answer(events: list[Event], answer: Answer) -> None:
    assert Answer.of(events) == answer


def test_ids_that_come_later_are_added_and_erase_none() -> None:
    answer = Answer.of([Started("c-1", "m-1", created_at=7), Started(task_id="t-1"), Started(workflow_run_id="r-1")])

    assert (answer.conversation_id, answer.message_id, answer.task_id) == ("c-1", "m-1", "t-1")
    assert (answer.workflow_run_id, answer.created_at) == ("r-1", 7)


def test_the_ids_known_so_far_are_those_that_were_told() -> None:
    builder = AnswerBuilder()
    builder.add(Started("c-1", task_id="t-1", created_at=7))

    assert builder.ids() == {"conversation_id": "c-1", "task_id": "t-1"}


def test_a_step_that_comes_again_takes_the_place_of_the_older_one() -> None:
    first, other, again = Step("s-1", "thought"), Step("s-2", "thought"), Step("s-1", "thought", status="succeeded")

    assert Answer.of([first, other, again]).steps == (again, other)


def test_steps_of_different_kinds_are_two_even_under_one_id() -> None:
    node, loop = Step("1740005", "node"), Step("1740005", "loop")

    assert Answer.of([node, loop]).steps == (node, loop)


def test_a_builder_may_be_asked_before_the_end() -> None:
    builder = AnswerBuilder()
    builder.add(TextDelta("Rain "))
    early = builder.build()
    builder.add(TextDelta("likely."))

    assert (early.text, builder.text, builder.build().text) == ("Rain ", "Rain likely.", "Rain likely.")


@pytest.mark.parametrize(
    "value",
    [
        Started("c-1"),
        TextDelta("a"),
        TextReplaced("b", "output_moderation"),
        Reasoning("c"),
        Step("s-1", "node", raw={"a": 1}),
        SPEECH,
        SourcesFound(SOURCES),
        UsageReported(USAGE),
        InputRequired({"form_token": "tok"}),
        Finished("paused"),
        Unrecognized("new", [1]),
        Answer(text="a", sources=SOURCES, usage=USAGE, media=(PICTURE,)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_events_and_answers_survive_pickling(value: Any) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize(
    ("value", "field"), [(TextDelta("a"), "text"), (Answer(), "text"), (Usage(), "currency"), (Source(), "title")]
)
def test_events_and_answers_cannot_be_changed(value: Any, field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(value, field, "other")
