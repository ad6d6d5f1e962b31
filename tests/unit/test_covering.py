"""What `make test` runs of the product of a test's parameters, and what it leaves to `make matrix`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import pytest

from tests import covering


@dataclass(frozen=True)
class Call:
    """As pytest makes them of stacked parameters."""

    indices: dict[str, int]
    marks: Sequence[Any] = field(default_factory=list)


def calls(*lengths: int, marked: int = 0) -> list[Call]:
    rows = product(*map(range, lengths))
    marks = [pytest.mark.matrix.mark]
    return [Call({str(axis): at for axis, at in enumerate(row)}, marks if row[0] < marked else []) for row in rows]


def both(name: str, of: list[Call], monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], list[Any]]:
    """Return the rows that `make test` runs, and those of `make matrix`."""
    monkeypatch.setattr(covering, "sample_alone", True)
    sample = [tuple(one.indices.values()) for one in covering.sampled(name, of)]
    monkeypatch.setattr(covering, "sample_alone", False)
    return sample, [tuple(one.indices.values()) for one in covering.sampled(name, of) if one.marks]


@pytest.mark.parametrize(
    ("lengths", "marked"), [((2, 2), 0), ((7, 2), 0), ((7, 2), 3), ((2, 2, 2), 0), ((2, 3, 2, 5), 0), ((4, 3, 3), 2)]
)
def test_the_sample_has_each_value_and_the_matrix_all_the_rest(
    lengths: tuple[int, ...], marked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = calls(*lengths, marked=marked)
    sample, rest = both("test_one", of, monkeypatch)

    assert sorted([*sample, *rest]) == [tuple(one.indices.values()) for one in of]
    for axis, values in enumerate(zip(*(one.indices.values() for one in of if not one.marks), strict=True)):
        assert {row[axis] for row in sample} == set(values)
    assert len(sample) < len(of)


@pytest.mark.parametrize("lengths", [(8, 3, 4), (17, 2, 2), (5, 15, 8), (9, 2, 2, 2), (4, 4), (6, 5, 4, 3, 2)], ids=str)
def test_in_turn_each_value_has_its_turn_and_no_two_parameters_go_in_step(lengths: tuple[int, ...]) -> None:
    sample = [one.values for one in covering.covering(*map(range, lengths)) if not one.marks]
    assert len(sample) == max(lengths)
    for axis, length in enumerate(lengths):
        assert {row[axis] for row in sample} == set(range(length))
    shorter = [axis for axis, length in enumerate(lengths) if length < max(lengths)]
    for one, other in combinations(shorter, 2):
        if lengths[one] == lengths[other]:
            assert len({(row[one], row[other]) for row in sample}) > lengths[one]


def test_three_parameters_have_each_two_values_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, _ = both("test_one", calls(2, 2, 3), monkeypatch)
    assert {row[:2] for row in sample} == set(product(range(2), range(2)))
    assert {row[1:] for row in sample} == set(product(range(2), range(3)))
    assert len(sample) == 6


def test_of_several_tests_each_two_values_meet_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [both(f"test_{name}", calls(2, 2), monkeypatch)[0] for name in "abcdef"]
    assert {len(sample) for sample in samples} == {2}
    assert set().union(*samples) == set(product(range(2), range(2)))


@pytest.mark.parametrize(
    "of", [[], [Call({})], calls(5), calls(2, 2)[:3]], ids=["none", "one", "an axis", "no product"]
)
def test_what_is_no_product_is_whole(of: list[Call], monkeypatch: pytest.MonkeyPatch) -> None:
    sample, rest = both("test_one", of, monkeypatch)
    assert sample == [tuple(one.indices.values()) for one in of]
    assert rest == []


@pytest.mark.whole
@pytest.mark.parametrize("one", range(2))
@pytest.mark.parametrize("other", range(2))
def test_a_test_that_says_so_is_whole(one: int, other: int, request: pytest.FixtureRequest) -> None:
    mine = request.node.originalname
    names = {item.name for item in request.session.items if item.name.startswith(mine)}
    assert len(names) in {1, 4}, (one, other)  # one, if it was asked for by its name


def test_what_bears_the_marker_already_becomes_no_test_unless_it_is_all_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample, rest = both("test_one", calls(5, marked=2), monkeypatch)
    assert (sample, rest) == ([(2,), (3,), (4,)], [(0,), (1,)])
    assert both("test_one", calls(5, marked=5), monkeypatch)[0] == [
        (at,) for at in range(5)
    ]  # else it had no arguments
