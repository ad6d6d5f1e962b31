"""What a long history costs: where it goes on is found from its end."""

from __future__ import annotations

from collections import Counter

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from tests.calls import counted
from tests.langchain_adapter.asking import PLATFORMS, MakeBot


def long_history(answer: AIMessage, length: int) -> list[BaseMessage]:
    """Return a history of so many messages, which ends in `answer` and a new question."""
    told = {**answer.response_metadata, "message_id": "an older one"}
    pairs = [
        message
        for n in range(length // 2 - 1)
        for message in (HumanMessage(f"Question {n}?"), AIMessage(f"Answer {n}.", response_metadata=told))
    ]
    return [*pairs, answer, HumanMessage("And on Sundays?")]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_finding_where_to_go_on_in_ten_thousand_messages_takes_no_call_more_than_in_ten(
    make_bot: MakeBot, platform: str
) -> None:
    model = make_bot(platform)
    answer = model.invoke("When does the ferry leave?")

    def calls_of(length: int) -> Counter[str]:
        history = long_history(answer, length)
        with counted() as calls:
            _, flow, _ = model._turn(history, None, {})
            flow.close()
        return calls

    calls_of(10)  # what is made once is made now
    assert calls_of(10_000) == calls_of(10)
