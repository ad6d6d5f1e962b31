"""What the events of a Dify workflow's run mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from remote_chatbots import Finished, InputRequired
from tests.unit.dify_said import END, FORM, NODE, RUN_STARTED, USAGE, kinds, message, replace, run_finished

Told = Callable[..., Any]

# Chatflows

NODE_STARTED = {"event": "node_started", "workflow_run_id": "r-1", "data": NODE}
NODE_FINISHED = {
    "event": "node_finished",
    "workflow_run_id": "r-1",
    "data": {**NODE, "status": "succeeded", "error": None, "elapsed_time": 0.871},
}
BOTH_ENDS = {
    "message_end first": [{**END, "metadata": {"usage": USAGE}}, run_finished("succeeded")],
    "workflow_finished first": [run_finished("succeeded"), {**END, "metadata": {"usage": USAGE}}],
}


@pytest.mark.parametrize("ends", BOTH_ENDS.values(), ids=BOTH_ENDS)
def test_a_chatflow_may_end_in_either_order(told: Told, ends: list[dict[str, Any]]) -> None:
    played = told(RUN_STARTED, NODE_STARTED, message("Rain "), message("likely."), NODE_FINISHED, *ends)

    assert played.error is None
    assert kinds(played.events) == ["Started", "Step", "TextDelta", "TextDelta", "Step", "UsageReported", "Finished"]
    assert played.answer.workflow_run_id == "r-1"
    assert (played.answer.text, played.answer.finish_reason) == ("Rain likely.", "stop")
    (step,) = played.answer.steps
    assert (step.id, step.kind, step.name, step.status, step.elapsed_s) == ("n-1", "node", "LLM", "succeeded", 0.871)


@pytest.mark.parametrize("ends", BOTH_ENDS.values(), ids=BOTH_ENDS)
def test_one_of_a_chatflows_two_ends_is_enough_at_the_end_of_the_body(told: Told, ends: list[dict[str, Any]]) -> None:
    played = told(RUN_STARTED, message("Rain."), ends[0])

    assert played.error is None
    assert (played.answer.text, played.answer.finish_reason) == ("Rain.", "stop")


def test_a_node_that_fails_is_a_step_with_an_error(told: Told) -> None:
    data = {**NODE, "status": "failed", "error": "refused"}
    played = told(RUN_STARTED, {"event": "node_finished", "data": data}, END, run_finished("succeeded"))

    assert [(step.status, step.error) for step in played.answer.steps] == [("failed", "refused")]


def test_a_run_that_partly_succeeded_is_no_error(told: Told) -> None:
    played = told(RUN_STARTED, message("Rain."), END, run_finished("partial-succeeded"))

    assert (played.error, played.answer.text, played.answer.finish_reason) == (None, "Rain.", "stop")


def test_the_usage_of_a_run_that_partly_succeeded_may_come_after_it(told: Told) -> None:
    end = {**END, "metadata": {"usage": USAGE}}
    played = told(RUN_STARTED, message("Rain."), run_finished("partial-succeeded"), end)

    assert played.error is None
    assert played.answer.usage.total_tokens == 876


# Stopped, moderated, paused


@pytest.mark.parametrize("after", [[], [END]], ids=["1.14", "0.15, message_end after it"])
def test_a_run_that_somebody_stopped_is_no_error(told: Told, after: list[dict[str, Any]]) -> None:
    played = told(RUN_STARTED, message("Rain "), run_finished("stopped", "Stopped by user."), *after)

    assert (played.error, played.answer.text, played.answer.finish_reason) == (None, "Rain ", "stopped")


def test_a_run_that_moderation_stopped_is_filtered(told: Told) -> None:
    played = told(
        RUN_STARTED,
        message("bad"),
        replace("[removed]", reason="output_moderation"),
        run_finished("stopped", "Stopped by output moderation."),
    )

    assert (played.error, played.answer.text) == (None, "[removed]")
    assert played.answer.finish_reason == "content_filter"


def test_a_run_that_moderation_stopped_before_any_text_is_filtered_too(told: Told) -> None:
    played = told(RUN_STARTED, run_finished("stopped", "Stopped by output moderation."))

    assert played.answer.finish_reason == "content_filter"


def test_a_paused_run_ends_with_its_form(told: Told) -> None:
    form = {"event": "human_input_required", "workflow_run_id": "r-1", "data": FORM}
    reasons = [{"TYPE": "human_input_required", **FORM}]
    pause = {"event": "workflow_paused", "workflow_run_id": "r-1", "data": {"reasons": reasons, "status": "paused"}}

    played = told(RUN_STARTED, message("One moment… "), form, pause)

    assert played.error is None
    assert played.events[-2:] == [InputRequired(FORM), Finished("paused")]
    assert (played.answer.text, played.answer.workflow_run_id) == ("One moment… ", "r-1")


def test_a_paused_run_may_ask_for_several_forms(told: Told) -> None:
    forms = [{"event": "human_input_required", "data": {**FORM, "form_id": f"f-{at}"}} for at in (1, 2)]

    played = told(RUN_STARTED, *forms, {"event": "workflow_paused", "data": {}})

    assert [form["form_id"] for form in played.answer.input_required] == ["f-1", "f-2"]


# An annotation reply on a server of 1.16: a run is pretended after the end

PRETENDED = [
    {**RUN_STARTED, "workflow_run_id": "t-1", "conversation_id": ..., "message_id": ..., "created_at": ...},
    run_finished(
        "failed", "Workflow stream ended without a terminal event",
        workflow_run_id="t-1", conversation_id=..., message_id=..., created_at=...,
    ),
]  # fmt: skip


def test_a_run_that_is_pretended_after_the_end_changes_no_answer(told: Told) -> None:
    played = told(message("Here."), END, *PRETENDED)

    assert (played.error, played.answer.text, played.answer.finish_reason) == (None, "Here.", "stop")
    assert played.answer.steps == ()


def test_the_id_of_a_pretended_run_is_no_run_of_the_answer(told: Told) -> None:
    played = told(message("Here."), END, *PRETENDED)

    assert played.answer.workflow_run_id == ""
