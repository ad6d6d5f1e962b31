"""What a long history costs: where it goes on is found from its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from llama_index.core.llms import ChatMessage

from llama_index_chatbots import RemoteChatEngine, RemoteLLM
from tests.llama_index_adapter.asking import QUESTION, user


def long_history(answer: ChatMessage, length: int) -> list[ChatMessage]:
    """Return a history of so many messages, which ends in `answer` and a new question."""
    told = {**answer.additional_kwargs, "message_id": "an older one"}
    pairs = [
        message
        for n in range(length // 2 - 1)
        for message in (user(f"Question {n}?"), ChatMessage(f"Answer {n}.", role="assistant", additional_kwargs=told))
    ]
    return [*pairs, answer, user("And on Sundays?")]


def test_finding_where_to_go_on_in_ten_thousand_messages_costs_at_most_twice_that_of_ten(bot: RemoteLLM) -> None:
    answer = bot.chat([user(QUESTION)]).message
    short, long = long_history(answer, 10), long_history(answer, 10_000)

    def find(history: list[ChatMessage]) -> None:
        for _ in range(20):
            bot._turn(history, {})[0].close()

    assert cost_against(find, long, short) <= 2


def test_a_whole_turn_behind_ten_thousand_messages_costs_at_most_twice_that_behind_ten(bot: RemoteLLM) -> None:
    bot.on_fork = "ignore"  # each turn begins where the first one did
    answer = bot.chat([user(QUESTION)]).message
    short, long = long_history(answer, 10), long_history(answer, 10_000)

    def ask(history: list[ChatMessage]) -> None:
        bot.chat(history)

    assert cost_against(ask, long, short) <= 2


def test_a_turn_of_an_engine_that_is_given_ten_thousand_messages_costs_at_most_twice_that_of_ten(
    bot: RemoteLLM,
) -> None:
    bot.on_fork = "ignore"  # each turn begins where the first one did
    answer = bot.chat([user(QUESTION)]).message
    short, long = long_history(answer, 10), long_history(answer, 10_000)
    engine = RemoteChatEngine.from_llm(bot)

    def ask(history: list[ChatMessage]) -> None:
        engine.chat("And on Sundays?", chat_history=history[:-1])

    assert cost_against(ask, long, short) <= 2


def cost_against(action: Callable[[list[ChatMessage]], None], one: Any, other: Any) -> float:
    """Return what `action` costs this thread with `one`, over what it costs with `other`: the median of some."""

    def cost(history: list[ChatMessage]) -> float:
        begun = time.thread_time()
        action(history)
        return time.thread_time() - begun

    cost(one)
    ratios = sorted(cost(one) / cost(other) for _ in range(15))
    return ratios[len(ratios) // 2]
