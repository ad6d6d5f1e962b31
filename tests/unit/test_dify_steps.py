"""What Dify's events tell of steps: each state once, with what was known before; and thoughts that nobody said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from remote_chatbots import Reasoning, Step
from tests.unit.dify_said import END, NODE, RUN_STARTED, agent_message, message, replace, run_finished, thought

Told = Callable[..., Any]
CALL = {"thought": "Let me look.", "tool": "forecast", "tool_input": '{"forecast": {"city": "Bergen"}}'}


def step(name: str, **data: Any) -> dict[str, Any]:
    return {"event": name, "data": data}


def steps(played: Any) -> list[Step]:
    return [event for event in played.events if isinstance(event, Step)]


def test_a_state_that_is_told_twice_is_one(told: Told) -> None:
    called = thought("a-1", 1, **CALL, observation='{"forecast": "rain"}')
    played = told(thought("a-1", 1), agent_message("Let me look."), called, called, END)
    assert [one.status for one in steps(played)] == ["running", "succeeded"]
    assert steps(played)[-1].input == {"forecast": {"city": "Bergen"}}
    assert steps(played)[-1].output == {"forecast": "rain"}


def test_what_is_no_json_where_json_should_be_is_handed_on_as_text(told: Told) -> None:
    (one,) = told(thought("a-1", 1, tool="x", tool_input="{half", observation="tool invoke error"), END).answer.steps
    assert (one.input, one.output) == ("{half", "tool invoke error")


def test_a_thought_in_the_words_of_the_answer_is_not_told_again(told: Told) -> None:
    said = [agent_message(" I should look\n\n"), agent_message("")]
    twice = {**CALL, "thought": "I should lookI should look"}
    played = told(thought("a-1", 1), *said, thought("a-1", 1, **{**CALL, "thought": "I should look"}),
                  thought("a-1", 1, **twice, observation="{}"), END)  # fmt: skip
    assert played.answer.reasoning == ""
    assert played.answer.steps[0].text == "I should lookI should look"


def test_a_thought_that_the_answer_does_not_say_is_told_as_it_grows(told: Told) -> None:
    played = told(
        thought("a-1", 1), thought("a-1", 1, thought="The wind"), thought("a-1", 1, thought="The wind is west."),
        thought("a-1", 1, thought="The wind is west."), thought("a-2", 2), agent_message("Rain."),
        thought("a-2", 2, thought="Rain."), END,
    )  # fmt: skip
    assert [event.text for event in played.events if isinstance(event, Reasoning)] == ["The wind", " is west."]
    assert played.answer.text == "Rain."


SEEN = {"observation": '{"forecast": "rain"}'}


@pytest.mark.parametrize(
    "early", [{"thought": "Let me look."}, CALL, {**CALL, **SEEN}], ids=["alone", "with a call", "with its result"]
)
def test_a_thought_that_comes_before_its_own_words_is_not_told_twice(told: Told, early: dict[str, str]) -> None:
    played = told(thought("a-1", 1, **early), agent_message("Let me"), agent_message(" look."),
                  thought("a-1", 1, **CALL), thought("a-1", 1, **CALL, **SEEN), thought("a-2", 2),
                  agent_message("Rain."), END)  # fmt: skip
    assert (played.answer.text, played.answer.reasoning) == ("Let me look.Rain.", "")
    assert [one.text for one in played.answer.steps] == ["Let me look.", ""]


def test_a_thought_is_told_before_whatever_else_comes(told: Told) -> None:
    pondered = thought("a-1", 1, thought="I ponder.", tool="x", observation="{}")
    for behind in (agent_message("Rain."), {"event": "message_end", "metadata": {}}):
        first, second, *_ = [one for one in told(pondered, behind).events if isinstance(one, (Reasoning, Step))]
        assert (first, type(second)) == (Reasoning("I ponder."), Step)
    assert isinstance(told(pondered).events[-1], Step)  # a stream that breaks off tells it as well


def test_a_loop_within_a_loop_begins_again_without_what_came_of_it_before(told: Told) -> None:
    begun = step("iteration_started", id="it", title="Each", inputs={"over": [1]})
    done = step("iteration_completed", id="it", title="Each", outputs={"output": [2]}, status="succeeded")
    again = step("iteration_started", id="it", title="Each")
    states = [(one.status, one.input, one.output) for one in steps(told(RUN_STARTED, begun, done, again, END))]
    assert states == [("running", {"over": [1]}, None), ("succeeded", {"over": [1]}, {"output": [2]}),
                      ("running", None, None)]  # fmt: skip


def test_words_that_were_withdrawn_do_not_come_back_as_a_thought(told: Told) -> None:
    played = told(agent_message("Bad words"), replace("Sorry."), thought("a-1", 1, thought="Bad words"), END)
    assert (played.answer.text, played.answer.reasoning) == ("Sorry.", "")


def test_what_the_server_no_longer_says_of_a_step_is_kept(told: Told) -> None:
    begun = step("iteration_started", id="it", title="Each", inputs={"over": [1, 2]}, created_at=1767225600)
    done = step("iteration_completed", id="it", title="Each", outputs={"output": [2, 4]}, status="succeeded",
                elapsed_time=0.5)  # fmt: skip
    played = told(RUN_STARTED, begun, *(step("iteration_next", id="it", index=n) for n in (0, 1)), done,
                  run_finished("succeeded"), END)  # fmt: skip
    assert [one.status for one in steps(played)] == ["running", "running", "running", "succeeded"]
    assert {(one.name, str(one.input), one.started_at) for one in steps(played)} == {
        ("Each", "{'over': [1, 2]}", 1767225600)
    }
    (whole,) = played.answer.steps
    assert (whole.output, whole.elapsed_s) == ({"output": [2, 4]}, 0.5)


@pytest.mark.parametrize(
    ("event", "parent"),
    [
        (step("node_started", **NODE, iteration_id="it"), "it"),
        (step("node_finished", **NODE, loop_id="lo", iteration_id=None), "lo"),
        (step("node_started", **NODE, parallel_start_node_id="la"), "la"),
        (step("parallel_branch_started", parallel_branch_id="lb", parent_parallel_start_node_id="la"), "la"),
        (step("agent_log", id="g", label="ROUND 1", node_execution_id="n-1"), "n-1"),
        (step("agent_log", id="g", label="CALL x", node_execution_id="n-1", parent_id="g-0"), "g-0"),
        (step("node_started", **NODE), ""),
    ],
    ids=["iteration", "loop", "branch", "branch of a branch", "log of a node", "log of a log", "none"],
)
def test_a_step_names_the_step_in_which_it_happens(told: Told, event: dict[str, Any], parent: str) -> None:
    assert told(event, END).answer.steps[0].parent_id == parent


def test_a_log_entry_has_its_own_words_for_what_a_step_has(told: Told) -> None:
    entry = {"id": "g", "label": "CALL rain", "node_execution_id": "n-1", "error": None}
    played = told(
        message("a"),
        step("agent_log", **entry, status="start", data={}),
        step("agent_log", **entry, status="success", data={"input": {"city": "Oslo"}, "output": "no"},
             metadata={"elapsed_time": 0.7}),
        END,
    )  # fmt: skip
    assert [one.status for one in steps(played)] == ["running", "success"]
    (whole,) = played.answer.steps
    assert (whole.input, whole.output, whole.elapsed_s) == ({"city": "Oslo"}, "no", 0.7)


def test_a_node_whose_output_is_nested_without_end_in_sight_breaks_nothing(told: Told) -> None:
    nested = "[" * 1010 + "]" * 1010
    event = {"event": "agent_thought", "id": "a-1", "position": 1, "thought": "", "tool": "x", "observation": nested}
    assert told(event, dict(event), agent_message("Rain."), END).answer.text == "Rain."
