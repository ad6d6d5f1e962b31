"""What a GPTBots agent says of itself: nothing of its custom variables, files and speech.

Source: GPTBots API reference, "Get agent detail".
"""

from __future__ import annotations

from typing import Any

from remote_chatbots.described import AppInfo, AppParameters, FileRules
from remote_chatbots.flow import Flow
from remote_chatbots.learned import Learned
from remote_chatbots.platforms.gptbots.calls import MOST_BYTES, MOST_FILES
from remote_chatbots.platforms.gptbots.management import Management
from remote_chatbots.platforms.gptbots.values import count
from remote_chatbots.reading import mapping, text, texts

# What every agent's send call takes; whether its model understands a picture, no call tells.
FILES = FileRules(number_limit=MOST_FILES, kinds=tuple(MOST_BYTES), max_bytes=MOST_BYTES)


def info(calls: Management, learned: Learned) -> Flow[AppInfo]:
    """Return who the agent is."""
    learned.info = info_of((yield from _detail(calls)))
    return learned.info


def parameters(calls: Management, learned: Learned) -> Flow[AppParameters]:
    """Return how the agent is set up, as far as it tells."""
    learned.parameters = parameters_of((yield from _detail(calls)))
    return learned.parameters


def _detail(calls: Management) -> Flow[dict[str, Any]]:
    told = yield from calls.read("/v1/bot/detail")
    return mapping(told.get("data")) or told  # identity calls come in an envelope, or flat


def info_of(told: dict[str, Any]) -> AppInfo:
    """Return what an agent's detail says of who it is."""
    return AppInfo(
        name=text(told.get("name")),
        description=text(told.get("introduction")),
        tags=tuple(texts(told.get("tags"))),
        kind=text(told.get("bot_type")),
        raw=told,
    )


def parameters_of(told: dict[str, Any]) -> AppParameters:
    """Return what an agent's detail says of how it is set up."""
    return AppParameters(
        opening_statement=text(told.get("welcome_message")),
        files=FILES,
        max_question_tokens=count(told.get("question_limit")),
        raw=told,
    )
