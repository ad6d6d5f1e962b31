"""What a server keeps, read and written from a chat: a part at a time, with its progress, to go on with."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from remote_chatbots import BotClient, DifyApp
from remote_chatbots.cli import kept, main
from remote_chatbots.emulator import Emulator
from tests.command_line.running import Chat


def conversations(emulator: Emulator, number: int, turns: int = 1) -> None:
    with BotClient(DifyApp(emulator.key("chat"), emulator.dify_url), user="anna") as client:
        for at in range(number):
            first = client.ask(f"Question {at}?").conversation_id
            for turn in range(1, turns):
                client.ask(f"And {turn}?", conversation_id=first)


def test_the_history_shows_sources_steps_and_thoughts_of_earlier_turns(chat: Chat) -> None:
    out, _ = chat("When does the ferry leave?", "And on Sundays?", "/history")
    history = out.partition("You 2026")[2]
    assert history.count("  [1] ferry.md 0.") == 1
    assert history.index("[1] ferry.md") < history.index("And on Sundays?")

    out, err = chat("[[time]]", "[[think]] Why?", "/history", kind="agent-chat")
    assert err.count("  · current_time") == 2  # live, and as it is kept
    assert err.count("The user asks. I consider") == 2


def test_a_long_history_shows_its_newest_messages_and_how_to_see_more(emulator: Emulator, chat: Chat) -> None:
    conversations(emulator, 1, turns=12)
    out, err = chat("/list", "/open 1", "/history", "/history 100", "/history 0")
    assert "for older ones: /history 100" in err
    assert out.count("\nAnd 3?\n") == 3
    assert out.count("\nQuestion 0?\n") == 1  # where a hundred were asked for


def test_older_conversations_are_listed_where_they_are_asked_for(emulator: Emulator, chat: Chat) -> None:
    conversations(emulator, 3)
    out, err = chat("/list 2", "/list", "/open 3")
    assert "For older ones: /list 10" in err
    assert err.count("For older ones") == 1
    assert [line.split()[0] for line in out.splitlines() if "Question" in line and "2026-" in line] == list("12123")
    assert "\nQuestion 0?\n" in out


def test_this_conversation_is_written_page_by_page(
    emulator: Emulator, chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversations(emulator, 1, turns=5)
    monkeypatch.setattr(kept, "_AT_ONCE", 4)
    monkeypatch.setattr("remote_chatbots.cli.screen._BETWEEN_TOLD_S", 0.0)
    file = tmp_path / "talk.json"
    _, err = chat("/list", "/open 1", f"/export {file}", f"/export {file}", code=1)
    assert "  4 messages\n  8 messages\n10 messages are in" in err
    assert "it is there already" in err
    messages = json.loads(file.read_text("utf-8"))["messages"]
    assert [one["text"] for one in messages[::2]] == ["Question 0?", *(f"And {turn}?" for turn in range(1, 5))]


def test_an_export_of_this_conversation_that_is_left_says_that_nothing_was_written(
    emulator: Emulator, chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    conversations(emulator, 1, turns=3)
    monkeypatch.setattr(kept, "_AT_ONCE", 4)
    monkeypatch.setattr("remote_chatbots.cli.screen.PlainScreen.progress", interrupted)
    file = tmp_path / "talk.md"
    _, err = chat("/list", "/open 1", f"/export {file}", "/help")
    assert "Stopped, and nothing was written: only .jsonl goes on" in err
    assert not file.exists()


def test_all_conversations_are_written_with_progress_and_only_new_ones_the_next_time(
    emulator: Emulator, chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversations(emulator, 3, turns=2)
    monkeypatch.setattr("remote_chatbots.cli.screen._BETWEEN_TOLD_S", 0.0)
    file = tmp_path / "all.jsonl"
    _, err = chat(f"/export {file}")
    assert "  1 of 3 conversations\n  2 of 3 conversations\n  3 of 3 conversations\n" in err
    assert "3 newly read" in err
    with BotClient(DifyApp(emulator.key("chat"), emulator.dify_url), user="anna") as client:
        client.ask("And now?", conversation_id=client.conversations()[-1].conversation_id)
    _, err = chat(f"/export {file}")
    assert "1 newly read, 2 there already" in err
    assert len(file.read_text("utf-8").splitlines()) == 3


def test_an_export_that_is_left_goes_on_where_it_was(
    emulator: Emulator, chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversations(emulator, 3, turns=2)
    left = 0

    def leave(_: object, text: str) -> None:
        nonlocal left
        left += 1
        if left == 2:
            raise KeyboardInterrupt

    file = tmp_path / "all.jsonl"
    with monkeypatch.context() as patched:
        patched.setattr("remote_chatbots.cli.screen.PlainScreen.progress", leave)
        _, err = chat(f"/export {file}")
    assert "Stopped. What was read is in" in err
    assert len(file.read_text("utf-8").splitlines()) == 2
    _, err = chat(f"/export {file}")
    assert "1 newly read, 2 there already" in err
    assert len(file.read_text("utf-8").splitlines()) == 3


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("", "Give a file: .md or .json"),
        ("talk.pdf", "Give a file: .md or .json"),
        ("/no/such/folder/talk.md", "cannot be written"),
        ("/no/such/folder/all.jsonl", "cannot be written"),
        ("~nobody-at-all/all.jsonl", "cannot be written"),
    ],
)
def test_a_file_that_cannot_be_written_is_told(chat: Chat, where: str, told: str) -> None:
    _, err = chat("When does the ferry leave?", f"/export {where}", code=1)
    assert told in err
    assert "Traceback" not in err


def test_no_line_that_a_person_may_write_ends_the_talk(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    long = "x" * 5000
    paths = ("", "-", long, "a\0b", "/", "/dev/null", "~nobody-at-all/a", "http://", "https://[", "a=b", "'", "\\")
    odd = [f"/file {path}" for path in paths]
    odd += [f"/export {path}{end}" for path in paths for end in (".md", ".jsonl")]
    odd += [f"/open {which}" for which in ("", "0", "9", long, "../../x", "\x1b[31m")]
    odd += ["9" * 5000, f"/open {'9' * 5000}", f"/list {'9' * 5000}"]  # more digits than Python makes a number of
    odd += ["/", "//", "/ ", "/history 99999999999999999999", "/list ²", "/feedback", "/feedback like", "/form"]
    odd = [line for line in odd if not line.startswith("/export /")]
    out, err = chat(*odd, "When does the ferry leave?", code=1)
    assert "The crossing takes 25 minutes." in out
    assert "Traceback" not in err


def test_an_opening_leaves_out_what_nobody_gave(chat: Chat) -> None:
    assert "\nWelcome to Saltmouth!\n" in chat("/list")[1]
    assert "\nWelcome to Saltmouth, Anna!\n" in chat("/list", options=("--input", "guest=Anna"))[1]


def test_a_conversation_of_an_emulator_that_ends_with_the_chat_is_not_offered(chat: Chat) -> None:
    assert "To go on: --conversation" in chat("When does the ferry leave?")[1]
    assert "To go on" not in chat("When does the ferry leave?", options=("--emulator",))[1]


def test_a_conversation_in_markdown_has_its_name_when_it_began_and_each_source_on_a_line(
    emulator: Emulator, chat: Chat, tmp_path: Path
) -> None:
    file = tmp_path / "talk.md"
    with BotClient(DifyApp(emulator.key("chat"), emulator.dify_url), user="anna") as client:
        id_ = client.ask("When does the ferry leave?").conversation_id
        client.rename(id_, "Ferries *and* more")
    chat(f"/export {file}", options=("--conversation", id_))
    lines = file.read_text("utf-8").splitlines()
    assert lines[0] == r"# Ferries \*and\* more"
    assert re.fullmatch(rf"Conversation {id_}, 2026-01-01 \d\d:\d\d", lines[2])
    at = lines.index("Sources:")
    assert [line[:12] for line in lines[at + 2 : at + 5]] == [f"{number}. ferry.md " for number in (1, 2, 3)]
    assert "leaves from pier 3" in lines[at + 2]


def test_a_conversation_in_markdown_runs_and_loads_nothing_where_it_is_shown(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    title = "a<img src=x>![p](https://evil.example/p.png)[l](javascript:alert(1)).md"
    said = "The ferry: <script>alert(1)</script> ~~~~ ![p](https://evil.example/p.png)"
    with Emulator(token_delay_s=0, held_open_s=0, documents={title: said, "b.md": "The **museum** opens"}) as hostile:
        file = tmp_path / "talk.md"
        monkeypatch.setenv("DIFY_API_KEY", hostile.key("chat"))
        monkeypatch.setenv("DIFY_BASE_URL", hostile.dify_url)
        monkeypatch.setattr("sys.stdin", io.StringIO(f"ferry?\nmuseum?\n/export {file}\n"))
        assert main(["chat", "--user", "anna"]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    made = MarkdownIt("commonmark", {"html": True}).render(file.read_text("utf-8"))
    assert "<strong>museum</strong>" in made
    assert "&lt;script&gt;" in made
    assert not re.search(r"<script|<img|javascript:[^)]*\"", made)
    assert "&lt;img src=x&gt;![p](https://evil.example/p.png)[l](javascript:alert(1)).md" in made
