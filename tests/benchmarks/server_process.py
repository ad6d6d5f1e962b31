"""A server in a process of its own, which ends with the block that uses it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self


class ServerProcess:
    """The server, as its clients' process sees it. To be used in a `with`.

    Args:
        serve: Serves until the other end of the pipe is closed; says its port on it first.
    """

    def __init__(self, serve: Callable[[Connection], None]) -> None:
        fresh = multiprocessing.get_context("spawn")
        self._control, theirs = fresh.Pipe()
        self._process = fresh.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._port: int = self._control.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._control.close()
        self._process.join(5)
        self._process.kill()
