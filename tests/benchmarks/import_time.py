"""What importing our package costs above importing the LangChain modules that it builds on."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import langchain_chatbots
from tests.benchmarks.figure import Cost, Figure, ratios

OURS = "from langchain_chatbots import ChatDify"
TAKEN = """
import time
cpu_s, wall_s = time.process_time(), time.perf_counter()
{statements}
print(time.process_time() - cpu_s, time.perf_counter() - wall_s)
"""


def measure(rounds: int) -> list[Figure]:
    """Measure P7 in fresh interpreters, one after the other."""
    theirs = _langchain_imports()
    with TemporaryDirectory() as byte_code:
        # As an installed package has it, whatever was edited here or is set for the shell.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": byte_code}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        _taken(theirs, environment), _taken(OURS, environment)
        costs = [(_taken(OURS, environment), _taken(theirs, environment)) for _ in range(rounds)]
    by_cpu, by_wall = ratios([ours for ours, _ in costs], [[floor for _, floor in costs]])
    return [
        Figure("P7", "import of ChatDify against the LangChain modules under it", "", 1.10, by_cpu, by_wall=by_wall)
    ]


def _langchain_imports() -> str:
    """Return the package's own import statements of LangChain modules, as they stand in its files."""
    found: set[str] = set()
    for path in sorted(Path(langchain_chatbots.__file__).parent.glob("*.py")):
        if path.stem == "demo":
            continue  # a program of its own, not imported by the package
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("langchain_core"):
                found.add(ast.unparse(statement))
    return "\n".join(sorted(found))


def _taken(statements: str, environment: dict[str, str]) -> Cost:
    program = TAKEN.format(statements=statements)
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
    cpu_s, wall_s = told.stdout.split()
    return Cost(float(cpu_s), float(wall_s))
