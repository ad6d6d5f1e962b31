"""The README's Python runs, block by block in one namespace, on the emulator in place of the reader's servers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from langchain_chatbots import ChatDify
from llama_index_chatbots import Dify
from remote_chatbots import BotClient, DifyApp
from remote_chatbots.emulator import Emulator

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def on(emulator: Emulator, block: str) -> str:
    """Return a block with the emulator's keys and addresses in place of the reader's."""
    dify = f'api_key="{emulator.dify_key}", base_url="{emulator.dify_url}"'
    base = next(iter(emulator.datasets.values()))
    knowledge = f'api_key="{emulator.dataset_key}", base_url="{emulator.dify_url}", dataset_id="{base}"'
    gptbots = f'api_key="{emulator.gptbots_key}", base_url="{emulator.gptbots_url}"'
    return (
        block.replace('api_key="app-…", base_url="https://dify.example.com"', dify)
        .replace('api_key="app-…", base_url="sg"', gptbots)
        .replace('api_key="dataset-…", base_url="https://dify.example.com", dataset_id="…"', knowledge)
        .replace('"anna"', '"reader"')
    )


def test_every_block_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # one of them makes a database
    known: dict[str, Any] = {"__name__": "readme"}
    assert len(BLOCKS) > 8
    with Emulator(token_delay_s=0) as emulator:
        form = {"api_key": emulator.key("advanced-chat-form"), "base_url": emulator.dify_url}
        for number, block in enumerate(BLOCKS):
            if "harbour master" in block:  # those are told of an app that waits for a person
                known |= {"model": ChatDify(**form, user="reader"), "llm": Dify(**form, user="reader")}
                known["client"] = BotClient(DifyApp(**form), user="reader")
            exec(compile(on(emulator, block), f"README block {number}", "exec"), known)
    told = capsys.readouterr().out
    assert "The ferry to Gull Island leaves from pier 3" in told
    assert "ferry.md" in told
