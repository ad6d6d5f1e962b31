"""What SECURITY.md promises is tested where it says."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_promise_names_tests_that_are_there() -> None:
    rows = [line for line in (ROOT / "SECURITY.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    promises = [row.strip("|").rsplit("|", 1) for row in rows[1:]]
    assert len(promises) > 5
    for promise, proof in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)`", proof)
        assert named, promise
        for path in named:
            assert "def test_" in (ROOT / path).read_text("utf-8"), path
