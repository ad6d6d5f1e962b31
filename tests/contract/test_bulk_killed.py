"""Runs of bulk asking that are killed or interrupted, in a process of their own; another goes on with the journal."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remote_chatbots import DifyApp, GPTBotsAgent
from remote_chatbots.bulk import Outcome, ask_all
from remote_chatbots.emulator import Emulator
from tests.asked import asked, stops
from tests.soaking import many

CHILD = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from remote_chatbots import DifyApp, GPTBotsAgent
from remote_chatbots.bulk import ask_all
kind, key, url, journal, count, concurrency = sys.argv[1:]
bot = (GPTBotsAgent if kind == "gptbots" else DifyApp)(key, url)
questions = [f"[[echo]]Number {number:03} of the list" for number in range(int(count))]
for outcome in ask_all(bot, questions, user="anna", concurrency=int(concurrency), journal=journal):
    print(outcome.id, outcome.status, flush=True)
"""


class Killed:
    """A list of questions, and the process that asks them."""

    def __init__(self, emulator: Emulator, kind: str, journal: Path, count: int, concurrency: int = 4) -> None:
        self.emulator = emulator
        self.kind = kind
        self.url = emulator.gptbots_url if kind == "gptbots" else emulator.dify_url
        self.journal = journal
        self.count = count
        self.concurrency = concurrency

    @property
    def questions(self) -> list[str]:
        return [f"[[echo]]Number {number:03} of the list" for number in range(self.count)]

    def started(self) -> subprocess.Popen[str]:
        arguments = [self.kind, self.emulator.key(self.kind), self.url, self.journal, self.count, self.concurrency]
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def gone_on(self, **given: Any) -> dict[str, Outcome]:
        """Return what the next run comes to, here."""
        bot = (GPTBotsAgent if self.kind == "gptbots" else DifyApp)(self.emulator.key(self.kind), self.url)
        run = ask_all(bot, self.questions, user="anna", concurrency=4, journal=self.journal, **given)
        return {one.id: one for one in run}

    def check(self, outcomes: dict[str, Outcome]) -> None:
        """Check by what the server received that each question was posted once, or is reported and not answered."""
        posts = Counter(text for text, _ in asked(self.emulator))
        assert max(posts.values()) == 1
        assert outcomes.keys() == {str(number) for number in range(self.count)}
        for one in outcomes.values():
            if one.status == "answered":
                assert one.answer is not None
                assert posts[one.question.text] == 1
                assert one.question.text.removeprefix("[[echo]]") in one.answer.text
            else:
                assert one.status == "unknown"
                assert one.error is not None


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0.01, held_open_s=0.02) as running:
        yield running


def read(process: subprocess.Popen[str], lines: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(lines)]


def ended(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a process; return what it said of errors."""
    return process.communicate(timeout=20)[1]


def test_a_killed_run_goes_on_without_asking_anything_twice(emulator: Emulator, tmp_path: Path) -> None:
    run = Killed(emulator, "advanced-chat", tmp_path / "journal", 16)
    process = run.started()
    told = read(process, 4)
    process.kill()
    ended(process)
    assert all("answered" in line for line in told)
    outcomes = run.gone_on()
    run.check(outcomes)
    assert sum(one.earlier for one in outcomes.values()) >= 4
    again = run.gone_on()  # nothing is left to ask; what was lost is looked for again, and may be there by now
    for id_, one in outcomes.items():
        assert again[id_].status in ({"answered"} if one.status == "answered" else {"answered", "unknown"})
        assert again[id_].earlier or one.status == "unknown"
    run.check(again)


def test_an_interrupted_run_stops_its_turns_and_leaves_a_whole_journal(emulator: Emulator, tmp_path: Path) -> None:
    run = Killed(emulator, "chat", tmp_path / "journal", 16)
    process = run.started()
    read(process, 4)
    process.send_signal(signal.SIGINT)
    errors = ended(process)
    assert "KeyboardInterrupt" in errors
    assert "Task" not in errors  # no task was left behind, and no session
    assert "nclosed" not in errors
    assert run.journal.read_bytes().endswith(b"\n")
    outcomes = run.gone_on()
    posts = Counter(text for text, _ in asked(emulator))
    assert max(posts.values()) == 1
    left = [one for one in outcomes.values() if one.status == "failed"]
    assert len(left) == stops(emulator)
    run.gone_on(repeat_failed=True)
    posts = Counter(text for text, _ in asked(emulator))
    assert [posts[one.question.text] for one in left] == [2] * len(left)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["chat", "advanced-chat", "gptbots"])
def test_a_run_that_is_killed_again_and_again_asks_nothing_twice(emulator: Emulator, tmp_path: Path, kind: str) -> None:
    run = Killed(emulator, kind, tmp_path / "journal", 120, concurrency=16)
    order, kills = random.Random(1), many(3, 8)
    for kill in range(kills):
        process = run.started()
        read(process, order.randrange(1, 14 * (kill + 1)))
        process.kill()
        ended(process)
    outcomes = run.gone_on()
    run.check(outcomes)
    statuses = Counter(one.status for one in outcomes.values())
    print(f"{kind}: {kills} kills, {dict(statuses)}, {sum(one.recovered for one in outcomes.values())} recovered")
    assert statuses["unknown"] <= kills * 16
