"""What importing a package brings along, seen in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest


def imported_by(statement: str, *names: str) -> list[str]:
    """Return which of `names` are loaded after `statement`."""
    code = f"import sys; {statement}; print(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_core_brings_neither_a_framework_nor_an_http_library() -> None:
    assert imported_by("import remote_chatbots", "langchain_core", "llama_index", "requests", "aiohttp") == []


def test_the_langchain_face_brings_neither_the_other_framework_nor_aiohttp() -> None:
    assert imported_by("import langchain_chatbots", "llama_index", "aiohttp", "langgraph") == []


def test_the_llama_index_face_brings_nothing_that_its_framework_does_not() -> None:
    brought = """
import sys, llama_index.core
from llama_index.core import evaluation, memory, query_engine, retrievers, tools
before = set(sys.modules)
import llama_index_chatbots
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(new - set(sys.stdlib_module_names)))
"""
    done = subprocess.run([sys.executable, "-c", brought], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - {"llama_index"} == {"remote_chatbots", "llama_index_chatbots"}


def test_the_pytest_plugin_brings_no_server() -> None:
    assert imported_by("import remote_chatbots.emulator.pytest_plugin", "aiohttp", "sqlite3", "requests") == []


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


@pytest.mark.parametrize("package", ["remote_chatbots", "langchain_chatbots", "llama_index_chatbots"])
def test_every_public_name_is_there(package: str) -> None:
    code = f"import {package} as p; assert all(hasattr(p, name) for name in p.__all__); print(len(p.__all__))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 2


def test_importing_sets_up_no_logging() -> None:
    code = (
        "import logging, langchain_chatbots; "
        "print(logging.getLogger().handlers, logging.getLogger('remote_chatbots').level)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "0"]
