"""Bulk asking on a Dask cluster of two worker processes, against what the server was asked."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from remote_chatbots import AsyncBotClient, BotUsageError, DifyApp, GPTBotsAgent
from remote_chatbots.bulk import Outcome, aask_all, ask_all
from remote_chatbots.bulk.on_dask import Hand
from remote_chatbots.emulator import Emulator, RateLimit
from remote_chatbots.question import Question
from tests.asked import asked, stops
from tests.soaking import many

if TYPE_CHECKING:  # it takes half a second to import, in each process
    import distributed


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0.01, held_open_s=0.02) as running:
        yield running


@pytest.fixture
def cluster() -> Iterator[distributed.Client]:
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as workers,
        distributed.Client(workers) as client,
    ):
        yield client


def pids(cluster: distributed.Client) -> list[int]:
    return list(cluster.run(os.getpid).values())


def asked_until(run: Iterator[Outcome], count: int, then: Callable[[], Any]) -> dict[str, Outcome]:
    """Return all outcomes; after so many of them do something."""
    outcomes: dict[str, Outcome] = {}
    for one in run:
        outcomes[one.id] = one
        if len(outcomes) == count:
            then()
    return outcomes


def check(emulator: Emulator, outcomes: dict[str, Outcome], count: int) -> None:
    """Check that each question was posted once, or is reported; and at most once in any case."""
    posts = Counter(text for text, _ in asked(emulator))
    assert outcomes.keys() == {str(number) for number in range(count)}
    assert max(posts.values()) == 1
    for one in outcomes.values():
        if one.status == "answered":
            assert one.answer is not None
            assert posts[one.question.text] == 1
            assert one.question.text.removeprefix("[[echo]]") in one.answer.text
        else:
            assert one.status == "unknown"
            assert "Dask worker" in str(one.error)


def questions(count: int) -> list[str]:
    return [f"[[echo]]Number {number:03} of the list" for number in range(count)]


async def test_the_workers_of_a_cluster_ask_between_them(emulator: Emulator, tmp_path: Path) -> None:
    import distributed

    app = DifyApp(emulator.dify_key, emulator.dify_url)
    async with (
        distributed.LocalCluster(
            n_workers=2,
            processes=False,
            protocol="tcp",
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
            asynchronous=True,
        ) as workers,
        distributed.Client(workers, asynchronous=True) as client,
    ):
        run = aask_all(app, questions(8), user="anna", journal=tmp_path / "journal", dask=client)
        check(emulator, {one.id: one async for one in run}, 8)
        with pytest.raises(BotUsageError, match="aask_all"):
            ask_all(app, questions(5), user="anna", dask=client)
    again = [one async for one in aask_all(app, questions(8), user="anna", journal=tmp_path / "journal")]
    assert all(one.earlier and one.status == "answered" for one in again)


@pytest.mark.soak
def test_a_worker_that_is_killed_in_the_middle_costs_no_question_and_repeats_none(
    emulator: Emulator, cluster: distributed.Client, tmp_path: Path
) -> None:
    app = DifyApp(emulator.dify_key, emulator.dify_url)
    journal, victim = tmp_path / "journal", pids(cluster)[0]
    run = ask_all(app, questions(40), user="anna", concurrency=8, journal=journal, dask=cluster)
    outcomes = asked_until(run, 10, lambda: os.kill(victim, signal.SIGKILL))
    check(emulator, outcomes, 40)
    lost = [one for one in outcomes.values() if one.status == "unknown"]
    assert 0 < len(lost) <= 8  # what was said of them, the app of a broken stream has lost
    again = {one.id: one for one in ask_all(app, questions(40), user="anna", journal=journal)}
    check(emulator, again, 40)  # and a run without Dask goes on with the journal
    assert {one.id for one in again.values() if one.status == "unknown"} == {one.id for one in lost}


async def test_a_hand_makes_no_call_twice_and_none_that_is_meant_for_another(emulator: Emulator) -> None:
    hand = Hand(AsyncBotClient(DifyApp(emulator.dify_key, emulator.dify_url), user="anna"))
    question = Question("[[echo]]Once", user="anna")
    name = await hand.name()
    started = await hand.begin(name, "call-1", question)
    assert started[0].conversation_id
    answer, first_text_s, _ = await hand.finish("call-1")
    assert "Once" in answer.text
    assert first_text_s is not None
    with pytest.raises(RuntimeError, match="made before"):
        await hand.begin(name, "call-1", question)
    with pytest.raises(RuntimeError, match="made before"):
        await hand.begin("another", "call-2", question)
    await hand.leave("call-3")
    with pytest.raises(RuntimeError, match="made before"):
        await hand.begin(name, "call-3", question)
    await hand.close()
    assert len(asked(emulator)) == 1


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["chat", "advanced-chat", "gptbots"])
def test_workers_that_are_killed_one_after_the_other_repeat_no_question(
    emulator: Emulator, cluster: distributed.Client, tmp_path: Path, kind: str
) -> None:
    gptbots = kind == "gptbots"
    url = emulator.gptbots_url if gptbots else emulator.dify_url
    bot = (GPTBotsAgent if gptbots else DifyApp)(emulator.key(kind), url)
    outcomes: dict[str, Outcome] = {}
    count = many(80, 200)
    run = ask_all(bot, questions(count), user="anna", concurrency=16, journal=tmp_path / "journal", dask=cluster)
    for one in run:
        outcomes[one.id] = one
        if len(outcomes) % 50 == 20:
            os.kill(pids(cluster)[0], signal.SIGKILL)
    check(emulator, outcomes, count)
    recovered = sum(one.recovered for one in outcomes.values())
    print(f"{kind}: {dict(Counter(one.status for one in outcomes.values()))}, {recovered} recovered")


@pytest.mark.soak
def test_workers_share_one_pace(emulator: Emulator, cluster: distributed.Client) -> None:
    emulator.faults.add(RateLimit(per_minute=10, window_s=1), times=None)
    agent = GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url)
    outcomes = list(ask_all(agent, questions(40), user="anna", concurrency=10, dask=cluster))
    assert {one.status for one in outcomes} == {"answered"}
    assert len(asked(emulator)) < 3 * 40


@pytest.mark.soak
def test_leaving_stops_the_turns_on_the_workers(cluster: distributed.Client) -> None:
    with Emulator() as emulator:
        app = DifyApp(emulator.dify_key, emulator.dify_url)
        slow = ["[[echo]]first", *(f"[[slow]] Story {number}" for number in range(4))]
        for _ in ask_all(app, slow, user="anna", concurrency=3, dask=cluster):
            time.sleep(0.5)  # for the others to begin
            break
        assert len(asked(emulator)) == 3
        assert stops(emulator) == 2
