"""`remote-chatbots serve`, run as a process."""

from __future__ import annotations

import logging
import signal
import socket
from pathlib import Path

import pytest

from remote_chatbots import (
    BotClient,
    BotRateLimitError,
    DifyApp,
    DifyKnowledge,
    GPTBotsAgent,
    KnowledgeClient,
    Settings,
    emulator,
)
from remote_chatbots.cli import main
from tests.command_line.running import lines_until, running
from tests.forks import Forks

READY = "Try:"


def told(lines: list[str], name: str) -> str:
    return next(line.split()[-1] for line in lines if line.split()[:1] == [name])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_it_serves_until_a_signal_comes_and_ends_clean(commands: Forks, tmp_path: Path, number: signal.Signals) -> None:
    with running(commands, tmp_path / "errors", "serve", "--token-delay", "0") as ran:
        lines = list(lines_until(ran, READY))
        with BotClient(DifyApp(told(lines, "chat"), told(lines, "Dify")), user="anna") as client:
            assert "9:00" in client.ask("When does the ferry leave?").text
        known = DifyKnowledge(
            told(lines, "(knowledge"),
            told(lines, "Dify"),
            next(line.split()[1] for line in lines if "dataset_id" in line),
        )
        with KnowledgeClient(known) as searcher:
            assert searcher.retrieve("ferry")[0].title == "ferry.md"
        agent = GPTBotsAgent(told(lines, "gptbots"), told(lines, "GPTBots"))
        with BotClient(agent, user="anna") as client:
            assert client.ask("When does the ferry leave?").text
        lines_until(ran, "/gptbots/v2/conversation/message")
        ran.process.send_signal(number)
        assert ran.out.read().endswith("Gone.\n")
        assert (ran.process.wait(20), ran.errors.read_text()) == (0, "")


@pytest.mark.parametrize("profile", ["2023", "1.14"])
def test_it_says_what_stands_for_the_keys_and_addresses_of_the_examples(
    commands: Forks, tmp_path: Path, profile: str
) -> None:
    with running(commands, tmp_path / "errors", "serve", "--profile", profile) as ran:
        lines = list(lines_until(ran, READY))
    assert told(lines, '"https://dify.example.com"') == told(lines, "Dify")
    assert told(lines, '"sg"') == told(lines, "GPTBots")
    assert '  "app-…"                     the key of chat, with "sg" that of gptbots' in lines
    assert any('"dataset-…"' in line for line in lines) is (profile == "1.14")
    assert max(map(len, lines)) <= 80


def test_each_request_is_told_in_a_line_without_its_key(commands: Forks, tmp_path: Path) -> None:
    with running(commands, tmp_path / "errors", "serve", "--token-delay", "0", "--fault", "too-many-requests:1") as ran:
        lines = list(lines_until(ran, READY))
        key = told(lines, "chat")
        app = DifyApp(key, told(lines, "Dify"), settings=Settings(max_retries=0))
        with BotClient(app, user="anna\x1b[31m") as client:
            with pytest.raises(BotRateLimitError):
                client.ask("Hello?")
            client.ask("When does the ferry leave?")
        log = [*lines_until(ran, " 429 "), *lines_until(ran, " 200 ")][-2:]
        assert all("POST /v1/chat-messages chat anna" in line for line in log)
        assert log[0].endswith("TooManyRequests")
        assert all(key not in line and "\x1b" not in line and "ferry" not in line for line in log)


def test_what_is_no_request_is_told_in_a_line_that_no_terminal_obeys(commands: Forks, tmp_path: Path) -> None:
    with running(commands, tmp_path / "errors", "serve", "--token-delay", "0") as ran:
        lines = list(lines_until(ran, READY))
        port = int(told(lines, "Dify").split(":")[2].partition("/")[0])
        for sent in (b"GET /v1/\xc2\x9b31m", b"GET /v1/%1b%5b31m%0afake"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
                line.sendall(sent + b" HTTP/1.1\r\nHost: x\r\n\r\n")
                assert line.recv(100)
        log = [*lines_until(ran, "GET /v1/ fake")][-2:]
        ran.process.send_signal(signal.SIGTERM)
        ran.process.wait(20)
        assert ran.errors.read_text() == ""
    assert [line[9:14] for line in log] == ["Error", "GET /"]
    assert not {"\x1b", "\x9b"} & set("".join(log))


def test_a_folder_of_texts_is_its_knowledge_base(commands: Forks, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "whales.md").write_text("Blue whales weigh 150 tonnes.", "utf-8")
    (tmp_path / "鲸.txt").write_text("蓝鲸重一百五十吨。", "utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with running(commands, tmp_path / "errors", "serve", "--token-delay", "0", "--documents", str(tmp_path)) as ran:
        lines = list(lines_until(ran, READY))
        with BotClient(DifyApp(told(lines, "chat"), told(lines, "Dify")), user="anna") as client:
            answer = client.ask("What do blue whales weigh?")
        assert "150 tonnes" in answer.text
        assert {source.title for source in answer.sources} == {"deep/whales.md"}


def test_it_listens_where_it_is_told(commands: Forks, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with running(commands, tmp_path / "errors", "serve", "--port", str(port), "--profile", "0.15") as ran:
        assert told(list(lines_until(ran, READY)), "Dify") == f"http://127.0.0.1:{port}/v1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fault", "thunder"], "There is no fault 'thunder'"),
        (["--fault", "cut,after=1"], "it takes after_bytes=…, not 'after=1'"),
        (["--fault", "cut,after_bytes=-1"], "after_bytes must be at least 0"),
        (["--fault", "cut:0"], "times must be at least 1"),
        (["--fault", "unavailable,as_date=perhaps"], "as_date is true or false"),
        (["--documents", "no-such-folder"], "no-such-folder is no folder"),
        (["--port", "99999"], "Port 99999 cannot be had"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_served_is_said_in_a_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert told.err.startswith("remote-chatbots serve: ")
    assert told.err.count("\n") == 1


def test_each_fault_is_told_with_its_fields_and_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--list-faults"]) == 0
    told = capsys.readouterr().out
    assert "cut,after_bytes=0\n    The connection is closed after so many bytes of the body;" in told
    kinds = [getattr(emulator, name) for name in emulator.__all__ if isinstance(getattr(emulator, name), type)]
    faults = {kind for kind in kinds if issubclass(kind, emulator.Fault) and not kind.__name__.endswith("Fault")}
    names = [line.partition(",")[0] for line in told.splitlines() if not line.startswith(" ")]
    assert {name.replace("-", "") for name in names} == {kind.__name__.lower() for kind in faults}
    assert max(map(len, told.splitlines())) <= 80


def test_a_taken_port_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert main(["serve", "--port", str(listener.getsockname()[1])]) == 2
    assert not logging.getLogger("remote_chatbots.emulator").isEnabledFor(logging.INFO)
    assert "Choose another by --port." in capsys.readouterr().err


def test_a_text_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin.txt").write_bytes("Fähre".encode("latin-1"))
    assert main(["serve", "--documents", str(tmp_path)]) == 2
    assert "latin.txt cannot be read: it is no UTF-8" in capsys.readouterr().err
    (tmp_path / "latin.txt").unlink()
    assert main(["serve", "--documents", str(tmp_path)]) == 2
    assert "holds no text" in capsys.readouterr().err
