"""What the commands say to people beside answers: in lines that end between words, each thing once, each default."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from langchain_chatbots.demo import main as demonstrate
from remote_chatbots import address
from remote_chatbots.cli import main
from remote_chatbots.cli.wrapping import Wrapped
from remote_chatbots.emulator import Emulator

SAID = "The ferry to Gull Island leaves from pier 3 every hour between 9:00 and 17:00, and it takes 25 minutes.\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminals(monkeypatch: pytest.MonkeyPatch) -> tuple[Terminal, Terminal]:
    """Put terminals in the place of output and errors."""
    out, errors = Terminal(), Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", errors)
    return out, errors


def words_of(text: str) -> list[str]:
    return [word for line in text.splitlines() for word in line.split()]


def test_lines_end_between_words_on_a_terminal_and_stay_as_they_are_elsewhere() -> None:
    shown, kept = Terminal(), io.StringIO()
    for stream in (shown, kept):
        wrapped = Wrapped(stream)
        for piece in re.findall(r".{1,7}", SAID, re.DOTALL):
            wrapped.write(piece)
    assert kept.getvalue() == SAID
    assert words_of(shown.getvalue()) == SAID.split()
    assert max(map(len, shown.getvalue().splitlines())) <= 80


def test_the_demonstration_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out, _ = terminals(monkeypatch)
    assert demonstrate([]) == 0
    told = out.getvalue()
    assert "DIFY_BASE_URL for" in told.replace("\n", " ")
    assert all(len(line) <= 80 for line in told.splitlines())


def test_the_demonstration_says_nothing_for_a_bot_that_fails(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", "app-wrong")
    monkeypatch.setenv("DIFY_BASE_URL", emulator.dify_url)
    screens = terminals(monkeypatch)
    assert demonstrate(["Hello"]) == 1
    out, errors = (each.getvalue() for each in screens)
    assert "You: Hello\n" in out
    assert "Bot:" not in out
    assert errors.strip().startswith("dify:")
    assert all(len(line) <= 80 for line in errors.splitlines())


def test_wrong_use_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    _, errors = terminals(monkeypatch)
    assert main(["chat", "--emulator", "poet"]) == 2
    told = errors.getvalue()
    assert all(len(line) <= 80 for line in told.splitlines())
    assert "The emulator has no 'poet'. It has: chat, agent-chat" in " ".join(words_of(told))


@pytest.mark.parametrize(
    ("command", "default"),
    [
        ("chat", "DIFY_USER or GPTBOTS_USER, else your login name"),
        ("doctor", "DIFY_USER or GPTBOTS_USER, else remote-chatbots-doctor"),
        ("demo", "DIFY_USER says who asks (default: demo)"),
    ],
)
def test_the_help_tells_who_asks_if_nobody_was_named(
    command: str, default: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert default in " ".join(capsys.readouterr().out.split()).replace("remote- chatbots", "remote-chatbots")


def test_whoever_has_no_login_name_can_talk_all_the_same(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)
    monkeypatch.setenv("DIFY_API_KEY", emulator.dify_key)
    monkeypatch.setenv("DIFY_BASE_URL", emulator.dify_url)
    monkeypatch.setattr("sys.stdin", io.StringIO("When does the ferry leave?\n"))
    assert main(["chat"]) == 0
    assert "pier 3" in capsys.readouterr().out


@pytest.mark.parametrize("platform", ["dify", "gptbots"])
def test_the_doctor_says_how_to_set_the_user_that_no_question_goes_without(
    platform: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, keys = platform.upper(), {"dify": emulator.dify_key, "gptbots": emulator.gptbots_key}
    monkeypatch.setenv(f"{name}_API_KEY", keys[platform])
    monkeypatch.setenv(f"{name}_BASE_URL", getattr(emulator, f"{platform}_url"))
    note = f"No user is set, and no question goes without one: set {name}_USER, or in code give user=…."

    def noted(*more: str) -> bool:
        assert main(["doctor", *more]) == 0
        return note in " ".join(capsys.readouterr().out.split())

    assert noted()
    assert not noted("--user", "anna")
    monkeypatch.setenv(f"{name}_USER", "anna")
    assert not noted()


@pytest.fixture
def unencrypted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have a key sent to another machine, where nobody listens; the warning of it is shown as it is to people."""
    monkeypatch.setattr(address, "_WARNED_OF", set())
    monkeypatch.setenv("DIFY_API_KEY", "app-of-nobody")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("warnings.filters", [])
        yield


@pytest.mark.usefixtures("unencrypted")
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_the_doctor_notes_once_that_a_key_goes_unencrypted(
    more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--base-url", "http://dify.invalid", *more]) == 3
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.count("unencrypted") == 1


@pytest.mark.usefixtures("unencrypted")
def test_the_chat_says_in_a_line_that_a_key_goes_unencrypted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "--base-url", "http://dify.invalid"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("remote-chatbots chat: The key goes unencrypted to dify.invalid: ")
    assert second.startswith("remote-chatbots chat: dify: ")
