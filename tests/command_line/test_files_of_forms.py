"""Files as values of an app's inputs: given on the command line, by a word of the chat, or when they are asked for."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from remote_chatbots import DifyApp
from remote_chatbots.cli import main
from remote_chatbots.cli.forms import fill_form, fill_inputs
from remote_chatbots.cli.named_files import path_of
from remote_chatbots.cli.screen import PlainScreen
from remote_chatbots.client import BotClient
from remote_chatbots.described import InputField
from remote_chatbots.emulator import Emulator
from tests.command_line.running import Chat

KIND = "advanced-chat-report"
ADDRESS = "https://files.example/b.png"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    (tmp_path / "the report.md").write_text("# All is well", "utf-8")
    return tmp_path / "the report.md"


@pytest.fixture
def form(emulator: Emulator) -> tuple[InputField, ...]:
    with BotClient(DifyApp(emulator.key(KIND), emulator.dify_url), user="anna") as client:
        return client.parameters().input_form


def asked(emulator: Emulator) -> list[dict[str, Any]]:
    return [request.body["inputs"] for request in emulator.requests if request.path.endswith("/chat-messages")]


def kinds_of(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return of each input how its files came; a text as it is."""
    told = {name: value if isinstance(value, (list, str)) else [value] for name, value in inputs.items()}
    return {
        name: value if isinstance(value, str) else [one["transfer_method"] for one in value]
        for name, value in told.items()
    }


def test_inputs_that_are_files_are_given_as_options(emulator: Emulator, chat: Chat, report: Path) -> None:
    pictures = ("--input", f"pictures={ADDRESS}", "--input", f"pictures=@{ADDRESS}")
    _, err = chat(
        "What is in it?", kind=KIND, options=("--input", f"report=@{report}", *pictures, "--input", "notes=@home")
    )
    assert "✗" not in err
    (inputs,) = asked(emulator)
    assert kinds_of(inputs) == {"report": ["local_file"], "pictures": ["remote_url"] * 2, "notes": "@home"}


def test_inputs_that_are_files_are_given_in_the_chat_and_taken_back(
    emulator: Emulator, chat: Chat, report: Path
) -> None:
    _, err = chat(
        f"/file report='{report}'", f"/file pictures={ADDRESS}", "What is in it?", "/file pictures=-", "And now?",
        "/file report=-", "And without?", "/file nothing=here", kind=KIND, code=1,
    )  # fmt: skip
    assert "The report: the report.md (document)" in err
    assert "Pictures: b.png (image)" in err
    assert "Pictures: no file" in err
    assert [kinds_of(inputs) for inputs in asked(emulator)] == [
        {"report": ["local_file"], "pictures": ["remote_url"]}, {"report": ["local_file"]},
    ]  # fmt: skip
    assert "✗ dify: inputs: report is required, and missing." in err  # and the chat goes on:
    assert "✗ files: there is no file 'nothing=here'" in err


def test_a_file_that_the_app_does_not_take_is_refused_before_there_is_a_question(
    emulator: Emulator, chat: Chat, report: Path
) -> None:
    _, err = chat(f"/file {report}", "Hello", code=1)
    assert "✗ dify: files: the app takes none" in err
    assert "With the next question" not in err
    _, err = chat(f"/file {report}", "Hello", kind="chat-image", code=1)
    assert "✗ dify: files[0]: the app takes image, and this is document." in err
    _, err = chat("/file pictures=" + str(report), "/file -", kind=KIND, code=1)
    assert "✗ dify: pictures[0]: the app takes image, and this is document." in err
    posts = [one.path for one in emulator.requests if one.method == "POST"]
    assert posts == ["/v1/chat-messages"] * 2  # asked without the file


def test_an_agent_of_gptbots_refuses_a_file_before_there_is_a_question(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], report: Path
) -> None:
    monkeypatch.setenv("GPTBOTS_API_KEY", emulator.key("gptbots"))
    monkeypatch.setenv("GPTBOTS_BASE_URL", emulator.gptbots_url)
    monkeypatch.setattr("sys.stdin", io.StringIO("".join([f"/file '{report}'\n"] * 10)))
    assert main(["chat", "--platform", "gptbots", "--user", "anna"]) == 1
    told = capsys.readouterr().err
    assert told.count("With the next question") == 9
    assert "✗ gptbots: files holds 10 files" in told


@pytest.mark.parametrize("written", ["{}", "'{}'", '"{}"', "escaped"])
def test_a_path_may_be_written_as_terminals_paste_it(report: Path, written: str) -> None:
    pasted = str(report).replace(" ", "\\ ") if written == "escaped" else written.format(report)
    assert path_of(pasted) == report


def test_files_that_an_app_requires_are_asked_for(form: tuple[InputField, ...], report: Path) -> None:
    beside, known = io.StringIO(), dict[str, Any]()
    screen = PlainScreen(io.StringIO(f"/no/such/file\n{report}\n"), io.StringIO(), beside)
    assert fill_inputs(screen, form, known)
    assert [known["report"].file_name, *known] == ["the report.md", "report"]
    assert beside.getvalue().count("The report (document; its path or address): ") == 2
    assert "✗ files: there is no file '/no/such/file'" in beside.getvalue()
    assert not fill_inputs(PlainScreen(io.StringIO("\n"), io.StringIO(), io.StringIO()), form, {})


def test_a_form_that_a_bot_waits_for_takes_files(report: Path) -> None:
    fields = [
        {"type": "file", "output_variable_name": "proof"},
        {"type": "file-list", "output_variable_name": "more"},
        {"type": "paragraph", "output_variable_name": "comment"},
    ]
    waiting = {"form_content": "Prove it", "inputs": fields, "actions": [{"id": "send", "title": "Send"}]}
    said = io.StringIO(f"{report}\n{ADDRESS}\n{report}\n\nFine\n1\n")
    filled = fill_form(PlainScreen(said, io.StringIO(), io.StringIO()), waiting)
    assert filled is not None
    action, inputs = filled
    assert (action, inputs["comment"], inputs["proof"].file_name) == ("send", "Fine", "the report.md")
    assert [one.file_name for one in inputs["more"]] == ["b.png", "the report.md"]


def test_the_doctor_tells_which_files_an_app_asks_for_and_asks_with_them(
    emulator: Emulator, report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIFY_API_KEY", emulator.key(KIND))
    ask = ["doctor", "--base-url", emulator.dify_url, "--ask"]
    assert main([*ask, "--input", f"report={report}"]) == 0
    told = capsys.readouterr().out
    assert "report (file; required; document)" in told
    assert "pictures (file-list; optional; image; at most 2)" in told
    assert "--input report=PATH" in told
    assert main([*ask, "--json", "--input", f"report={report}.pdf"]) == 2
    assert "there is no file" in json.loads(capsys.readouterr().out)["problems"][0]["cause"]
