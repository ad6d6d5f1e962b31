"""The tables of settings, variables, errors and names in the README and the pages: complete, and right."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from llama_index.core.llms import LLM

import langchain_chatbots
import llama_index_chatbots
import remote_chatbots
from langchain_chatbots import ChatDify, ChatGPTBots, DifyKnowledgeRetriever
from llama_index_chatbots import Dify, GPTBots

HERE = Path(__file__).parents[2]
README, CORE = "README.md", "remote_chatbots/README.md"
PAGES = (README, CORE, "langchain_chatbots/README.md", "llama_index_chatbots/README.md")
MODELS = ((ChatDify, BaseChatModel), (ChatGPTBots, BaseChatModel), (Dify, LLM), (GPTBots, LLM))
CODE = re.compile(r"`([^`]+)`")


def rows(page: str, head: str) -> list[list[str]]:
    """Return the cells of the table that begins with the line `head`."""
    lines = (HERE / page).read_text(encoding="utf-8").splitlines()
    begin = lines.index(head) + 2
    end = next(number for number in range(begin, len(lines)) if not lines[number].startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[begin:end]]


def defaults() -> dict[str, list[Any]]:
    """Return our own fields, and the defaults that they have in the models of both frameworks."""
    found: dict[str, list[Any]] = {}
    for ours, theirs in MODELS:
        for name, field in ours.model_fields.items():
            value = field.get_default(call_default_factory=True)
            if name not in theirs.model_fields and value not in found.setdefault(name, []):
                found[name].append(value)
    return found


@pytest.mark.parametrize("page", [README, CORE])
def test_a_setting_has_the_default_that_its_table_says(page: str) -> None:
    real = defaults()
    for names, default, _ in rows(page, "| Field | Default | |"):
        for name in CODE.findall(names):
            told = [ast.literal_eval(value) for value in CODE.findall(default)]
            assert name in real
            assert not told or told == real[name], name


def test_the_core_s_table_has_every_setting_once() -> None:
    listed = [name for names, *_ in rows(CORE, "| Field | Default | |") for name in CODE.findall(names)]
    assert sorted(listed) == sorted(defaults())


def test_the_readme_s_table_has_every_variable_of_the_environment() -> None:
    listed = {name for names, *_ in rows(README, "| Variable | Field | |") for name in CODE.findall(names)}
    read = {name for kind in (ChatDify, ChatGPTBots, DifyKnowledgeRetriever) for name in kind._environment.items()}
    assert listed == {variable for _, variables in read for variable in variables}


@pytest.mark.parametrize("page", PAGES)
def test_every_extra_that_a_page_installs_is_there(page: str) -> None:
    extras = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    text = (HERE / page).read_text(encoding="utf-8")
    for named in re.findall(r"remote-chatbots\[([\w,-]+)\]", text):
        assert set(named.split(",")) <= set(extras)


def test_the_core_s_table_has_every_error() -> None:
    listed = {name for names, _ in rows(CORE, "| Error | When |") for name in CODE.findall(names)}
    public = {name: getattr(remote_chatbots, name) for name in remote_chatbots.__all__ if name.startswith("Bot")}
    errors = {name for name, kind in public.items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert listed == errors - {"BotError"}  # the sentence above the table names that one


@pytest.mark.parametrize("package", [langchain_chatbots, llama_index_chatbots], ids=lambda package: package.__name__)
def test_a_page_names_whatever_its_package_exports(package: Any) -> None:
    text = (HERE / package.__name__ / "README.md").read_text(encoding="utf-8")
    assert [name for name in package.__all__ if name != "__version__" and f"`{name}" not in text] == []
