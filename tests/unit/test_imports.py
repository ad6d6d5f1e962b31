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

# What a user of the framework has loaded before; LangChain's face brings all that it needs of LangChain.
LLAMA_INDEX = "from llama_index.core import evaluation, memory, query_engine, retrievers, tools"
# What a fork of LlamaIndex has loaded that LlamaIndex need not have: if ours bring it, it is there again.
OTHERS = """
for name in [name for name in sys.modules if name.startswith(("aiohttp", "langchain", "orjson", "requests"))]:
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
def beside_llama_index(frameworks: Forks) -> Any:
    """What an interpreter that has LlamaIndex saw of the import of its face."""
    code = IMPORTED.format(package="llama_index_chatbots", before=LLAMA_INDEX + OTHERS)
    return json.loads(succeeded(frameworks.run(code)))


def test_the_core_brings_neither_a_framework_nor_an_http_library() -> None:
    assert not {"langchain_core", "llama_index", "requests", "aiohttp"} & set(imported("remote_chatbots")["new"])


def test_the_langchain_face_brings_neither_the_other_framework_nor_aiohttp() -> None:
    assert not {"llama_index", "aiohttp", "langgraph"} & set(imported("langchain_chatbots")["new"])


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


@pytest.mark.parametrize("package", ["remote_chatbots", "langchain_chatbots"])
def test_every_public_name_is_there(package: str) -> None:
    assert imported(package)["public"] > 2
    assert imported(package)["missing"] == []


def test_every_public_name_of_the_llama_index_face_is_there(beside_llama_index: Any) -> None:
    assert beside_llama_index["public"] > 2
    assert beside_llama_index["missing"] == []


@pytest.mark.parametrize("package", ["remote_chatbots", "langchain_chatbots"])
def test_importing_sets_up_no_logging(package: str) -> None:
    assert imported(package)["logging"] == [0, 0]
