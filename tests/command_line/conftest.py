from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from remote_chatbots.cli import main
from remote_chatbots.emulator import Emulator
from tests.command_line.running import Chat
from tests.forks import HTTP, Forks, forks_of

# Importing these takes longer than most of what a test asks of the command.
COMMAND = "cli.chat cli.command cli.serve cli.terminal emulator.dify_http emulator.gptbots_http emulator.server"


@pytest.fixture(autouse=True)
def nothing_of_the_machine_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, proxies and terminals of whoever runs the tests stay out of them."""
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("API_KEY", "BASE_URL", "API_BASE", "USER"):
        monkeypatch.delenv(f"DIFY_{name}", raising=False)
        monkeypatch.delenv(f"GPTBOTS_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="session")
def commands() -> Iterator[Forks]:
    """Processes for the command, which have imported what it needs; what importing brings is seen elsewhere."""
    ours = (f"remote_chatbots.{name}" for name in COMMAND.split())
    with forks_of(*HTTP, "aiohttp.web", "prompt_toolkit", "sqlite3", *ours) as forks:
        yield forks


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0) as running:
        yield running


@pytest.fixture
def chat(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Chat:
    """Say lines in a pipe, to an app of `emulator`; return what was answered, and what was told beside."""

    def said(*lines: str, kind: str = "chat", options: tuple[str, ...] = (), code: int = 0) -> tuple[str, str]:
        monkeypatch.setenv("DIFY_API_KEY", emulator.key(kind))
        monkeypatch.setenv("DIFY_BASE_URL", emulator.dify_url)
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
        assert main(["chat", "--user", "anna", *options]) == code
        told = capsys.readouterr()
        return told.out, told.err

    return said
