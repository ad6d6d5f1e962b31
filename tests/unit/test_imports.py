"""What importing a package brings along, seen in a fresh interpreter."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from tests.forks import Forks, succeeded

# What a user of LlamaIndex has loaded before; LangChain's face brings all that it needs of LangChain.
LLAMA_INDEX = "from llama_index.core import evaluation, memory, query_engine, retrievers, tools"
# A fork of both frameworks has loaded more than one of them need have: what ours brings of it, is there again.
FORGOTTEN = """
for name in [name for name in sys.modules if name.startswith({others})]:
    del sys.modules[name]
"""
IMPORTED = """
import json, logging, sys
{before}
before = set(sys.modules)
import {package} as package
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
logging_set_up = [len(logging.getLogger().handlers), logging.getLogger("remote_chatbots").level]
missing = [name for name in getattr(package, "__all__", []) if not hasattr(package, name)]
public = len(getattr(package, "__all__", []))
print(json.dumps({{"new": sorted(new), "logging": logging_set_up, "missing": missing, "public": public}}))
"""


@cache
def imported(package: str) -> Any:
    """Return what a fresh interpreter saw of the import; asking once serves all tests of a package."""
    code = IMPORTED.format(package=package, before="")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture
def beside_langchain(frameworks: Forks) -> Any:
    """What an interpreter that has LangChain saw of the import of its face."""
    before = FORGOTTEN.format(others=("aiohttp", "langgraph", "llama_index", "orjson", "requests"))
    return json.loads(succeeded(frameworks.run(IMPORTED.format(package="langchain_chatbots", before=before))))


@pytest.fixture
def beside_llama_index(frameworks: Forks) -> Any:
    """What an interpreter that has LlamaIndex saw of the import of its face."""
    before = LLAMA_INDEX + FORGOTTEN.format(others=("aiohttp", "langchain", "orjson", "requests"))
    return json.loads(succeeded(frameworks.run(IMPORTED.format(package="llama_index_chatbots", before=before))))


def test_the_core_brings_neither_a_framework_nor_an_http_library() -> None:
    assert not {"langchain_core", "llama_index", "requests", "aiohttp"} & set(imported("remote_chatbots")["new"])


def test_the_langchain_face_brings_neither_the_other_framework_nor_aiohttp(beside_langchain: Any) -> None:
    assert "langchain_chatbots" in beside_langchain["new"]
    assert not {"llama_index", "aiohttp", "langgraph"} & set(beside_langchain["new"])


def test_the_llama_index_face_brings_nothing_that_its_framework_does_not(beside_llama_index: Any) -> None:
    brought = set(beside_llama_index["new"]) - sys.stdlib_module_names
    assert brought - {"llama_index"} == {"remote_chatbots", "llama_index_chatbots"}


@pytest.mark.parametrize(
    "statement", ["from langchain_chatbots import ChatDify", "from llama_index_chatbots import Dify, RemoteChatEngine"]
)
def test_a_model_brings_neither_what_only_type_checkers_read_nor_what_other_platforms_need(
    statement: str, frameworks: Forks
) -> None:
    code = f"import sys; {statement}; print(*sys.modules, sep='\\n')"
    brought = succeeded(frameworks.run(code)).decode().split()

    assert "remote_chatbots.events" in brought
    assert not [
        name for name in brought if "_chatbots" in name and re.search("constructors|json_framing|gptbots", name)
    ]


def test_the_pytest_plugin_brings_no_server() -> None:
    assert not {"aiohttp", "sqlite3", "requests"} & set(imported("remote_chatbots.emulator.pytest_plugin")["new"])


@pytest.mark.parametrize(
    ("face", "framework", "extra"),
    [
        ("langchain_chatbots", "langchain_core", "langchain"),
        ("llama_index_chatbots", "llama_index.core", "llama-index"),
    ],
)
def test_a_face_without_its_framework_names_the_extra(face: str, framework: str, extra: str) -> None:
    code = f"import sys; sys.modules['{framework}'] = None; import {face}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError" in done.stderr
    assert f"pip install 'remote-chatbots[{extra}]'" in done.stderr


def test_every_public_name_is_there(beside_langchain: Any, beside_llama_index: Any) -> None:
    for seen in (imported("remote_chatbots"), beside_langchain, beside_llama_index):
        assert seen["public"] > 2
        assert seen["missing"] == []


def test_importing_sets_up_no_logging(beside_langchain: Any) -> None:
    for seen in (imported("remote_chatbots"), beside_langchain):
        assert seen["logging"] == [0, 0]
