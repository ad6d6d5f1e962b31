"""Every event that a Dify server knows, in its usual and in odd forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from remote_chatbots import BotError
from tests.unit.dify_said import END, FORM, NODE, RUN_STARTED, USAGE, kinds, message

Told = Callable[..., Any]


SAMPLES: dict[str, tuple[dict[str, Any], str]] = {
    "ping": ({}, ""),
    "message": ({"id": "m-1", "answer": "b", "from_variable_selector": ["llm", "text"]}, "TextDelta"),
    "agent_message": ({"id": "m-1", "answer": "b"}, "TextDelta"),
    "agent_thought": ({"id": "a-1", "position": 1, "thought": "a", "observation": "", "tool": "x"}, "Step"),
    "message_file": ({"id": "f-1", "type": "image", "belongs_to": "assistant", "url": "https://h"}, "MediaProduced"),
    "message_replace": ({"answer": "other", "reason": "output_moderation"}, "TextReplaced"),
    "message_end": ({"id": "m-1", "metadata": {"usage": USAGE}, "files": None}, "UsageReported"),
    "tts_message": ({"audio": "//uQxAAA"}, "MediaProduced"),
    "tts_message_end": ({"audio": ""}, ""),
    "workflow_started": ({"workflow_run_id": "r-1", "data": {"id": "r-1", "reason": "initial"}}, "Started"),
    "workflow_finished": ({"workflow_run_id": "r-1", "data": {"status": "stopped", "error": "by user"}}, "Started"),
    "workflow_paused": ({"workflow_run_id": "r-1", "data": {"reasons": [FORM], "status": "paused"}}, "Started"),
    "node_started": ({"data": NODE}, "Step"),
    "node_finished": ({"data": {**NODE, "status": "succeeded", "elapsed_time": 0.8, "error": None}}, "Step"),
    "node_retry": ({"data": {**NODE, "status": "retry", "retry_index": 1}}, "Step"),
    "iteration_started": ({"data": {"id": "i", "node_id": "i", "title": "Each"}}, "Step"),
    "iteration_next": ({"data": {"id": "i", "node_id": "i", "title": "Each", "index": 1}}, "Step"),
    "iteration_completed": ({"data": {"id": "i", "title": "Each", "status": "succeeded", "elapsed_time": 2}}, "Step"),
    "loop_started": ({"data": {"id": "l", "node_id": "l", "title": "Loop"}}, "Step"),
    "loop_next": ({"data": {"id": "l", "node_id": "l", "title": "Loop", "pre_loop_output": {}}}, "Step"),
    "loop_completed": ({"data": {"id": "l", "title": "Loop", "status": "succeeded"}}, "Step"),
    "agent_log": ({"data": {"id": "g", "label": "ROUND 1", "status": "success", "error": None, "data": {}}}, "Step"),
    "reasoning_chunk": ({"data": {"reasoning": "West, so", "node_id": "1740002", "is_final": False}}, "Reasoning"),
    "human_input_required": ({"data": FORM}, "InputRequired"),
    "human_input_form_filled": ({"data": {"node_id": "ask", "node_title": "Ask", "action_id": "ok"}}, "Step"),
    "human_input_form_timeout": ({"data": {"node_id": "ask", "node_title": "Ask", "expiration_time": 1}}, "Step"),
    "parallel_branch_started": ({"data": {"parallel_id": "p", "parallel_branch_id": "b"}}, "Step"),
    "parallel_branch_finished": ({"data": {"parallel_branch_id": "b", "status": "succeeded", "error": None}}, "Step"),
    "text_chunk": ({"data": {"text": "b", "from_variable_selector": ["llm", "text"]}}, "Unrecognized"),
    "text_replace": ({"data": {"text": "b"}}, "Unrecognized"),
    "chain": ({"chain_id": "x"}, "Unrecognized"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_event_of_the_server_is_known_or_handed_on(told: Told, name: str) -> None:
    fields, kind = SAMPLES[name]

    played = told(message("a"), {"event": name, **fields}, END)

    assert played.error is None
    assert kinds(played.events[2:-1]) == ([kind] if kind else [])
    assert kinds(played.events[-1:]) == ["Finished"]


@pytest.mark.parametrize(
    ("events", "step"),
    [
        (["iteration_started"], ("i", "iteration", "Each", "running")),
        (["iteration_started", "iteration_next"], ("i", "iteration", "Each", "running")),
        (["iteration_started", "iteration_completed"], ("i", "iteration", "Each", "succeeded")),
        (["loop_started", "loop_completed"], ("l", "loop", "Loop", "succeeded")),
        (["node_started", "node_retry"], ("n-1", "node", "LLM", "retry")),
        (["agent_log"], ("g", "log", "ROUND 1", "success")),
        (["parallel_branch_started"], ("b", "branch", "", "running")),
        (["parallel_branch_started", "parallel_branch_finished"], ("b", "branch", "", "succeeded")),
        (["human_input_form_filled"], ("ask", "form", "Ask", "filled")),
        (["human_input_form_timeout"], ("ask", "form", "Ask", "timeout")),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_a_step_is_told_by_its_newest_event(told: Told, events: list[str], step: tuple[str, ...]) -> None:
    played = told(*({"event": name, **SAMPLES[name][0]} for name in events), END)

    assert [(one.id, one.kind, one.name, one.status) for one in played.answer.steps] == [step]


ODD: tuple[Any, ...] = (None, 0, -7, 1.5, True, "", "odd", [], [1, "a"], {}, {"a": None}, ...)


def odd_forms(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `fields` with each value in turn, also those of inner objects, made odd."""
    forms = []
    for key, value in {**fields, "conversation_id": "", "message_id": "", "task_id": "", "created_at": 0}.items():
        forms += [{**fields, key: odd} for odd in ODD]
        if isinstance(value, dict):
            forms += [{**fields, key: {k: v for k, v in inner.items() if v is not ...}} for inner in odd_forms(value)]
    return forms


@pytest.mark.parametrize("places", [1, pytest.param(3, marks=pytest.mark.matrix)])
@pytest.mark.parametrize("name", [*SAMPLES, "error"])
def test_odd_values_raise_nothing_but_our_errors_and_reach_no_typed_field(told: Told, name: str, places: int) -> None:
    fields = SAMPLES[name][0] if name in SAMPLES else {"code": "invalid_param", "status": 400, "message": "no"}

    for at, odd in enumerate(odd_forms(fields)):
        event = {"event": name, **odd}
        streams = [event, message("a"), END], [RUN_STARTED, event, END], [message("a"), END, event]
        first = (at + at // len(ODD)) % 3  # so that each odd value comes to each place
        for events in (streams[(first + place) % 3] for place in range(places)):
            played = told(*events)  # whatever is no BotError leaves the flow here

            answer = played.answer
            texts = [answer.text, answer.reasoning, answer.conversation_id, answer.message_id, answer.task_id]
            texts += [text for step in answer.steps for text in (step.id, step.name, step.status, step.error)]
            texts += [text for media in answer.media for text in (media.kind, media.url, media.id)]
            assert all(type(text) is str for text in texts), odd
            assert played.error is None or isinstance(played.error, BotError)


@pytest.mark.parametrize("name", [None, 5, True, 1.5, "", [], ["message"], {}, {"a": 1}], ids=repr)
@pytest.mark.parametrize("fields", [{}, {"answer": "b"}, {"code": "x"}], ids=["nothing else", "an answer", "a code"])
def test_a_name_of_another_type_raises_nothing_but_our_errors(told: Told, name: Any, fields: dict[str, Any]) -> None:
    odd = {"event": name, **fields}

    for events in ([odd, message("a"), END], [message("a"), odd, END], [message("a"), END, odd]):
        played = told(*events)

        assert played.answer.text in ("", "a", "ab", "ba")
