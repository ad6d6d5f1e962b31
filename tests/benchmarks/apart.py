"""Runs a function in a process of its own, and says what memory it takes there."""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_ABOUT_MEMORY = Path("/proc/self/status")
_PEAK_FROM_NOW = Path("/proc/self/clear_refs")
MEASURABLE = _PEAK_FROM_NOW.exists()  # on Linux


def apart(function: Callable[..., T], *args: Any) -> T:
    """Return what `function` returns in a fresh process, which ends with it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


class Growth:
    """How much memory this process takes from now on: by what the kernel has given it (resident set size)."""

    def __init__(self) -> None:
        gc.collect()
        _PEAK_FROM_NOW.write_text("5", encoding="ascii")  # proc(5): resets the peak to the present size
        self._began_bytes = _bytes("VmHWM")

    def bytes(self) -> int:
        """Return by how much the peak since then lies above what there was."""
        return _bytes("VmHWM") - self._began_bytes


def _bytes(name: str) -> int:
    told = dict(line.split(":", 1) for line in _ABOUT_MEMORY.read_text(encoding="ascii").splitlines())
    return int(told[name].split()[0]) * 1024
