"""Citation marks in the text, wherever it is cut."""

from __future__ import annotations

import pytest

from remote_chatbots import Answer, Source, SourcesFound, TextDelta, TextReplaced
from remote_chatbots.platforms.gptbots.marks import CornerMarks

SAID = "Staff have 25 days$[1]$. It costs $18.50 or $[ or $[x]$! Twelve are left.$[2]$$[1]$ 真的吗？是的$[3]$。$"
CLEAN = "Staff have 25 days. It costs $18.50 or $[ or $[x]$! Twelve are left. 真的吗？是的。$"
SPANS = {1: ["Staff have 25 days", "Twelve are left."], 2: ["Twelve are left."], 3: ["是的"], 4: []}


def answered(pieces: list[str], *, keep: bool) -> Answer:
    marks = CornerMarks(keep=keep)
    events = [event for piece in pieces for event in marks.cut([TextDelta(piece)])] + marks.rest()
    sources = tuple(Source(position=number) for number in SPANS)
    return Answer.of([*events, *marks.cut([SourcesFound(sources)])])


def spans_of(answer: Answer) -> dict[int | None, list[str]]:
    return {one.position: [answer.text[begin:end] for begin, end in one.spans] for one in answer.sources}


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "removed"])
def test_marks_are_found_wherever_the_text_is_cut(keep: bool) -> None:
    for at in range(1, len(SAID)):
        answer = answered([SAID[:at], SAID[at:]], keep=keep)
        assert answer.text == (SAID if keep else CLEAN), at
        assert spans_of(answer) == SPANS, at


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "removed"])
def test_marks_are_found_letter_by_letter(keep: bool) -> None:
    answer = answered(list(SAID), keep=keep)
    assert answer.text == (SAID if keep else CLEAN)
    assert spans_of(answer) == SPANS


def test_a_mark_before_any_word_rests_on_nothing() -> None:
    marks = CornerMarks(keep=False)
    answer = Answer.of([*marks.cut([TextDelta("$[1]$Yes."), SourcesFound((Source(position=1),))]), *marks.rest()])
    assert (answer.text, answer.sources[0].spans) == ("Yes.", ((0, 0),))


def test_a_replacement_forgets_the_marks_before_it() -> None:
    marks = CornerMarks(keep=False)
    events = marks.cut([TextDelta("No$[1]$"), TextReplaced("Yes$[2]$"), SourcesFound((Source(position=1),))])
    assert Answer.of(events).text == "Yes"
    assert Answer.of(events).sources[0].spans == ()
