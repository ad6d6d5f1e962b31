"""`remote-chatbots chat` without a terminal: plain text in, plain text out."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from remote_chatbots import __version__
from remote_chatbots.cli import ends, main, screen
from remote_chatbots.emulator import Cut, Emulator
from tests.command_line.running import COMMAND, Chat, done, environment
from tests.forks import Forks


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0) as running:
        monkeypatch.setenv("DIFY_API_KEY", running.key("advanced-chat"))
        monkeypatch.setenv("DIFY_BASE_URL", running.dify_url)
        monkeypatch.setenv("DIFY_USER", "anna")
        yield running


def test_each_line_is_a_question_and_the_answers_alone_come_out(commands: Forks, emulator: Emulator) -> None:
    code, out, err = done(
        commands, "chat", said="When does the ferry leave?\n\n博物馆几点开门？\nWhat did I ask first?\n"
    )
    assert code == 0
    first, second, third = (part.splitlines() for part in out.split("Turn ")[1:])
    assert "between 9:00 and 17:00" in first[0]
    assert first[1].startswith("  [1] ferry.md 0.79 · The ferry to Gull Island leaves")
    assert "海事博物馆" in second[0]
    assert third == ['3. You asked first: "When does the ferry leave?"']
    assert "\x1b" not in out + err
    assert "· Knowledge Retrieval" in err
    asked = [request.body for request in emulator.requests if request.method == "POST"]
    assert len(asked) == 3
    assert len({one["conversation_id"] for one in asked[1:]}) == 1
    assert not any(request.path.endswith("/suggested") for request in emulator.requests)


def test_what_a_bot_says_reaches_no_terminal_behind_a_pipe_as_a_command(
    commands: Forks, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "\x1b]0;owned\x07 \x1b[35;1mPURPLE \u202egnp\x9b2J"
    with Emulator(token_delay_s=0, held_open_s=0, documents={f"a{hostile}.md": f"The ferry: {hostile}"}) as emulator:
        monkeypatch.setenv("DIFY_API_KEY", emulator.key("advanced-chat"))
        monkeypatch.setenv("DIFY_BASE_URL", emulator.dify_url)
        _, out, err = done(commands, "chat", said="ferry?\n/sources\n/history\n/list\n")
    assert out.count("PURPLE") >= 4
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(out + err)
    assert "owned" not in out + err


def test_a_question_that_failed_is_told_beside_and_in_the_exit_code(commands: Forks, emulator: Emulator) -> None:
    emulator.faults.add(Cut(after_bytes=200))
    code, out, err = done(commands, "chat", said="When does the ferry leave?\nAnd on Sundays?\n")
    assert code == 1
    assert "✗ dify: " in err
    assert out.startswith("Turn 1. From museum.md")
    assert "✗" not in out


@pytest.mark.parametrize("line", ["/nothing", "/open no-such-conversation", "/feedback perhaps", "/export talk.pdf"])
def test_a_command_that_cannot_be_done_is_in_the_exit_code(chat: Chat, line: str) -> None:
    out, _ = chat(line, "When does the ferry leave?", code=1)
    assert "The crossing takes 25 minutes." in out
    chat("/list", "/nothing", "/quit", code=1)
    chat("/list", "/help", "/quit")


@pytest.mark.parametrize("id_", ["5", "00000000-0000-4000-8000-000000000000"])
def test_nothing_is_asked_where_there_is_no_conversation_to_go_on_with(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], id_: str
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", emulator.key("chat"))
    monkeypatch.setenv("DIFY_BASE_URL", emulator.dify_url)
    monkeypatch.setattr("sys.stdin", io.StringIO("When does the ferry leave?\n"))
    assert main(["chat", "--user", "anna", "--conversation", id_]) == 1
    assert "remote-chatbots chat: dify: 40" in capsys.readouterr().err
    assert not [one for one in emulator.requests if one.method == "POST"]


@pytest.mark.parametrize("command", ["chat", "doctor"])
def test_the_help_of_a_command_tells_its_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = capsys.readouterr().out.partition("exit codes: ")[2].partition("\n\n")[0]
    codes = {str(value) for name, value in vars(ends).items() if name.isupper()}
    of_doctor = {"3", "4", "5", "6", "7", "8"}
    wanted = {"0", "2", *of_doctor} if command == "doctor" else codes - of_doctor
    assert set(re.findall(r"(?:^|[;:]\s)(\d+) ", told)) == wanted


def test_an_interrupted_chat_ends_as_its_help_says(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("remote_chatbots.cli.screen.PlainScreen.read", interrupted)
    chat(code=130)


def test_commands_work_in_a_pipe(commands: Forks, emulator: Emulator) -> None:
    code, out, _ = done(commands, "chat", said="When does the ferry leave?\n/history\n/quit\nnever asked\n")
    assert code == 0
    assert "You 2026-01-01" in out
    assert [request.method for request in emulator.requests].count("POST") == 1


def test_whoever_reads_the_output_may_go(emulator: Emulator) -> None:
    with subprocess.Popen(
        [*COMMAND, "chat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdin is not None
        process.stdout.close()
        process.stdin.write(b"When does the ferry leave?\n")
        process.stdin.close()
        told = process.stderr.read().decode()
        assert process.wait(30) == 1
    assert "Traceback" not in told


def test_a_bot_that_refuses_at_the_start_is_told_in_a_sentence(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", "app-a-key-that-must-not-show")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["chat"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("remote-chatbots chat: dify: 401 unauthorized")
    assert "remote-chatbots doctor" in told.err
    assert "must-not-show" not in told.err


def test_the_emulator_names_its_apps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "--emulator", "poet"]) == 2
    assert "The emulator has no 'poet'. It has: chat, agent-chat" in capsys.readouterr().err


def test_a_terminal_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "remote_chatbots.cli.terminal", raising=False)
    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    with pytest.raises(screen.Unusable, match=r"pip install 'remote-chatbots\[cli\]'"):
        screen.screen_here([])


def test_no_command_but_the_chat_in_a_terminal_needs_the_extra_and_none_imports_a_server() -> None:
    code = "import sys, remote_chatbots.cli.command; print([n for n in ('prompt_toolkit', 'aiohttp', 'langchain_core', "
    code += "'llama_index', 'requests') if n in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert ended.stdout == "[]\n"


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"remote-chatbots {__version__}\n"


@pytest.mark.parametrize(("absent", "face"), [("langchain_core", "langchain"), ("llama_index.core", "llama_index")])
def test_a_demonstration_without_a_framework_says_what_to_install(
    absent: str, face: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("remote_chatbots.cli.demo", f"{face}_chatbots"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, absent, None)
    assert main(["demo"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("remote-chatbots demo: ")
    assert told.endswith("pip install 'remote-chatbots[langchain,llama-index]'\n")
    assert told.count("\n") == 1


@pytest.mark.parametrize("command", ["", "demo", "serve", "doctor", "chat"])
def test_every_help_fits_a_terminal(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*filter(None, [command]), "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= 80
    assert len(told) > 300
