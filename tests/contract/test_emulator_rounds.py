"""Iterations, loops, agents' logs and thoughts in a chatflow of the emulator: as recorded, and as clients tell them."""

from __future__ import annotations

from typing import Any

import pytest

from remote_chatbots import BotClient, DifyApp, Question, Step
from remote_chatbots.emulator import Emulator
from tests.contract.test_emulator_helpers import AGES, kinds, recorded_events, turn


def within(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events from the beginning of an iteration to its end."""
    names = kinds(events)
    return events[names.index("iteration_started") : names.index("iteration_completed") + 1]


def told(emulator: Emulator, text: str) -> dict[str, Step]:
    app = DifyApp(emulator.key("advanced-chat"), emulator.dify_url)
    with BotClient(app) as client:
        answer = client.ask(Question(text, user="ann"))
    assert "".join(answer.text.split()).startswith("Turn1.")
    return {step.name: step for step in answer.steps}


@pytest.fixture(params=AGES)
def age(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_iteration_has_the_recorded_events_with_the_recorded_keys(age: str) -> None:
    with Emulator(age, token_delay_s=0) as emulator:
        ours = within(turn(emulator, "When does it go? [[iterate]]", kind="advanced-chat"))
    theirs = within(recorded_events(age, "chatflow-stream-iteration"))

    def forms(events: list[dict[str, Any]]) -> list[Any]:
        return [(event["event"], list(event), list(event["data"]), event["data"].get("index")) for event in events
                if event["event"].startswith("iteration")]  # fmt: skip

    assert kinds(ours) == kinds(theirs)
    assert forms(ours) == forms(theirs)
    children = [[event["data"] for event in events if event["event"] == "node_finished"] for events in (ours, theirs)]
    assert [list(child) for child in children[0]] == [list(child) for child in children[1]]
    keys = [[list(child["execution_metadata"]) for child in each] for each in children]
    assert keys[0] == keys[1]
    assert len({child["id"] for child in children[0]}) == 2


def test_what_is_in_an_iteration_names_it(age: str) -> None:
    with Emulator(age, token_delay_s=0) as emulator:
        steps = told(emulator, "North South [[iterate]]")
    iteration, child = steps["Iteration"], steps["LLM in iteration"]
    assert (iteration.kind, iteration.status, iteration.parent_id) == ("iteration", "succeeded", "")
    assert iteration.input == {"iterator_selector": ["North", "South"]}
    assert iteration.output == {"output": ["I read: North", "I read: South"]}
    assert iteration.elapsed_s == pytest.approx(0.2)
    assert (child.kind, child.parent_id) == ("node", iteration.id)


def test_a_loop_and_a_log_are_steps_of_the_newer_age() -> None:
    with Emulator("1.14", token_delay_s=0) as emulator:
        steps = told(emulator, "North South [[loop]] [[log]]")
    loop, node = steps["Loop"], steps["Agent"]
    assert (loop.kind, loop.status) == ("loop", "succeeded")
    assert steps["LLM in loop"].parent_id == loop.id
    call, around = steps["CALL current_time"], steps["ROUND 1"]
    assert (call.kind, call.status, call.output, call.elapsed_s) == ("log", "success", "noon", 0.1)
    assert (call.parent_id, around.parent_id) == (around.id, node.id)


def test_the_older_age_knows_no_loop_and_no_log() -> None:
    with Emulator("0.15", token_delay_s=0) as emulator:
        assert list(told(emulator, "North South [[loop]] [[log]]")) == ["Start", "Knowledge Retrieval", "LLM", "Answer"]


@pytest.mark.parametrize("blocking", [False, True], ids=["streamed", "whole"])
def test_the_newer_age_tells_thoughts_apart_from_the_answer(age: str, blocking: bool) -> None:
    with Emulator(age, token_delay_s=0) as emulator:
        app = DifyApp(emulator.key("advanced-chat"), emulator.dify_url)
        with BotClient(app) as client:
            answer = client.ask(Question("Why? [[reason]]", user="ann", blocking=blocking))
    assert "".join(answer.text.split()).startswith("Turn1.")
    assert answer.reasoning == ("The user asks. I consider 1 < 2." if age == "1.14" else "")
