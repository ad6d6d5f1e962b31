"""The examples of docstrings run, on the emulator; where one says what it prints, it prints that."""

from __future__ import annotations

import ast
import asyncio
import doctest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents.base import Blob
from langgraph.graph import MessagesState, StateGraph
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer

import langchain_chatbots
import llama_index_chatbots
import remote_chatbots
from remote_chatbots import BotClient, DifyApp, bulk
from remote_chatbots import emulator as emulator_package
from remote_chatbots.emulator import Emulator
from tests.contract.test_readme import HERE, on

FACES: dict[str, Any] = {"langchain_chatbots": langchain_chatbots, "llama_index_chatbots": llama_index_chatbots}
FERRY = "When does the ferry leave?"


def documented() -> Iterator[tuple[str, str]]:
    """Find each docstring with an example, by package and name."""
    for path in sorted(path for package in ("remote_chatbots", *FACES) for path in (HERE / package).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if ">>> " in source else ():
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                text = ast.get_docstring(node) or ""
                if ">>> " in text:
                    yield f"{path.relative_to(HERE).parts[0]}:{getattr(node, 'name', path.parent.name)}", text


EXAMPLES = list(documented())


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


def names_of(package: str, emulator: Emulator, folder: Path, *, form: bool) -> dict[str, Any]:
    """Return what a reader of such a docstring has at hand."""
    where = {"api_key": emulator.dify_key, "base_url": emulator.dify_url, "user": "reader"}
    model, llm = langchain_chatbots.ChatDify(**where), llama_index_chatbots.Dify(**where)
    if form:
        model = langchain_chatbots.ChatDify(**{**where, "api_key": emulator.key("advanced-chat-form")})
    asked = langchain_chatbots.ChatDify(**where).invoke(FERRY)  # so that there is a conversation
    talker = langchain_chatbots.ChatDify(**{**where, "api_key": emulator.key("chat-speech")})
    spoken = talker.speak(message=talker.invoke(FERRY))
    (folder / "voice.m4a").write_bytes(spoken.data)
    shown = [FACES[package]] if package in FACES else [remote_chatbots, bulk, emulator_package]
    return {
        **{name: getattr(face, name) for face in shown for name in face.__all__},
        "asyncio": asyncio,
        "Blob": Blob,
        "ChatMemoryBuffer": ChatMemoryBuffer,
        "ChatMessage": ChatMessage,
        "client": BotClient(DifyApp(emulator.dify_key, emulator.dify_url), user="reader"),
        "conversation_id": asked.response_metadata["conversation_id"],
        "engine": llama_index_chatbots.RemoteChatEngine.from_llm(llm),
        "llm": llm,
        "graph": StateGraph(MessagesState),
        "model": model,
    }


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 30


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_example_of_a_docstring_runs(
    name: str,
    text: str,
    emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    known = names_of(name.partition(":")[0], emulator, tmp_path, form="human_input_node" in text)
    named = f'conversation_id="{known["conversation_id"]}"'
    for number, example in enumerate(doctest.DocTestParser().get_examples(text)):
        source = on(emulator, example.source).replace('conversation_id="…"', named)
        if "Speech" in text:
            source = source.replace(emulator.dify_key, emulator.key("chat-speech"))
        capsys.readouterr()
        exec(compile(source, f"{name} example {number}", "single"), known)
        told = capsys.readouterr().out
        if example.want:
            assert told == example.want
