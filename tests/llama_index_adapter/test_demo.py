"""What `make demo` shows: LangChain begins a conversation, LlamaIndex continues it."""

from __future__ import annotations

import os
import re

from tests.forks import Forks, succeeded


def test_the_demonstration_goes_on_in_the_other_framework(frameworks: Forks) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIFY_")}
    program = "import warnings; warnings.simplefilter('error'); from remote_chatbots.cli import main; main(['demo'])"
    said = succeeded(frameworks.run(program, environment=environment)).decode()
    told = re.findall(r"conversation ([0-9a-f-]{36})", said)
    assert len(told) == 3
    assert len(set(told)) == 1
    langchain, llama_index = said.split("The same conversation, in LlamaIndex")
    asked_first = re.findall(r'You asked first: "(.*?)"', said)
    assert len(asked_first) == 2
    assert len(set(asked_first)) == 1
    assert asked_first[0] in langchain
    assert "What did I ask first?" in llama_index
