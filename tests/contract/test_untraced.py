"""A program that traces nothing is brought nothing of those who trace."""

from __future__ import annotations

import json

import pytest

from remote_chatbots.emulator import Emulator
from tests.forks import Forks, succeeded

TURNS = {
    "langchain_chatbots": 'langchain_chatbots.ChatDify(**where).invoke("Hello").response_metadata',
    "llama_index_chatbots": 'llama_index_chatbots.Dify(**where).complete("Hello").raw',
}


@pytest.mark.parametrize("face", TURNS)
def test_a_turn_with_a_price_brings_no_instrumentation(bot_emulator: Emulator, frameworks: Forks, face: str) -> None:
    where = {"api_key": bot_emulator.dify_key, "base_url": bot_emulator.dify_url, "user": "untraced"}
    program = f"import json, sys, {face}\nwhere = {where!r}\nusage = {TURNS[face]}['usage']\n"
    program += "print(json.dumps([usage['currency'], sorted({name.partition('.')[0] for name in sys.modules})]))"
    currency, modules = json.loads(succeeded(frameworks.run(program)))
    assert currency == "USD"
    assert face in modules
    assert "openinference" not in modules  # OpenTelemetry comes with LangSmith's client, LangChain's own
