from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from llama_index_chatbots import Dify, GPTBots, RemoteLLM
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import Do, MakeLLM


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


@pytest.fixture(params=["dify", "gptbots"])
def bot(emulator: Emulator, make_llm: MakeLLM, request: pytest.FixtureRequest) -> RemoteLLM:
    """An LLM of either platform, for a user that no other test is."""
    if request.param == "dify":
        return make_llm()
    user = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:32]
    return GPTBots(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, user=user)


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest) -> Do:
    """Call a method, or its async twin: `await do(memory.get)`."""

    async def call(method: Any, *arguments: Any, **named: Any) -> Any:
        if request.param == "sync":
            return method(*arguments, **named)
        name = "async_add_message" if method.__name__ == "add_message" else f"a{method.__name__}"
        return await getattr(method.__self__, name)(*arguments, **named)

    return call
