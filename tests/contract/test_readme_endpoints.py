"""The README's table of endpoints: what it names is there, and reaches the endpoint beside which it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import langchain_chatbots
import llama_index_chatbots
from remote_chatbots import Answer, AsyncBotClient, BotClient, DifyApp, GPTBotsAgent
from remote_chatbots.emulator import Emulator

README = Path(__file__).parents[2] / "README.md"
ROW = re.compile(r"\| (Dify|GPTBots) `([A-Z]+) (/\S+)` \|([^|]*)\|([^|]*)\|([^|]*)\|")
ROWS = ROW.findall(README.read_text(encoding="utf-8"))
QUESTION = "When does the ferry leave?"
# The endpoints of the documents that this library began with: Dify's chat apps of 2023 and of today, GPTBots' v1.
OF_THE_DOCUMENTS = {
    ("Dify", "POST", "/chat-messages"),
    ("Dify", "POST", "/messages/{message_id}/feedbacks"),
    ("Dify", "GET", "/messages"),
    ("Dify", "GET", "/conversations"),
    ("Dify", "POST", "/conversations/{conversation_id}/name"),
    ("Dify", "DELETE", "/conversations/{conversation_id}"),
    ("Dify", "POST", "/audio-to-text"),
    ("Dify", "GET", "/parameters"),
    ("Dify", "POST", "/files/upload"),
    ("Dify", "POST", "/chat-messages/{task_id}/stop"),
    ("GPTBots", "POST", "/v1/conversation/message"),
}
Call = Callable[..., Any]


def names(cell: str) -> list[str]:
    """Return the Python names that a cell has as code."""
    return [name for name in re.findall(r"`([\w.]+)`", cell) if "=" not in name]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.02) as running:
        yield running


class Asked:
    """Calls of one bot, each with what it needs."""

    def __init__(self, bot: Any, call: Call) -> None:
        self.bot = bot
        self._call = call
        self.answer: Answer = call(bot, "ask", QUESTION)

    def __call__(self, name: str) -> Any:
        held, answer = self.answer.conversation_id, self.answer
        given: dict[str, tuple[Any, ...]] = {
            "ask": (QUESTION,),
            "stop": (answer.task_id,),
            "history": (held,),
            "rename": (held, "Ferries"),
            "delete": (held,),
            "variables": (held,),
            "set_variable": (held, "party", 4),
            "feedback": (answer, "like"),
            "quality": (answer, "UNRESOLVED"),
            "suggestions": (answer,),
            "citations": (answer,),
            "upload": (b"%PDF-1.7",),
        }
        match name:
            case "transcribe":
                return self._call(self.bot, name, self("speak").data)
            case "speak":
                return self._call(self.bot, name, message_id=answer)
            case "download":
                file = self("upload")
                self._call(self.bot, "ask", QUESTION, files=[file])  # nobody gets a file that no message has
                return self._call(self.bot, name, file.file_id)
            case "recover":
                # The run of a finished answer is asked for its events; GPTBots' history for its text.
                return self._call(self.bot, name, answer)
        return self._call(self.bot, name, *given.get(name, ()))


def bot_for(platform: str, path: str, emulator: Emulator) -> Any:
    if platform == "GPTBots":
        version = "v1" if path.startswith("/v1/conversation/") else "auto"
        return GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url, version)
    if "files" in path:
        return DifyApp(emulator.key("advanced-chat-files"), emulator.dify_url)
    kind = "advanced-chat" if "variables" in path or "workflow" in path else "chat-speech"
    return DifyApp(emulator.key(kind), emulator.dify_url)


def test_the_table_has_every_endpoint_of_the_documents_once() -> None:
    listed = [(platform, method, path) for platform, method, path, *_ in ROWS]
    assert set(listed) >= OF_THE_DOCUMENTS
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]} {row[2]}")
def test_what_the_table_names_is_there(row: tuple[str, ...]) -> None:
    _, _, _, clients, langchain, llama_index = row
    assert clients.strip()
    for name in names(clients):
        assert callable(getattr(BotClient, name))
        assert callable(getattr(AsyncBotClient, name))
    for package, cell in ((langchain_chatbots, langchain), (llama_index_chatbots, llama_index)):
        for name in names(cell):
            kind, _, method = name.partition(".")
            assert callable(getattr(package, kind))
            if method:
                assert callable(getattr(getattr(package, kind), method))


# A stream is a turn like `ask`; forms are submitted in test_human_input.py.
REACHED = [
    (platform, method, path, name)
    for platform, method, path, clients, *_ in ROWS
    for name in names(clients)
    if name not in ("stream", "submit")
]


@pytest.mark.parametrize(("platform", "method", "path", "name"), REACHED, ids=lambda part: part.strip("/"))
def test_a_call_reaches_the_endpoint_beside_which_it_stands(
    emulator: Emulator, call: Call, platform: str, method: str, path: str, name: str
) -> None:
    asked = Asked(bot_for(platform, path, emulator), call)
    before = len(emulator.requests)
    asked(name)
    prefix = "/v1" if platform == "Dify" else "/gptbots"
    pattern = re.sub(r"\{\w+\}", "[^/]+", prefix + path)
    found = [one for one in emulator.requests[before:] if one.method == method and re.fullmatch(pattern, one.path)]
    assert found
