"""What `make demo` shows: LangChain begins a conversation, LlamaIndex continues it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "demo.py"


def test_the_demonstration_goes_on_in_the_other_framework() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIFY_")}
    environment |= {"PYTHONPATH": str(DEMO.parent), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, str(DEMO)], capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    told = re.findall(r"conversation ([0-9a-f-]{36})", done.stdout)
    assert len(told) == 3
    assert len(set(told)) == 1
    langchain, llama_index = done.stdout.split("The same conversation, in LlamaIndex")
    asked_first = re.findall(r'You asked first: "(.*?)"', done.stdout)
    assert len(asked_first) == 2
    assert len(set(asked_first)) == 1
    assert asked_first[0] in langchain
    assert "What did I ask first?" in llama_index
