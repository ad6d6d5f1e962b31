"""Which spans of a trace a bot's steps are: what begins and what ends with each state."""

from __future__ import annotations

from typing import Any

from remote_chatbots import BotServerError, Step
from remote_chatbots.step_spans import Begun, Ended, StepSpans


def told(*steps: Step, spans: StepSpans | None = None) -> list[Any]:
    """Return what begins and ends, in words."""
    spans = spans or StepSpans()
    return [
        ("begins", one.name, one.parent and one.parent[1])
        if isinstance(one, Begun)
        else ("ends", one.key[1], str(one.error or ""))
        for step in steps
        for one in spans.of(step)
    ]


def node(id_: str, status: str = "running", **known: Any) -> Step:
    return Step(id_, "node", name=id_.upper(), status=status, **known)


def test_a_step_begins_with_its_first_state_and_ends_with_its_last() -> None:
    assert told(node("a"), node("a", "succeeded")) == [("begins", "A", None), ("ends", "a", "")]


def test_steps_that_run_beside_one_another_end_each_for_itself() -> None:
    assert told(node("a"), node("b"), node("a", "succeeded"), node("b", "succeeded")) == [
        ("begins", "A", None), ("begins", "B", None), ("ends", "a", ""), ("ends", "b", ""),
    ]  # fmt: skip


def test_a_step_that_is_told_when_it_is_over_is_a_span_all_the_same_and_only_once() -> None:
    over = node("a", "succeeded", output="x")
    assert told(over, over, node("a", "succeeded", output="y")) == [("begins", "A", None), ("ends", "a", "")]


def test_a_step_stands_in_the_one_that_holds_it_while_that_is_open() -> None:
    loop = Step("l", "loop", name="Loop")
    assert told(loop, node("a", parent_id="l"), node("b", parent_id="a"), node("c", parent_id="gone"))[1:] == [
        ("begins", "A", "l"), ("begins", "B", "a"), ("begins", "C", None),
    ]  # fmt: skip


def test_a_loop_that_begins_once_more_is_another_span() -> None:
    loop, over = Step("l", "loop", name="Loop"), Step("l", "loop", name="Loop", status="succeeded")
    assert [what for what, *_ in told(loop, over, loop, over)] == ["begins", "ends"] * 2


def test_a_node_that_is_tried_again_is_not_over() -> None:
    assert told(node("a"), node("a", "retry", error="no answer"), node("a", "succeeded"))[1:] == [("ends", "a", "")]


def test_what_failed_says_why() -> None:
    assert told(node("a", "failed", error="no credit")) == [("begins", "A", None), ("ends", "a", "no credit")]
    assert told(node("a", "exception"))[1] == ("ends", "a", "A: exception.")
    assert told(Step("t", "tool", name="clock", status="failed"))[1] == ("ends", "t", "clock failed.")


def test_the_tools_of_a_thought_are_spans_and_a_thought_alone_is_none() -> None:
    thought = Step("t", "thought", text="Let me look.")
    assert told(thought, Step("t", "thought", text="Let me look.", status="succeeded")) == []
    called = Step("t", "thought", name="clock;map", input={"clock": {"zone": "UTC"}, "map": {}})
    spans = StepSpans()
    first, second = spans.of(called)
    assert isinstance(first, Begun)
    assert (first.tool, first.name, first.input, second.key) == (True, "clock", {"zone": "UTC"}, ("tool", "t-2"))
    over = Step("t", "thought", name="clock;map", status="succeeded", output={"clock": "noon", "map": "here"})
    assert [(one.key[1], one.output) for one in spans.of(over) if isinstance(one, Ended)] == [
        ("t-1", "noon"), ("t-2", "here"),
    ]  # fmt: skip


def test_what_is_open_at_the_end_ends_with_the_turn_the_innermost_first() -> None:
    spans = StepSpans()
    told(node("a"), node("b", parent_id="a"), node("c"), node("c", "succeeded"), spans=spans)
    error = BotServerError("gone")
    assert list(spans.rest(error)) == [Ended(("node", "b"), error=error), Ended(("node", "a"), error=error)]
    assert list(spans.rest(None)) == []
