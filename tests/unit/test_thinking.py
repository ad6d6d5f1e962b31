"""Thoughts told apart from the answer, wherever the text is cut."""

from __future__ import annotations

import pytest

from remote_chatbots import Answer, Event, Started, TextDelta, TextReplaced
from remote_chatbots.thinking import ThinkSplitter

TURNS = {
    "Plain, with 1 < 2 and <b>.": ("Plain, with 1 < 2 and <b>.", ""),
    "<think>Why not?</think>Yes.": ("Yes.", "Why not?"),
    "<think>\nWhy not?\n</think>\n\nYes.\n": ("Yes.\n", "\nWhy not?\n"),
    "First <think>hm</think> then <think>aha</think> last.": ("First  then  last.", "hmaha"),
    "<think></think>Yes": ("Yes", ""),
    "<think>never ended": ("", "never ended"),
    "<think>almost</thin": ("", "almost</thin"),
    "ends in <thi": ("ends in <thi", ""),
    "<<think>a</think>b": ("<b", "a"),
    "The mark `<think>` is quoted.": ("The mark `<think>` is quoted.", ""),
    "<think>x < y</think>雪": ("雪", "x < y"),
    "</think> alone": ("</think> alone", ""),
}


def answer_of(*events: Event) -> Answer:
    splitter = ThinkSplitter()
    told = [one for event in events for one in splitter.cut([event])]
    return Answer.of([*told, *splitter.rest()])


@pytest.mark.parametrize("said", TURNS)
def test_thoughts_and_answer_are_the_same_wherever_the_text_is_cut_in_two(said: str) -> None:
    for at in range(len(said) + 1):
        answer = answer_of(*(TextDelta(piece) for piece in (said[:at], said[at:]) if piece))
        assert (answer.text, answer.reasoning) == TURNS[said], at


@pytest.mark.parametrize("said", TURNS)
def test_thoughts_and_answer_are_the_same_letter_by_letter(said: str) -> None:
    answer = answer_of(*map(TextDelta, said))
    assert (answer.text, answer.reasoning) == TURNS[said]


def test_a_replacement_is_divided_by_itself() -> None:
    answer = answer_of(TextDelta("<think>old</thi"), TextReplaced("<think>new</think>Sorry.", "moderation"))
    assert answer.text == "Sorry."
    assert answer.reasoning == "oldnew"


def test_text_without_a_mark_passes_as_it_is() -> None:
    splitter = ThinkSplitter()
    events: list[Event] = [Started(message_id="m"), TextDelta("a"), TextDelta("b"), TextDelta(" c")]
    assert splitter.cut(events) == events
    assert splitter.rest() == []
