from __future__ import annotations

import os

import pytest

os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")  # hosts that do not exist are looked up, too

# Before any test can import it.
pytest.register_assert_rewrite("llama_index_chatbots.conformance")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Most tests wait for a socket as long as they compute: two processes keep a core busy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(cores, min(2 * cores, 8))
