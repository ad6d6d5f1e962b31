"""The pace of bulk asking, told the time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from remote_chatbots.bulk.pace import DOUBLED_IN_S, SLOWEST_PER_S, Pace


def posts(pace: Pace, since: float, seconds: float) -> list[float]:
    """Return when posts go, if all go as soon as they may."""
    now, found = since, []
    while (now := now + pace.wait_s(now)) < since + seconds:
        pace.posted(now)
        found.append(now)
        now += 0.001
    return found


def test_without_a_limit_nothing_waits() -> None:
    pace = Pace(None, 0)
    assert [pace.wait_s(0) for _ in range(100) if pace.posted(0) is None] == [0] * 100


def test_no_more_than_so_many_go_in_a_second() -> None:
    found = posts(Pace(5, 0), 0, 10)
    assert len(found) == pytest.approx(50, abs=1)
    assert min(later - earlier for earlier, later in pairwise(found)) >= 0.2 - 1e-9


def test_a_refusal_holds_all_back_for_as_long_as_the_server_says() -> None:
    pace = Pace(None, 0)
    pace.posted(1)
    pace.put_off(1, 1.5, 7)
    assert pace.wait_s(1.5) == 7
    assert pace.wait_s(8.5) == 0


def test_a_server_that_takes_sixty_a_minute_is_then_asked_once_a_second() -> None:
    pace = Pace(None, 0)
    for _ in range(100):
        pace.posted(0)
    for _ in range(40):
        pace.put_off(0, 1, 59)
    assert pace.wait_s(1) == 59
    assert len(posts(pace, 60, 3)) == pytest.approx(3, abs=1)


def test_the_pace_rises_again_and_never_above_what_was_said() -> None:
    pace = Pace(30, 0)
    for _ in range(11):
        pace.posted(0)
    pace.put_off(0, 0, 10)
    pace.posted(10)
    assert pace.per_second(10) == pytest.approx(1)
    assert pace.per_second(10 + DOUBLED_IN_S) == pytest.approx(2)
    assert pace.per_second(10 + 1e9) == 30


def test_refusals_of_posts_from_before_the_last_wait_slow_nothing_down_again() -> None:
    pace = Pace(None, 0)
    for _ in range(11):
        pace.posted(0)
    pace.put_off(0, 0, 10)
    pace.posted(10)
    before = pace.per_second(10)
    pace.put_off(0, 10, 1)
    assert pace.per_second(10) == before
    assert pace.wait_s(10) == 1


def test_a_server_that_takes_nothing_is_asked_no_more_rarely_than_once_a_minute() -> None:
    pace = Pace(None, 0)
    pace.posted(0)
    pace.put_off(0, 0, 10_000)
    pace.posted(10_000)
    assert pace.per_second(10_000) == pytest.approx(SLOWEST_PER_S)


def test_a_server_that_cannot_be_reached_holds_all_back_and_slows_nothing_down() -> None:
    pace = Pace(None, 0)
    pace.posted(0)
    pace.hold(0, 5)
    assert pace.wait_s(1) == 4
    pace.posted(5)
    assert pace.wait_s(5) == 0
