"""Many users at once, in threads and in tasks."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import BaseMessage, HumanMessage

from langchain_chatbots import RemoteChatModel
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import PLATFORMS, MakeBot, conversation, text_of
from tests.soaking import many

USERS, CONVERSATIONS, TURNS = 50, many(4, 20), many(5, 10)

pytestmark = pytest.mark.soak


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A server of each test's own, whose agents can pay for all that is asked here."""
    with Emulator(token_delay_s=0, held_open_s=0.05, agent_credits=float("inf")) as running:
        yield running


class Talk:
    """One conversation of one user, a turn at a time."""

    def __init__(self, user: str, number: int) -> None:
        self.user = user
        self.number = number
        self.history: list[BaseMessage] = []

    def asked(self) -> list[BaseMessage]:
        """Return the history with the next question. Each is of one length, and like no other."""
        self.history.append(HumanMessage(f"[[echo]]{self.user} {self.number:02} {len(self.history) // 2:02}"))
        return list(self.history)


def check(talks: list[Talk]) -> None:
    """Check that each answer echoes its own question, in one conversation for each talk."""
    for talk in talks:
        for question, answer in zip(talk.history[::2], talk.history[1::2], strict=True):
            assert str(question.content).removeprefix("[[echo]]") in answer.text
        assert len({conversation(answer) for answer in talk.history[1::2]}) == 1
    assert len({conversation(talk.history[1]) for talk in talks}) == len(talks)


def check_log(emulator: Emulator, talks: list[Talk], platform: str) -> None:
    """Check by what the server received: who asked what in which conversation, and how much was sent each turn."""
    path = {"dify": "/v1/chat-messages", "gptbots": "/gptbots/v2/conversation/message"}[platform]
    received: dict[str, list[dict[str, Any]]] = defaultdict(list)
    owners = {conversation(talk.history[1]): talk for talk in talks}
    firsts = {str(talk.history[0].content): id_ for id_, talk in owners.items()}
    for one in emulator.requests:
        if one.path == path and isinstance(one.body, dict):
            id_ = one.body["conversation_id"] or firsts.get(text_of(one.body), "")
            received[id_].append(one.body)
    for id_, talk in owners.items():
        bodies = received[id_]
        assert [text_of(body) for body in bodies] == [question.content for question in talk.history[::2]]
        assert {body.get("user", talk.user) for body in bodies} == {talk.user}
        assert len({len(json.dumps(body)) for body in bodies[1:]}) == 1


def talks_of(model: RemoteChatModel) -> list[Talk]:
    return [Talk(f"{model.user}-{n:02}", number) for n in range(USERS) for number in range(CONVERSATIONS)]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_answer_in_threads_belongs_to_its_own_conversation(
    emulator: Emulator, make_bot: MakeBot, platform: str
) -> None:
    model = make_bot(platform)
    talks = talks_of(model)
    order = random.Random(1)
    with ThreadPoolExecutor(16) as pool:
        for _ in range(TURNS):
            order.shuffle(talks)

            def turn(talk: Talk) -> None:
                talk.history.append(model.invoke(talk.asked(), user=talk.user))

            list(pool.map(turn, talks))
    check(talks)
    check_log(emulator, talks, platform)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_every_answer_in_tasks_belongs_to_its_own_conversation(
    emulator: Emulator, make_bot: MakeBot, platform: str
) -> None:
    model = make_bot(platform)
    talks = talks_of(model)
    at_once = asyncio.Semaphore(100)

    async def talked(talk: Talk) -> None:
        for _ in range(TURNS):
            async with at_once:
                talk.history.append(await model.ainvoke(talk.asked(), user=talk.user))

    await asyncio.gather(*(talked(talk) for talk in talks))
    check(talks)
    check_log(emulator, talks, platform)
