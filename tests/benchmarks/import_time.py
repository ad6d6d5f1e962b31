"""What importing a face's model costs above importing the framework modules that it builds on."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.figure import HALF_A_CHUNK_CALLS, Cost, Figure, ratios

TAKEN = """
import time
program = compile({statements!r}, "imports", "exec")
def deeper(calls):
    if calls:
        return deeper(calls - 1)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    exec(program)
    print(time.process_time() - cpu_s, time.perf_counter() - wall_s)
deeper({calls})
"""
LOADED = """
import sys
{statements}
print(*(module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == {face!r}), sep="\\n")
"""


@dataclass(frozen=True)
class Import:
    """A statement of a user's, the face that it imports, the framework that the face builds on, and the bar."""

    statement: str
    face: str
    framework: str
    bar: float


IMPORTS = [
    Import("from langchain_chatbots import ChatDify", "langchain_chatbots", "langchain_core", 1.10),
    Import("from llama_index_chatbots import Dify, RemoteChatEngine", "llama_index_chatbots", "llama_index.core", 1.05),
]


def measure(rounds: int) -> list[Figure]:
    """Measure P7 in fresh interpreters, one after the other."""
    with TemporaryDirectory() as byte_code:
        # As an installed package has it, whatever was edited here or is set for the shell.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": byte_code}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return [_measured(imported, rounds, environment) for imported in IMPORTS]


def _measured(imported: Import, rounds: int, environment: Mapping[str, str]) -> Figure:
    theirs = floor_of(imported, environment)
    _taken(imported.statement, environment), _taken(theirs, environment)
    costs = [(_taken(imported.statement, environment), _taken(theirs, environment)) for _ in range(rounds)]
    by_cpu, by_wall = ratios([ours for ours, _ in costs], [[floor for _, floor in costs]])
    what = f"`{imported.statement}` against the {imported.framework} modules under it"
    return Figure("P7", what, "", imported.bar, by_cpu, by_wall=by_wall)


def floor_of(imported: Import, environment: Mapping[str, str]) -> str:
    """Return the framework's imports as they stand in those files of the face that the statement brings."""
    found: set[str] = set()
    for path in _told(LOADED.format(statements=imported.statement, face=imported.face), environment).splitlines():
        for statement in ast.parse(Path(path).read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(imported.framework):
                found.add(ast.unparse(statement))
    return "\n".join(sorted(found))


def _taken(statements: str, environment: Mapping[str, str]) -> Cost:
    """Return the cost of the cheaper of two imports: at two depths of the stack, as `figure.cost_of` says why."""
    return min(_taken_at(calls, statements, environment) for calls in (0, HALF_A_CHUNK_CALLS))


def _taken_at(calls: int, statements: str, environment: Mapping[str, str]) -> Cost:
    cpu_s, wall_s = _told(TAKEN.format(calls=calls, statements=statements), environment).split()
    return Cost(float(cpu_s), float(wall_s))


def _told(program: str, environment: Mapping[str, str]) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
