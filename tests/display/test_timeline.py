"""Where steps stand in time, and the picture of them."""

from __future__ import annotations

from typing import Any

import pytest

from remote_chatbots.display.drawing import COLOURS, drawn, fitting, seconds, summary
from remote_chatbots.display.timeline import timeline
from tests.display.shown import Elements


def step(name: str, **told: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "kind": "node", "status": "succeeded", **told}


def places(*steps: dict[str, Any]) -> list[tuple[str, int, float, float | None]]:
    return [(one.name, one.depth, round(one.start_s, 3), one.length_s) for one in timeline(steps).steps]


def test_steps_of_one_second_follow_each_other() -> None:
    assert places(step("a", started_at=100, elapsed_s=0.25), step("b", started_at=100, elapsed_s=0.5)) == [
        ("a", 0, 0.0, 0.25),
        ("b", 0, 0.25, 0.5),
    ]


def test_a_step_that_began_in_a_second_throughout_which_another_ran_stands_beside_it() -> None:
    assert places(step("a", started_at=100, elapsed_s=3.0), step("b", started_at=101, elapsed_s=0.5)) == [
        ("a", 0, 0.0, 3.0),
        ("b", 0, 1.0, 0.5),
    ]


def test_a_step_stands_in_the_one_that_holds_it() -> None:
    told = [
        step("a", started_at=100, elapsed_s=0.5),
        step("loop", started_at=102, kind="loop"),
        step("x", parent_id="loop", started_at=102, elapsed_s=0.5),
        step("y", parent_id="loop", elapsed_s=0.25),
        step("b", started_at=102, elapsed_s=1.0),
    ]
    assert places(*told) == [
        ("a", 0, 0.0, 0.5),
        ("loop", 0, 2.0, 0.75),
        ("x", 1, 2.0, 0.5),
        ("y", 1, 2.5, 0.25),
        ("b", 0, 2.75, 1.0),
    ]


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1, 10**400, "soon", None, True, [], {}])
def test_times_that_are_none_are_left_out(odd: Any) -> None:
    line = timeline([step("a", started_at=odd, elapsed_s=odd), step("b", started_at=5, elapsed_s=1)])
    assert line.length_s == 1
    assert "nan" not in drawn(line)


def test_steps_that_name_themselves_or_each_other_as_holders_are_shown_once() -> None:
    told = [step("a", parent_id="a"), step("b", parent_id="c"), step("c", parent_id="b"), step("a", parent_id="a")]
    assert sorted(name for name, *_ in places(*told)) == ["a", "a", "b", "c"]


def test_a_chain_of_a_thousand_steps_in_each_other_stays_on_the_picture() -> None:
    line = timeline([step(str(n), parent_id=str(n - 1), elapsed_s=1) for n in range(1_000)])
    assert line.left_out == 920
    for bar in Elements(drawn(line)).all("rect"):
        assert float(bar["x"]) >= 240
        assert float(bar["x"]) + float(bar["width"]) <= 571


def test_what_has_not_ended_or_ended_otherwise_is_told_in_words() -> None:
    text = Elements(drawn(timeline([step("a", status="running"), step("b", status="stopped", elapsed_s=2)]))).text
    assert "running" in text
    assert "stopped 2.00 s" in text


def test_a_thought_without_tools_is_no_step() -> None:
    assert places({"kind": "thought", "id": "1", "text": "Hm."}) == []


def test_a_name_is_cut_by_the_room_that_it_takes() -> None:
    assert fitting("short", 8) == "short"
    assert fitting("a long name", 8) == "a long…"
    assert fitting("租賃合約的名稱", 8) == "租賃合…"


def test_steps_that_took_no_time_that_can_be_told_have_no_bars() -> None:
    line = timeline([step("a", started_at=100, elapsed_s=0.0002), step("b", started_at=100, elapsed_s=0.0001)])
    assert line.length_s == 0
    assert summary(line) == "2 steps"
    assert "<rect" not in drawn(line)


def test_durations_are_for_people() -> None:
    assert [seconds(s) for s in (0, 0.0123, 0.25, 3.456, 42.1, 1234)] == [
        "0 ms", "12 ms", "0.25 s", "3.46 s", "42.1 s", "1,234 s",
    ]  # fmt: skip


@pytest.mark.parametrize("ground", ["#ffffff", "#111111"])
def test_bars_stand_out_from_white_and_from_black(ground: str) -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        r, g, b = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    for colour in COLOURS.values():
        dark, light = sorted((luminance(colour), luminance(ground)))
        assert (light + 0.05) / (dark + 0.05) >= 3, colour  # WCAG 2.1, 1.4.11
