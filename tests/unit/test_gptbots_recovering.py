"""An answer of a GPTBots agent whose turn broke off, looked for in the history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from remote_chatbots import BotNotFoundError, GPTBotsAgent, LostAnswer
from remote_chatbots.platforms.gptbots.management import LOOKED_UP_AFTER_S, LOOKED_UP_TIMES
from remote_chatbots.platforms.gptbots.options import GPTBotsOptions
from remote_chatbots.wire import ResponseHead

LOST = LostAnswer("c-1", question="Leave days?", user="ann", said="Twen")


@pytest.fixture
def agent() -> GPTBotsAgent:
    return GPTBotsAgent("app-secret-key-123", "sg")


def history(answer: str | None) -> tuple[ResponseHead, list[bytes]]:
    said = [("user", "q-1", "", "Leave days?")]
    said += [] if answer is None else [("assistant", "a-1", "q-1", answer)]
    found = [
        {
            "role": role,
            "message_id": own_id,
            "parent_message_id": parent_id,
            "create_time": 1,
            "content": [{"branch_content": [{"type": "text", "text": text}]}],
        }
        for role, own_id, parent_id, text in said
    ]
    body = orjson.dumps({"conversation_content": found, "total": len(found)})
    return ResponseHead(200, {"content-type": "application/json"}), [body]


def test_the_answer_is_waited_for_until_it_is_no_shorter_than_what_had_arrived(
    agent: GPTBotsAgent, drive: Callable[..., Any]
) -> None:
    played = drive(agent.recover(LOST), history(None), history(""), history("Tw"), history("Twenty."))
    assert (played.answer.text, played.answer.message_id, played.answer.finish_reason) == ("Twenty.", "a-1", "stop")
    assert {request.method for request in played.requests} == {"GET"}
    assert played.slept == [LOOKED_UP_AFTER_S] * 3


def test_an_answer_that_does_not_come_is_an_error_that_has_what_is_known(
    agent: GPTBotsAgent, drive: Callable[..., Any]
) -> None:
    played = drive(agent.recover(LOST), *[history(None)] * LOOKED_UP_TIMES)
    assert isinstance(played.error, BotNotFoundError)
    assert played.error.message.startswith("gptbots: the server has no text of this answer")
    assert (played.error.conversation_id, played.error.partial_text) == ("c-1", "Twen")


def test_without_a_conversation_nothing_is_asked(agent: GPTBotsAgent, drive: Callable[..., Any]) -> None:
    played = drive(agent.recover(LostAnswer(question="Leave days?")))
    assert isinstance(played.error, BotNotFoundError)
    assert played.requests == []


def test_thoughts_and_marks_are_as_in_the_stream(drive: Callable[..., Any]) -> None:
    agent = GPTBotsAgent("app-1", "sg", options=GPTBotsOptions(corner_citation=True, citation_marks=False))
    played = drive(agent.recover(LOST), history("<think>Hm.</think>Twenty$[1]$."))
    assert (played.answer.reasoning, played.answer.text) == ("Hm.", "Twenty.")
