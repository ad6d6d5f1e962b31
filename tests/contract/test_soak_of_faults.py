"""Hundreds of conversations with faults, cancellations and early leaves, in two event loops and in threads."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_chatbots import ChatDify, ChatGPTBots
from remote_chatbots import BotError
from remote_chatbots.emulator import (
    Cut,
    Emulator,
    EndEarly,
    ErrorEvent,
    Fault,
    Hang,
    HtmlPage,
    Reset,
    TooManyRequests,
    Trickle,
    Unavailable,
)
from tests.soaking import many

pytestmark = pytest.mark.soak

CONVERSATIONS = many(200, 1000)
TURNS = 4
FAULTS: tuple[Fault, ...] = (
    Cut(700), Reset(700), Hang(700), Hang(before_head=True), EndEarly(2), ErrorEvent(3), HtmlPage(502), HtmlPage(),
    TooManyRequests(retry_after_s=0), Unavailable(), Trickle(size_bytes=50),
)  # fmt: skip
SEND = ("/v1/chat-messages", "/gptbots/v2/conversation/message")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.05, agent_credits=float("inf")) as running:
        yield running


class Talk:
    """One conversation of one user; each of its questions is like no other."""

    def __init__(self, number: int, emulator: Emulator) -> None:
        given: dict[str, Any] = {"user": f"user-{number:03}", "timeout": (10, 3), "on_fork": "ignore"}
        self.random = random.Random(number)
        self.emulator = emulator
        self.path = SEND[number % 2]
        if number % 2:
            self.model: Any = ChatGPTBots(
                api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, api_version="v2", **given
            )
        else:
            kind = ("chat", "agent-chat", "advanced-chat")[number % 3]
            self.model = ChatDify(api_key=emulator.key(kind), base_url=emulator.dify_url, **given)
        self.questions = [f"user {number:03} turn {turn}: one two three four five" for turn in range(TURNS)]
        self.fate: Counter[str] = Counter()
        self.history: list[BaseMessage] = []
        self.put_off = 0

    def strikes(self) -> None:
        """Let the next question of this user suffer something, or nothing."""
        if self.random.random() < 0.4:
            fault = self.random.choice(FAULTS)
            self.put_off += isinstance(fault, TooManyRequests)
            self.emulator.faults.add(fault, path=self.path, user=self.model.user)

    def asked(self, question: str) -> list[BaseMessage]:
        """Return the history with the question."""
        return [*self.history, HumanMessage(f"[[echo]]{question}")]

    def take(self, question: str, answer: AIMessage) -> None:
        """Check that what was answered belongs to the question and to this conversation."""
        assert question in answer.text
        ids = {one.response_metadata["conversation_id"] for one in [*self.history[1::2], answer]}
        assert len(ids) == 1
        self.history = [*self.asked(question), answer]
        self.fate["answered"] += 1

    def run(self) -> None:
        """Talk, blocking."""
        for question in self.questions:
            self.strikes()
            try:
                if self.random.random() < 0.3:
                    for chunk in self.model.stream(self.asked(question)):
                        if chunk.text:
                            break
                    self.fate["left"] += 1
                else:
                    self.take(question, self.model.invoke(self.asked(question)))
            except BotError as error:
                self.fate[type(error).__name__] += 1
        self.model.close()

    async def arun(self) -> None:
        """Talk, in an event loop; some turns are cancelled at some moment."""
        for question in self.questions:
            self.strikes()
            turn = asyncio.create_task(self.model.ainvoke(self.asked(question)))
            try:
                if self.random.random() < 0.3:
                    await asyncio.sleep(self.random.random() * 0.05)
                    turn.cancel()
                self.take(question, await turn)
            except asyncio.CancelledError:
                self.fate["cancelled"] += 1
            except BotError as error:
                self.fate[type(error).__name__] += 1
        await self.model.aclose()


def in_a_loop(talks: list[Talk]) -> set[str]:
    """Run talks in an event loop of their own; return the tasks that are left."""

    async def all_of_them() -> set[str]:
        at_once = asyncio.Semaphore(20)

        async def one(talk: Talk) -> None:
            async with at_once:
                await talk.arun()

        await asyncio.gather(*map(one, talks))
        await asyncio.sleep(0.3)
        return {repr(task.get_coro()) for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    return asyncio.run(all_of_them())


def all_in_threads(talks: list[Talk]) -> None:
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(Talk.run, talks))


def open_sockets() -> int:
    return sum(str(one.readlink()).startswith("socket:") for one in Path("/proc/self/fd").iterdir() if one.is_symlink())


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def settled(at_most: int, count: Any) -> int:
    """Return a count, once it has come down to `at_most`; or what it is after some seconds."""
    until = time.monotonic() + 10
    while (found := count()) > at_most and time.monotonic() < until:
        gc.collect()
        time.sleep(0.1)
    return int(found)


def soaked(emulator: Emulator, numbers: range) -> list[Talk]:
    talks = [Talk(number, emulator) for number in numbers]
    third = len(talks) // 3
    with ThreadPoolExecutor(2) as loops:
        left = [loops.submit(in_a_loop, talks[:third]), loops.submit(in_a_loop, talks[third : 2 * third])]
        all_in_threads(talks[2 * third :])
        assert [one.result() for one in left] == [set(), set()]
    return talks


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open sockets are counted in /proc")
def test_faults_and_cancellations_leak_nothing_and_no_turn_is_posted_twice(emulator: Emulator) -> None:
    soaked(emulator, range(CONVERSATIONS, CONVERSATIONS + 12))  # whatever is made once is there now
    gc.collect()
    time.sleep(1)
    sockets, threads = open_sockets(), threading.active_count()
    before_blocks, before_bytes = sys.getallocatedblocks(), resident_bytes()
    first = len(emulator.requests)

    talks = soaked(emulator, range(CONVERSATIONS))

    fate = sum((talk.fate for talk in talks), Counter[str]())
    assert fate.total() == CONVERSATIONS * TURNS
    assert fate["answered"] > CONVERSATIONS, fate
    assert fate["cancelled"] > 0
    assert fate["left"] > 0
    posts = Counter(
        found.group()
        for request in emulator.requests[first:]
        if request.path in SEND and (found := re.search(r"user \d+ turn \d", str(request.body)))
    )
    for talk in talks:
        of_talk = [posts[question.partition(":")[0]] for question in talk.questions]
        assert sum(of_talk) >= talk.fate["answered"]
        # Twice is only what was put off, and that the server did not take.
        assert sum(count - 1 for count in of_talk if count > 1) <= talk.put_off, talk.model.user

    del talks, talk
    assert settled(sockets, open_sockets) <= sockets
    assert settled(threads, threading.active_count) <= threads
    gc.collect()
    turns = CONVERSATIONS * TURNS
    # The emulator remembers all that it was asked and has said; this bounds what is beside it. (To trace where memory
    # was taken would slow the server, which shares a thread lock with those who ask, until its answers come too late.)
    assert (sys.getallocatedblocks() - before_blocks) / turns < 200
    assert (resident_bytes() - before_bytes) / turns < 60_000
