"""What a GPTBots agent says of itself, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from remote_chatbots import BotClient, BotUsageError, GPTBotsAgent
from remote_chatbots.flow import Flow
from remote_chatbots.wire import ResponseHead

# GPTBots API reference, "Get agent detail".
DETAIL = {
    "bot_id": "66f0c0ffee0000000000b001",
    "name": "Leave desk",
    "bot_type": "QuestionAnswer",
    "welcome_message": "Ask me about leave.",
    "introduction": "Knows the rules for leave",
    "tags": ["hr"],
    "question_limit": "4000",
}


def outcome_of(flow: Flow[Any], drive: Callable[..., Any], reply: Any) -> tuple[Any, Any]:
    found: list[Any] = []

    def kept() -> Flow[None]:
        found.append((yield from flow))

    played = drive(kept(), (ResponseHead(200, {"content-type": "application/json"}), orjson.dumps(reply)))
    return found[0], played


@pytest.mark.parametrize("reply", [DETAIL, {"code": 0, "message": "OK", "data": DETAIL}], ids=["flat", "enveloped"])
def test_an_agents_detail_says_who_it_is_and_how_long_a_question_may_be(
    agent: GPTBotsAgent, drive: Callable[..., Any], reply: Any
) -> None:
    told, played = outcome_of(agent.info(), drive, reply)
    assert (told.name, told.description, told.tags) == ("Leave desk", "Knows the rules for leave", ("hr",))
    assert (told.kind, told.raw) == ("QuestionAnswer", DETAIL)
    assert played.requests[0].url.endswith("/v1/bot/detail")

    found, _ = outcome_of(agent.parameters(), drive, reply)
    assert (found.opening_statement, found.max_question_tokens) == ("Ask me about leave.", 4000)
    assert (found.input_form, found.citations, found.speech_to_text) == ((), None, None)
    assert (found.files.enabled, found.files.number_limit, found.files.max_bytes["audio"]) == (None, 9, 5 * 2**20)
    assert (agent.learned.info, agent.learned.parameters) == (told, found)


@pytest.mark.parametrize("name", ["meta", "site"])
def test_what_the_platform_does_not_tell_is_refused_by_name(agent: GPTBotsAgent, name: str) -> None:
    with BotClient(agent) as client, pytest.raises(BotUsageError, match=rf"^gptbots: there is no call for '{name}'"):
        getattr(client, name)()
