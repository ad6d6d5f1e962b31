from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from langchain_chatbots import ChatDify, ChatGPTBots, RemoteChatModel
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import MakeBot, MakeModel


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.05) as running:
        yield running


@pytest.fixture(scope="session")
def vcr() -> None:
    """What langchain-tests ask for where `enable_vcr_tests` is set; the plugin that has it takes time of each test."""


@pytest.fixture
def make_model(emulator: Emulator, request: pytest.FixtureRequest) -> MakeModel:
    """Make a model of the emulator's app of a kind, for a user that no other test is."""

    def make(kind: str = "chat", **fields: object) -> ChatDify:
        given = {"api_key": emulator.key(kind), "base_url": emulator.dify_url, "user": request.node.nodeid, **fields}
        return ChatDify(**given)

    return make


@pytest.fixture
def make_bot(emulator: Emulator, request: pytest.FixtureRequest) -> MakeBot:
    """Make a model of either platform, for a user that no other test is, in a name that GPTBots takes."""

    def make(platform: str, **fields: object) -> RemoteChatModel:
        user = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
        if platform == "dify":
            return ChatDify(**{"api_key": emulator.dify_key, "base_url": emulator.dify_url, "user": user, **fields})
        return ChatGPTBots(
            **{"api_key": emulator.gptbots_key, "base_url": emulator.gptbots_url, "user": user, **fields}
        )

    return make
