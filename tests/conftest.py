from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests import covering
from tests.forks import HTTP, LANGCHAIN, LLAMA_INDEX, OF_TESTS, Forks, forks_of

ADDRESS = "ADDRESS_OF_FORKS"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")

os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")  # hosts that do not exist are looked up, too

# Each process of the tests, and each that one of them starts, would compile the packages and rewrite the asserts anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Before any test can import it.
pytest.register_assert_rewrite("llama_index_chatbots.conformance")


def pytest_configure(config: pytest.Config) -> None:
    covering.sample_alone = "not matrix" in config.option.markexpr


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, object, object]:
    made = yield
    if not any(metafunc.definition.iter_markers("whole")):
        metafunc._calls = covering.sampled(metafunc.function.__qualname__, metafunc._calls)
    return made


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What runs notebooks takes a second to import, in each process."""
    return True if collection_path.name == "notebooks" and "not notebooks" in config.option.markexpr else None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Each worker begins a folder at another file: else all would compile one file after the other at the same time."""
    report = yield
    if WORKER and isinstance(collector, pytest.Directory):
        at = len(report.result) * int(WORKER.removeprefix("gw")) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        report.result[:] = report.result[at:] + report.result[:at]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if WORKER:
        items.sort(key=lambda item: item.path)


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Have a worker tell of a test once: to gather the messages of its parts took one process a tenth of the time."""
    if not WORKER:
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected is kept: looking for garbage in it, again and again, would take a ninth of the time.

    Tests that collect garbage look at what is of tests: not at all this and the frameworks, which takes half a second.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Most tests wait for a socket as long as they compute: two processes keep a core busy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(cores, min(2 * cores, 8))


def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Workers are forks as well: each would import frameworks and tests for itself, and start a process for forks."""
    stack = contextlib.ExitStack()
    config.add_cleanup(stack.close)
    forks = stack.enter_context(forks_of(*HTTP, *LANGCHAIN, *LLAMA_INDEX))
    if covering.sample_alone:
        os.environ[covering.SAMPLE_ALONE] = "1"
    tests = ("tests.imported_once", "remote_chatbots") if config.args_source is config.ArgsSource.TESTPATHS else ()
    workers = stack.enter_context(forks_of(*OF_TESTS, *tests, on=forks))
    os.environ[ADDRESS] = forks.address
    for spec in specs:
        spec.python = workers.interpreter


@pytest.fixture(scope="session")
def frameworks() -> Iterator[Forks]:
    """Processes that have imported the frameworks and the HTTP libraries, and nothing of ours."""
    if address := os.environ.get(ADDRESS):
        yield Forks(address)
        return
    with forks_of(*HTTP, *LANGCHAIN, *LLAMA_INDEX) as forks:
        yield forks
