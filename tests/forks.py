"""Interpreters that cost little: one imports what is not of this project, and forks for each program.

A framework takes seconds to import. A fork of an interpreter that has it begins without anything of this project; it
has its own arguments, environment, session and standard streams, runs its program as `__main__`, and ends like any
interpreter, with what is to be done at its exit.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import IO, Any

ROOT = Path(__file__).parents[1]
HTTP = ("aiohttp", "orjson", "requests")
LANGCHAIN = tuple(
    f"langchain_core.{name}"
    for name in (
        "chat_history document_loaders.base embeddings.embeddings language_models.chat_models load.load "
        "output_parsers.openai_tools rate_limiters retrievers stores tools.structured utils.function_calling"
    ).split()
)
LLAMA_INDEX = tuple(
    f"llama_index.core.{name}"
    for name in (
        "chat_engine.types instrumentation.event_handlers llms memory program.utils query_engine retrievers "
        "storage.chat_store tools workflow"
    ).split()
)
# What the tests import besides, each time that they are collected.
OF_TESTS = (
    *"aiohttp.web hypothesis.strategies IPython.display langchain.agents langgraph.graph prompt_toolkit".split(),
    *(f"langgraph.checkpoint.{name}" for name in ("memory", "postgres.aio", "sqlite.aio")),
)
OURS = ("remote_chatbots", "langchain_chatbots", "llama_index_chatbots")


class Fork:
    """A running program."""

    def __init__(self, ends: socket.socket) -> None:
        self._told = ends.makefile("r")
        self._ends = ends
        self._code: int | None = None
        self.pid = int(self._told.readline())

    def wait(self, timeout_s: float | None = 60.0) -> int:
        """Return its exit code, once it has ended; a signal's is below zero."""
        if self._code is None:
            readable, _, _ = select.select([self._ends], [], [], timeout_s)
            assert readable, f"it has not ended in {timeout_s} s"
            self._code = int(self._told.readline())
            self._told.close()
            self._ends.close()
        return self._code

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(AssertionError):
            self.wait(0)
        if self._code is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it, if it has not ended."""
        self.send_signal(signal.SIGKILL)
        self.wait()


class Forks:
    """An interpreter that has imported some modules, and runs programs in forks of itself; see `forks_of`."""

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def interpreter(self) -> str:
        """A command for whoever wants an interpreter to run `-c` with a program: it runs in a fork."""
        return shlex.join([sys.executable, "-IS", __file__, self.address])

    def start(
        self, code: str, *arguments: str, streams: tuple[Any, Any, Any], environment: Mapping[str, str] | None = None
    ) -> Fork:
        """Run a program. A terminal as its input is also the one that controls it."""
        return self.begin({"code": code, "arguments": arguments}, streams, environment)

    def begin(
        self, what: Mapping[str, Any], streams: tuple[Any, Any, Any], environment: Mapping[str, str] | None = None
    ) -> Fork:
        """Fork, for a program or for an interpreter that imports more; see `start` and `forks_of`."""
        told = {**what, "folder": str(Path.cwd())}
        ends = socket.socket(socket.AF_UNIX)
        ends.connect(self.address)
        with tempfile.TemporaryFile("w+") as job:
            json.dump({**told, "environment": dict(environment or os.environ)}, job)
            job.flush()
            socket.send_fds(ends, [b"!"], [job.fileno(), *(each.fileno() for each in streams)])
        return Fork(ends)

    def run(
        self,
        code: str,
        *arguments: str,
        said: bytes = b"",
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end, `said` being its standard input."""
        with contextlib.ExitStack() as files:
            streams = [files.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            streams[0].write(said)
            streams[0].seek(0)
            fork = self.start(code, *arguments, streams=(streams[0], streams[1], streams[2]), environment=environment)
            try:
                ended = fork.wait(timeout_s)
            finally:
                fork.kill()
            out, err = map(_all_of, streams[1:])
        return subprocess.CompletedProcess(arguments, ended, out, err)


def succeeded(done: subprocess.CompletedProcess[bytes]) -> bytes:
    """Return what a program wrote that ended well."""
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _all_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


@contextlib.contextmanager
def forks_of(*modules: str, on: Forks | None = None) -> Iterator[Forks]:
    """Start an interpreter that imports modules. It ends with whoever started it, at the latest.

    Ours are among them only if they are named. With `on` it is a fork itself, and has what those have.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "tests.forks", *modules]
    owner, there = socket.socketpair()
    with tempfile.TemporaryDirectory(prefix="forks-") as folder, owner:
        address = f"{folder}/jobs"
        with there, socket.socket(socket.AF_UNIX) as jobs:
            jobs.bind(address)
            jobs.listen(64)
            server = (
                on.begin({"modules": modules}, (jobs, there, sys.__stderr__), environment)
                if on
                else subprocess.Popen(
                    command, stdin=jobs, stdout=there, env=environment, cwd=ROOT, start_new_session=True
                )
            )
        try:
            yield Forks(address)
        finally:
            owner.close()
            server.wait(30)


def _next_job(jobs: socket.socket, owner: socket.socket) -> dict[str, Any]:
    """Return what a fork has to do, in that fork; the one that is forked ends here with its owner."""
    while owner not in select.select([jobs, owner], [], [])[0]:
        ends, _ = jobs.accept()
        if os.fork() == 0:
            break
        ends.close()
        _reap(os.WNOHANG)
    else:
        _reap()
        sys.exit()
    jobs.close()
    owner.close()
    _, (job, *streams), _, _ = socket.recv_fds(ends, 1, 4)
    # A shell's background job has Ctrl-C ignored, and so have all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if program := os.fork():
        for fd in (job, *streams):
            os.close(fd)
        ends.send(f"{program}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
        with contextlib.suppress(OSError):  # nobody waits for it any more
            ends.send(f"{code}\n".encode())
        os._exit(0)
    ends.close()
    os.setsid()
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", 1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    with os.fdopen(job, encoding="utf-8") as file:
        file.seek(0)
        told: dict[str, Any] = json.load(file)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    return told


def _reap(options: int = 0) -> None:
    """Take leave of those who waited for a fork: their time is told to whoever asks what all of this took."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


def _serve(*modules: str) -> None:
    job: dict[str, Any] = {"modules": modules}
    while "modules" in job:
        jobs, owner = (socket.socket(fileno=os.dup(number)) for number in (0, 1))
        for name in job["modules"]:
            importlib.import_module(name)
        ours = any(name.startswith(OURS) for name in sys.modules)
        assert ours == any(name.startswith(OURS) for name in job["modules"]), "a fork would not begin without ours"
        gc.freeze()
        job = _next_job(jobs, owner)
    sys.argv = ["-c", *job["arguments"]]
    sys.modules["__main__"] = main = ModuleType("__main__")
    exec(compile(job["code"], "<a program of a test>", "exec"), main.__dict__)


if __name__ == "__main__":
    if sys.argv[-2] == "-c":
        _fork = Forks(sys.argv[1]).start(sys.argv[-1], streams=(sys.stdin, sys.stdout, sys.stderr))
        signal.signal(signal.SIGINT, lambda number, _: os.kill(_fork.pid, number))  # it is in a session of its own
        sys.exit(_fork.wait(None))
    _serve(*sys.argv[1:])
