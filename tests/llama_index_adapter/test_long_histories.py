"""What a long history costs: where it goes on is found from its end."""

from __future__ import annotations

import time

from llama_index.core.llms import ChatMessage

from llama_index_chatbots import RemoteLLM
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

    def cost(history: list[ChatMessage]) -> float:
        begun = time.process_time()
        for _ in range(20):
            bot._turn(history, {})[0].close()
        return time.process_time() - begun

    cost(long)
    ratios = sorted(cost(long) / cost(short) for _ in range(15))
    assert ratios[len(ratios) // 2] <= 2
