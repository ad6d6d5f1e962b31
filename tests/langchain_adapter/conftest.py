from __future__ import annotations

from collections.abc import Iterator

import pytest

from langchain_chatbots import ChatDify
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import MakeModel


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.05) as running:
        yield running


@pytest.fixture
def make_model(emulator: Emulator, request: pytest.FixtureRequest) -> MakeModel:
    """Make a model of the emulator's app of a kind, for a user that no other test is."""

    def make(kind: str = "chat", **fields: object) -> ChatDify:
        given = {"api_key": emulator.key(kind), "base_url": emulator.dify_url, "user": request.node.nodeid, **fields}
        return ChatDify(**given)

    return make
