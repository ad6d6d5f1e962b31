"""What a long history costs: where it goes on is found from its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from llama_index.core.llms import ChatMessage

from llama_index_chatbots import RemoteChatEngine, RemoteLLM
from tests.calls import counted
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


def calls_of(action: Callable[[list[ChatMessage]], None], answer: ChatMessage, length: int) -> Counter[str]:
    """Return the calls that `action` makes of this thread, for a history of so many messages."""
    history = long_history(answer, length)
    with counted() as calls:
        action(history)
    return calls


def test_finding_where_to_go_on_in_ten_thousand_messages_takes_no_call_more_than_in_ten(bot: RemoteLLM) -> None:
    answer = bot.chat([user(QUESTION)]).message

    def find(history: list[ChatMessage]) -> None:
        bot._turn(history, {})[1].close()

    calls_of(find, answer, 10)  # what is made once is made now
    assert calls_of(find, answer, 10_000) == calls_of(find, answer, 10)


@pytest.mark.parametrize("way", ["LLM", "chat engine"])
def test_a_whole_turn_behind_ten_thousand_messages_costs_what_one_behind_ten_costs(bot: RemoteLLM, way: str) -> None:
    bot.on_fork = "ignore"  # each turn begins where the first one did
    answer = bot.chat([user(QUESTION)]).message
    engine = RemoteChatEngine.from_llm(bot)

    def ask(history: list[ChatMessage]) -> None:
        if way == "LLM":
            bot.chat(history)
        else:
            engine.chat("And on Sundays?", chat_history=history[:-1])

    calls_of(ask, answer, 10)
    short, long = calls_of(ask, answer, 10), calls_of(ask, answer, 10_000)
    assert long.total() <= short.total() + 1_000  # reads of the socket differ; a look at each message would be more
