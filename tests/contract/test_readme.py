"""The Python of the README and of the pages runs, each page's blocks in one namespace, on the emulator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from langchain_chatbots import ChatDify
from llama_index_chatbots import Dify
from remote_chatbots import BotClient, DifyApp
from remote_chatbots.emulator import Emulator

HERE = Path(__file__).parents[2]
PAGES = ("README.md", "langchain_chatbots/README.md", "llama_index_chatbots/README.md", "remote_chatbots/README.md")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"```.*?```", re.DOTALL)


def text_of(page: Path | str) -> str:
    return (HERE / page).read_text(encoding="utf-8")


def blocks_of(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text_of(page), re.DOTALL)


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


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # some of them make a file
    known: dict[str, Any] = {"__name__": "readme"}
    blocks = blocks_of(page)
    assert len(blocks) > 3
    with Emulator(token_delay_s=0) as emulator:
        form = {"api_key": emulator.key("advanced-chat-form"), "base_url": emulator.dify_url}
        picture = {"api_key": emulator.key("chat-image"), "base_url": emulator.dify_url}
        for number, block in enumerate(blocks):
            told_of: dict[str, Any] = {}
            if "harbour master" in block:  # those are told of an app that waits for a person
                told_of = {"model": ChatDify(**form, user="reader"), "llm": Dify(**form, user="reader")}
                told_of["client"] = BotClient(DifyApp(**form), user="reader")
            elif '"image"' in block:  # and those of one that takes pictures
                told_of = {"model": ChatDify(**picture, user="reader")}
            names = known | told_of if told_of else known
            exec(compile(on(emulator, block), f"{page} block {number}", "exec"), names)
    told = capsys.readouterr().out
    assert "The ferry to Gull Island leaves from pier 3" in told
    assert "ferry.md" in told


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "SECURITY.md"])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    for link in LINK.findall(FENCED.sub("", text_of(page))):
        target, _, heading = link.partition("#")
        if "://" in link:
            continue
        found = ((HERE / page).parent / target).resolve() if target else HERE / page
        assert found.exists(), link
        if heading:
            known = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in HEADING.findall(text_of(found))}
            assert heading in known, link
