"""A form filled in for a paused answer, and a lost answer found among the messages of its conversation."""

from __future__ import annotations

from typing import Any

import pytest

from remote_chatbots import Answer, BotTruncatedError, BotUsageError, FilledForm, LostAnswer, StoredMessage

FORM: dict[str, Any] = {
    "form_token": "tok-1",
    "inputs": [
        {"output_variable_name": "comment", "type": "paragraph", "default": {"type": "constant", "value": "none"}},
        {"output_variable_name": "grade", "type": "select", "option_source": {"value": ["1", "2"]}},
        {"output_variable_name": "draft", "type": "paragraph", "default": {"type": "variable", "selector": ["a", "b"]}},
    ],
    "actions": [{"id": "approve", "title": "Approve"}, {"id": "reject", "title": "Reject"}],
    "resolved_default_values": {"draft": "as resolved"},
}
PAUSED = Answer(text="One moment… ", message_id="m-1", workflow_run_id="r-1", input_required=(FORM,))


def test_fields_that_are_left_out_have_their_defaults() -> None:
    form = FilledForm.of(PAUSED, "approve", {"grade": "1"})
    assert form.inputs == {"comment": "none", "grade": "1", "draft": "as resolved"}
    assert (form.form_token, form.workflow_run_id, form.action) == ("tok-1", "r-1", "approve")
    assert (form.said, form.message_id) == ("One moment… ", "m-1")


def test_what_was_filled_in_is_not_shown() -> None:
    assert "my secret" not in repr(FilledForm.of(PAUSED, "approve", {"grade": "my secret"}))


@pytest.mark.parametrize(
    ("action", "inputs", "says"),
    [
        ("aprove", {"grade": "1"}, "no action 'aprove'. Give one of: approve, reject"),
        ("approve", {}, "field 'grade' is not filled in"),
        ("approve", {"grade": "1", "coment": "x"}, "no field 'coment'. Its fields are: comment, grade, draft"),
        ("approve", ["1"], "Give a mapping"),
    ],
)
def test_a_form_that_is_not_filled_in_as_it_must_be_is_refused_before_it_is_sent(
    action: str, inputs: Any, says: str
) -> None:
    with pytest.raises(BotUsageError) as refused:
        FilledForm.of(PAUSED, action, inputs)
    assert says in refused.value.message


def test_of_several_forms_the_token_says_which() -> None:
    other = {**FORM, "form_token": "tok-2", "inputs": []}
    paused = Answer(workflow_run_id="r-1", input_required=(FORM, other))
    assert FilledForm.of(paused, "reject", form_token="tok-2").form_token == "tok-2"
    with pytest.raises(BotUsageError, match="waits for no such form"):
        FilledForm.of(paused, "reject", form_token="tok-3")


def test_an_answer_that_waits_for_nothing_takes_no_form() -> None:
    with pytest.raises(BotUsageError, match="finish_reason is 'paused'"):
        FilledForm.of(Answer(text="Done."), "approve")


def test_a_form_that_is_sent_by_mail_alone_cannot_be_submitted() -> None:
    paused = Answer(workflow_run_id="r-1", input_required=({**FORM, "form_token": None},))
    with pytest.raises(BotUsageError, match="by mail alone"):
        FilledForm.of(paused, "approve", {"grade": "1"})


@pytest.mark.parametrize(
    "given",
    [
        {"form_token": "", "workflow_run_id": "r", "action": "a"},
        {"form_token": "t", "workflow_run_id": "", "action": "a"},
        {"form_token": "t", "workflow_run_id": "r", "action": ""},
        {"form_token": "t", "workflow_run_id": "r", "action": "a", "inputs": ["x"]},
        {"form_token": "t", "workflow_run_id": "r", "action": "a", "if_submitted": "again"},
    ],
)
def test_a_form_without_its_token_its_run_or_its_action_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(BotUsageError, match="Give"):
        FilledForm(**given)


def test_a_lost_answer_knows_what_its_error_knows() -> None:
    error = BotTruncatedError("broke", partial_text="So f", conversation_id="c", message_id="m", workflow_run_id="r")
    assert LostAnswer.of(error, question="Q?") == LostAnswer("c", "m", "r", "Q?", said="So f")
    assert LostAnswer.of(Answer(text="So", message_id="m"), conversation_id="c") == LostAnswer("c", "m", said="So")


DIFYS = [StoredMessage("user", "Q?", "m-1"), StoredMessage("assistant", "A.", "m-1")]
GPTBOTS = [
    StoredMessage("user", "Q?", "q-1"),
    StoredMessage("assistant", "Old.", "a-1", parent_message_id="q-1"),
    StoredMessage("user", "Q?", "q-2"),
    StoredMessage("assistant", "New.", "a-2", parent_message_id="q-2"),
    StoredMessage("user", "More?", "q-3"),
]


def found(messages: list[StoredMessage], **known: str) -> str | None:
    message = LostAnswer(**known).among(messages)
    return message and message.text


def test_a_lost_answer_is_found_by_its_id_or_else_by_its_question() -> None:
    assert found(DIFYS, message_id="m-1") == found(DIFYS, question="Q?") == "A."
    assert found(GPTBOTS, message_id="a-1") == "Old."
    assert found(GPTBOTS, question="Q?") == "New."


def test_an_answer_that_is_not_there_is_not_mistaken_for_another() -> None:
    assert found(GPTBOTS, message_id="a-3") is None
    assert found(GPTBOTS, question="More?") is None  # the question has arrived, its answer has not
    assert found(GPTBOTS, question="Else?") is None
    assert found([StoredMessage("user", ""), StoredMessage("assistant", "A.")]) is None


@pytest.mark.parametrize(
    ("said", "kept", "whole"),
    [
        ("", "", False),
        ("", " \n", False),
        ("", "Rain.", True),
        ("Rai", "Rain.", True),
        ("Rain.", "Rain.", True),
        ("Rain. ", "Rain.", True),
        ("Rain.", "R", False),
        ("Rain.", "", False),
        ("Rain.", "No.", True),
    ],
)
def test_a_mere_beginning_of_what_had_arrived_is_not_the_whole_answer(said: str, kept: str, whole: bool) -> None:
    assert LostAnswer("c-1", said=said).is_whole(kept) is whole
