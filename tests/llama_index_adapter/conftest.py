from __future__ import annotations

from collections.abc import Iterator

import pytest

from llama_index_chatbots import Dify
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import MakeLLM

pytest.register_assert_rewrite("llama_index_chatbots.conformance")


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.05) as running:
        yield running


@pytest.fixture
def make_llm(emulator: Emulator, request: pytest.FixtureRequest) -> MakeLLM:
    """Make an LLM of the emulator's app of a kind, for a user that no other test is."""

    def make(kind: str = "chat", **fields: object) -> Dify:
        given = {"api_key": emulator.key(kind), "base_url": emulator.dify_url, "user": request.node.nodeid, **fields}
        return Dify(**given)

    return make
