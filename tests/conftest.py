from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import covering
from tests.forks import HTTP, LANGCHAIN, LLAMA_INDEX, Forks, forks_of

os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")  # hosts that do not exist are looked up, too

# Each process of the tests, and each that one of them starts, would compile the packages and rewrite the asserts anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Before any test can import it.
pytest.register_assert_rewrite("llama_index_chatbots.conformance")


def pytest_configure(config: pytest.Config) -> None:
    covering.sample_alone = "not matrix" in config.option.markexpr


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What runs notebooks takes a second to import, in each process."""
    return True if collection_path.name == "notebooks" and "not notebooks" in config.option.markexpr else None


def pytest_collection_finish() -> None:
    """Tests that collect garbage look at what is of tests: not at the frameworks, which take it half a second."""
    gc.freeze()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Most tests wait for a socket as long as they compute: two processes keep a core busy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(cores, min(2 * cores, 8))


@pytest.fixture(scope="session")
def frameworks() -> Iterator[Forks]:
    """Processes that have imported the frameworks and the HTTP libraries, and nothing of ours."""
    with forks_of(*HTTP, *LANGCHAIN, *LLAMA_INDEX) as forks:
        yield forks
