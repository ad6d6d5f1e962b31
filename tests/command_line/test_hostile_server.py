"""A server that means ill, in every field that the command shows or writes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from remote_chatbots.cli import main
from tests.command_line.hostile import hostile_server

OBEYED = set(map(chr, [*range(10), *range(11, 32), *range(127, 160)])) | set("\u2028\u2029\u202e\u2066\ufeff")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command on the server; return its code, and what it wrote."""
    monkeypatch.setenv("DIFY_API_KEY", "app-key")

    def ran(*arguments: str, said: tuple[str, ...] = ()) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(said)))
        code = main([*arguments, "--user", "anna"])
        told = capsys.readouterr()
        return code, told.out, told.err

    with hostile_server() as url:
        monkeypatch.setenv("DIFY_BASE_URL", url)
        yield ran


def test_nothing_that_a_server_says_is_obeyed_by_the_terminal_of_a_chat(run: Run) -> None:
    code, out, err = run(
        "chat", said=("hello", "/sources", "/list", "/open 1", "/history", "withdraw", "break", "refuse", "form", "",
                      "1", "/form", "words", "go", "/file report=https://h/a.pdf", "/feedback like", "/recover",
                      "/nothing"),
    )  # fmt: skip
    assert code == 1
    assert "The form's field 'comment' is not filled in" in err  # and the talk goes on
    assert not OBEYED & set(out + err)
    for name in ("answer", "document", "content", "asked", "kept", "instead", "conversation", "form"):
        assert f"{name}:linkredpurple" in out
        assert f"end of {name}" in out
    for name in ("opening", "step", "reasoning", "thought", "failure", "reason", "tool", "report", "form title"):
        assert f"{name}:linkredpurple" in err
    assert "👩\u200d👧" in out  # what is no command is left alone


def test_the_line_that_says_how_to_go_on_is_safe_in_a_shell(run: Run) -> None:
    _, _, err = run("chat", said=("hello",))
    line = next(line for line in err.splitlines() if line.startswith("To go on:"))
    assert line.startswith("To go on: --conversation 'c-1; touch owned:link")
    assert line.endswith("$(touch owned) end of c-1; touch owned'")


@pytest.mark.parametrize("question", ["hello", "break", "refuse"])
def test_nothing_that_a_server_says_is_obeyed_by_the_terminal_of_the_doctor(run: Run, question: str) -> None:
    _, out, err = run("doctor", "--ask", question)
    assert not OBEYED & set(out + err)
    assert "name:linkredpurple" in out.replace("\n", " ")
    _, out, _ = run("doctor", "--ask", question, "--json")
    assert not OBEYED & set(out)
    assert json.loads(out)["app"]["name"].startswith("name:\x1b]0;owned")  # data, as it is


def test_what_is_written_to_files_is_obeyed_by_no_terminal_either(run: Run, tmp_path: Path) -> None:
    names = ("talk.md", "talk.json", "all.jsonl")
    run("chat", said=("hello", *(f"/export {tmp_path / name}" for name in names)))
    for name in names:
        written = (tmp_path / name).read_text("utf-8")
        assert "kept:" in written
        assert not OBEYED & set(written)
    assert json.loads((tmp_path / "all.jsonl").read_text("utf-8"))["messages"][0]["text"].startswith(
        "asked:\x1b]0;owned"
    )
