"""Full products of parameters, of which `make test` runs a part: what it leaves out bears the marker `matrix`.

Drivers, faces, platforms and ages of servers are made to have nothing to do with each other. So where the parameters
of a test multiply, a sample finds what the product would; the marker `whole` is for a test of which that is untrue.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations, product
from math import prod
from typing import Any

import pytest

SAMPLE_ALONE = "TESTS_SAMPLE_ALONE"
# Set by `pytest_configure`, and told to where tests are imported without it: what the run leaves out anyway need not
# become tests first.
sample_alone = SAMPLE_ALONE in os.environ


def covering(
    *axes: Sequence[Any],
    pairs: bool = False,
    times: int = 1,
    chosen: Callable[..., bool] | None = None,
    ids: Any = str,
) -> list[Any]:
    """Return the product of the axes as parameters of a test; those beyond a covering sample are of the `matrix`.

    Args:
        *axes: The values.
        pairs: Whether the sample has each two values of two axes together. Default: each value of the longest axis
            at least `times` times, with those of the others in turn.
        times: See there.
        chosen: Says of a value of each axis whether these are of the sample. Default: the above.
        ids: Makes a value's name.
    """
    places = product(*(range(len(axis)) for axis in axes))
    rows = {row: [axis[at] for axis, at in zip(axes, row, strict=True)] for row in places}
    if chosen is not None:
        sample = {row for row, values in rows.items() if chosen(*values)}
    else:
        sample = _with_all_pairs(axes) if pairs else _in_turn(axes, times)
    return [
        pytest.param(*values, marks=() if row in sample else pytest.mark.matrix, id="-".join(map(ids, values)))
        for row, values in rows.items()
        if row in sample or not sample_alone
    ]


def sampled(name: str, calls: Sequence[Any]) -> list[Any]:
    """Return the calls of a test, those beyond a sample of its stacked parameters being of the `matrix`.

    Two parameters have each value in the sample, three and more each two values together.

    Args:
        name: The test's: which values meet differs from test to test.
        calls: What pytest made of the parameters.
    """
    matrix = pytest.mark.matrix.mark
    bare = [call for call in calls if matrix.name not in {mark.name for mark in call.marks}]
    arguments = bare[0].indices if bare else ()
    columns = dict.fromkeys(tuple(call.indices.get(argument) for call in bare) for argument in arguments)
    axes = sorted((column for column in columns if len(set(column)) > 1), key=lambda column: len(set(column)))
    values = [sorted(set(column)) for column in axes]
    if len(axes) < 2 or len(bare) != prod(map(len, values)):
        return list(bare if sample_alone and bare else calls)
    turn = zlib.crc32(name.encode())
    chosen = {
        tuple(
            each[(at + (turn >> place)) % len(each)] for place, (each, at) in enumerate(zip(values, row, strict=True))
        )
        for row in (_in_turn(values, 1) if len(axes) == 2 else _with_all_pairs(values))
    }
    kept = {id(call) for call, *row in zip(bare, *axes, strict=True) if tuple(row) in chosen}
    marked = (call if id(call) in kept else replace(call, marks=[*call.marks, matrix]) for call in calls)
    return [call for call in marked if not sample_alone or id(call) in kept]


def _in_turn(axes: Sequence[Sequence[Any]], times: int) -> set[tuple[int, ...]]:
    longest = max(map(len, axes))
    chosen = set()
    for at in range(longest * times):
        block, row = 1, []
        for axis in axes:
            if len(axis) == longest:
                row.append(at % longest)
            else:
                block *= len(axis)
                row.append((at + at // block) % len(axis))  # else axes of one length would go in step
        chosen.add(tuple(row))
    return chosen


def _with_all_pairs(axes: Sequence[Sequence[Any]]) -> set[tuple[int, ...]]:
    left = {
        (one, other, at, to)
        for one, other in combinations(range(len(axes)), 2)
        for at in range(len(axes[one]))
        for to in range(len(axes[other]))
    }
    chosen: set[tuple[int, ...]] = set()
    for row in product(*(range(len(axis)) for axis in axes)):
        new = left & _pairs_of(row)
        if len(new) == len(axes) * (len(axes) - 1) // 2:
            chosen.add(row)
            left -= new
    while left:  # what is left fits into fewer rows that have less news
        one, other, at, to = min(left)
        row_ = [0] * len(axes)
        row_[one], row_[other] = at, to
        best = max(_filled_up(row_, {one, other}, axes), key=lambda row: len(left & _pairs_of(row)))
        chosen.add(best)
        left -= _pairs_of(best)
    return chosen


def _filled_up(row: list[int], fixed: Iterable[int], axes: Sequence[Sequence[Any]]) -> Iterable[tuple[int, ...]]:
    return product(*([row[at]] if at in fixed else range(len(axis)) for at, axis in enumerate(axes)))


def _pairs_of(row: tuple[int, ...]) -> set[tuple[int, int, int, int]]:
    return {(one, other, row[one], row[other]) for one, other in combinations(range(len(row)), 2)}
