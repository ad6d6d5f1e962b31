"""`remote-chatbots chat` in a real pseudo-terminal, at several widths, with wide characters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_chatbots import BotClient, DifyApp
from remote_chatbots.emulator import Cut, Emulator
from tests.command_line.screens import CTRL_C, CTRL_D, ENTER, Seen, terminal
from tests.forks import Forks

SLOW = "[[slow]] Tell me of the ferry"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0.005, held_open_s=0.02) as running:
        yield running


def env(emulator: Emulator, kind: str = "advanced-chat") -> dict[str, str]:
    platform, url = ("GPTBOTS", emulator.gptbots_url) if kind.startswith("gptbots") else ("DIFY", emulator.dify_url)
    return {f"{platform}_API_KEY": emulator.key(kind), f"{platform}_BASE_URL": url, f"{platform}_USER": "anna"}


def begun(seen: Seen) -> Seen:
    seen.until(lambda: seen.at_prompt)
    return seen


def calls(emulator: Emulator) -> list[str]:
    return [f"{request.method} {re.sub('[0-9a-f-]{36}', 'ID', request.path)}" for request in emulator.requests]


@pytest.mark.parametrize("columns", [80, 200])
def test_an_answer_comes_with_its_steps_sources_and_follow_ups(commands: Forks, columns: int) -> None:
    with terminal(commands, "chat", "--emulator", "--user", "anna", columns=columns) as seen:
        begun(seen).say("When does the ferry leave?")
        text = seen.text
        assert "· Knowledge Retrieval" in text
        answer = "leaves from pier 3 every hour between 9:00 and 17:00. The crossing takes 25 minutes."
        assert answer in re.sub(r"\n", " ", text)
        assert "[1] ferry.md" in text
        assert "1  What else does ferry.md say?" in text
        assert "130 tokens" in text
        # What stands beside the answer is dimmed, the answer is not.
        assert seen.style_of("· Knowledge").fg == "brightblack"
        assert seen.style_of("Turn 1.").fg == "default"
        assert not any(re.search(r"be$|hou$|minut$", line) for line in seen.lines)  # no word is torn

        seen.say("1")
        assert "What else does ferry.md say?" in text
        assert "Turn 2." in seen.text
        seen.type(CTRL_D)
        assert seen.end() == 0
        assert "To go on" not in seen.text  # the emulator ends with the chat


@pytest.mark.parametrize("columns", [80, 200])
def test_chinese_and_emoji_stay_in_their_columns(commands: Forks, columns: int) -> None:
    with terminal(commands, "chat", "--emulator", columns=columns) as seen:
        begun(seen).say("博物馆几点开门？[[emoji]]")
        # A terminal keeps a wide character in two places, the second of them empty.
        text = seen.text
        assert "你好，世界！👋🌍" in text
        assert "› 博物馆几点开门？[[emoji]]" in text
        assert "[1] 游客指南.md" in text
        source = next(line for line in seen.lines if "游客指南.md 0." in line)
        assert source.endswith("…") or columns == 200
        assert "�" not in text


def test_thoughts_are_dimmed_and_stand_apart(commands: Forks) -> None:
    with terminal(commands, "chat", "--emulator", "chat") as seen:
        begun(seen).say("[[think]] When does the ferry leave?")
        assert seen.style_of("The user asks. I consider").fg == "brightblack"
        assert seen.style_of("Turn 1.").fg == "default"


@pytest.mark.parametrize("kind", ["chat", "advanced-chat", "agent-chat"])
def test_ctrl_c_stops_the_server_and_keeps_what_was_said(commands: Forks, emulator: Emulator, kind: str) -> None:
    with terminal(commands, "chat", more=env(emulator, kind)) as seen:
        begun(seen).type(SLOW + ENTER)
        seen.until_seen("This is a long")
        seen.type(CTRL_C)
        seen.until_seen("■ stopped: what was said stays")
        seen.until(lambda: seen.at_prompt)
        assert "POST /v1/chat-messages/ID/stop" in calls(emulator)
        with BotClient(DifyApp(emulator.key(kind), emulator.dify_url), user="anna") as client:
            (conversation,) = client.conversations()
            kept = client.history(conversation.conversation_id)[-1].text
        assert kept.startswith("This is a long")
        assert len(kept) < 900  # of 919

        seen.say("What did I ask first?")  # in the same conversation
        assert "Turn 2." in seen.text
        seen.type(CTRL_C)
        assert seen.end() == 0


def test_ctrl_c_clears_a_line_that_was_begun_and_leaves_at_an_empty_one(commands: Forks, emulator: Emulator) -> None:
    with terminal(commands, "chat", more=env(emulator)) as seen:
        begun(seen).type("never sent")
        seen.until_seen("never sent")
        seen.type(CTRL_C)
        seen.until(lambda: seen.at_prompt)
        seen.type(CTRL_C)
        assert seen.end() == 0
    assert "POST /v1/chat-messages" not in calls(emulator)


def test_several_lines_are_one_question(commands: Forks, emulator: Emulator) -> None:
    with terminal(commands, "chat", more=env(emulator)) as seen:
        begun(seen).type("When does\x1b\rthe ferry leave?" + ENTER)
        seen.until_seen(" tokens")
    (asked,) = [request.body["query"] for request in emulator.requests if request.method == "POST"]
    assert asked == "When does\nthe ferry leave?"


def test_the_form_that_a_bot_waits_for_is_filled_in_on_the_spot(commands: Forks, emulator: Emulator) -> None:
    with terminal(commands, "chat", more=env(emulator, "advanced-chat-form")) as seen:
        begun(seen).type("check this" + ENTER)
        seen.until_seen("comment:")
        seen.type("Fine 很好" + ENTER)
        seen.until_seen("which?")
        seen.type("9" + ENTER)
        seen.until_seen("Give a number from 1 to 2.")
        seen.type("1" + ENTER)
        seen.until_seen("(comment: Fine 很好)")
        seen.until(lambda: seen.at_prompt)
        assert calls(emulator).count("POST /v1/chat-messages") == 1


def test_a_form_that_is_left_goes_on_waiting(commands: Forks, emulator: Emulator) -> None:
    with terminal(commands, "chat", more=env(emulator, "advanced-chat-form")) as seen:
        begun(seen).type("check this" + ENTER)
        seen.until_seen("comment:")
        seen.type(CTRL_D)
        seen.until_seen("It goes on waiting; /form asks again.")
        seen.until(lambda: seen.at_prompt)
        seen.type("/form" + ENTER)
        seen.until(lambda: seen.text.count("comment:") > 1)
        seen.type("Late" + ENTER)
        seen.until_seen("which?")
        seen.type("reject" + ENTER)
        seen.until_seen("(comment: Late)")


def test_what_an_app_requires_is_asked_for_before_the_first_question(commands: Forks, emulator: Emulator) -> None:
    with terminal(commands, "chat", "--input", "party=2", more=env(emulator, "advanced-chat-booking")) as seen:
        seen.until_seen("Your name (at most 48 characters):")
        seen.type("Änne" + ENTER)
        begun(seen).say("When does the ferry leave?")
    asked = next(request.body for request in emulator.requests if request.method == "POST")
    assert asked["inputs"] == {"guest": "Änne", "party": "2"}


def test_a_broken_answer_is_told_and_recovered(commands: Forks, emulator: Emulator) -> None:
    emulator.faults.add(Cut(after_bytes=3000))
    with terminal(commands, "chat", "--no-follow-ups", more=env(emulator)) as seen:
        begun(seen).say("When does the ferry leave?")
        assert "✗ dify: " in seen.text
        assert "/recover looks for it" in seen.text
        assert seen.style_of("✗ dify").fg == "red"
        seen.say("/recover")
        assert "The crossing takes 25 minutes." in seen.text.partition("› /recover")[2].replace("\n", " ")
    assert calls(emulator).count("POST /v1/chat-messages") == 1


def test_a_refusal_and_a_withdrawn_text_are_told_for_what_they_are(commands: Forks, emulator: Emulator) -> None:
    with terminal(commands, "chat", "--no-follow-ups", more=env(emulator, "agent-chat")) as seen:
        begun(seen).say("[[failmid]] once")
        assert "✗ dify: 400 completion_request_error" in seen.text
        assert "/recover" not in seen.text.partition("[[failmid]]")[2].replace("/help", "")
        seen.say("[[bad]]")
        assert "⊘ withdrawn; in its place:\nThis answer was withdrawn." in seen.text
        assert "withheld" not in seen.text
        seen.say("[[time]]")
        assert "  · current_time\n" in seen.text
        assert "· thought" not in seen.text


def test_conversations_are_listed_opened_read_rated_and_written(
    commands: Forks, emulator: Emulator, tmp_path: Path
) -> None:
    with terminal(commands, "chat", "--no-follow-ups", more=env(emulator), rows=60) as seen:
        begun(seen).say("When does the ferry leave?")
        seen.say("/feedback like well said")
        assert "Rated: like" in seen.text
        seen.say("/new")
        seen.say("博物馆几点开门？")
        seen.say("/list")
        listed = [line for line in seen.lines if re.match(r"[* ] +\d  2026", line)]
        assert [line[0] for line in listed] == ["*", " "]
        seen.say("/open 2")
        assert "You 2026-01-01" in seen.text
        seen.say("What did I ask first?")
        assert 'You asked first: "When does the ferry leave?"' in seen.text.replace("\n", " ")
        seen.say("/sources")
        assert "names no sources" in seen.text
        for name in ("talk.md", "talk.json"):
            seen.say(f"/export {tmp_path / name}")
        assert seen.text.count("4 messages are in") == 2
        seen.say(f"/export {tmp_path / 'talk.md'}")
        assert "it is there already" in seen.text.replace("\n", " ")
        seen.say("/quit-not")
        assert "There is no /quit-not." in seen.text
        seen.type("/quit" + ENTER)
        assert seen.end() == 0
    assert "POST /v1/messages/ID/feedbacks" in calls(emulator)
    assert "**Bot**" in (tmp_path / "talk.md").read_text("utf-8")
    written = json.loads((tmp_path / "talk.json").read_text("utf-8"))
    assert [one["role"] for one in written["messages"]] == ["user", "assistant"] * 2
    assert written["messages"][1]["rating"] == "like"
    assert written["messages"][1]["sources"][0]["document_name"] == "ferry.md"


def test_a_conversation_goes_on_by_its_id(commands: Forks, emulator: Emulator) -> None:
    with BotClient(DifyApp(emulator.key("advanced-chat"), emulator.dify_url), user="anna") as client:
        known = client.ask("When does the ferry leave?").conversation_id
    with terminal(commands, "chat", "--conversation", known, more=env(emulator)) as seen:
        begun(seen).say("What did I ask first?")
        assert 'You asked first: "When does the ferry leave?"' in seen.text.replace("\n", " ")
        seen.type(CTRL_D)
        assert seen.end() == 0
        assert f"To go on: --conversation {known}" in seen.text
    assert emulator.requests[-2].body["conversation_id"] == known


def test_a_file_goes_with_the_next_question(commands: Forks, emulator: Emulator, tmp_path: Path) -> None:
    picture = tmp_path / "a picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 64)
    with terminal(commands, "chat", "--no-follow-ups", more=env(emulator, "chat-image")) as seen:
        begun(seen).say(f"/file {tmp_path / 'none.png'}")
        assert "✗" in seen.text
        seen.say(f"/file '{picture}'")
        assert "With the next question: a picture.png (image)" in seen.text
        seen.say("What is this?")
        seen.say("And now?")
    asked = [request.body for request in emulator.requests if request.path == "/v1/chat-messages"]
    assert [len(one.get("files", [])) for one in asked] == [1, 0]
    assert asked[0]["files"][0]["type"] == "image"


def test_an_agent_of_gptbots_talks_as_well(commands: Forks, emulator: Emulator) -> None:
    with terminal(commands, "chat", "--platform", "gptbots", more=env(emulator, "gptbots")) as seen:
        begun(seen).say("When does the ferry leave?")
        assert "9:00" in seen.text
        assert re.search(r"^  1  ", seen.text, re.MULTILINE)
        seen.say("1")
        assert "Turn 2." in seen.text


def test_what_a_bot_says_cannot_command_the_terminal(commands: Forks) -> None:
    hostile = "\x1b]0;owned\x07 \x1b[35;1mPURPLE [bold]ferry[/bold] \u202egnp\x9b2J <b>x</b>"
    documents = {f"ferry{hostile}.md": f"The ferry leaves at nine. {hostile}"}
    with Emulator(token_delay_s=0, held_open_s=0, documents=documents) as emulator, terminal(
        commands, "chat", more=env(emulator)
    ) as seen:  # fmt: skip
        begun(seen).say("When does the ferry leave?")
        seen.say("/sources")
        seen.say("/history")
        seen.say("/list")
        assert "PURPLE [bold]ferry[/bold]" in seen.text
        assert b"owned" not in seen.bytes
        assert not any(told in seen.bytes for told in (b"\x1b[35", b"\xc2\x9b", "\u202e".encode()))
        assert seen.style_of("PURPLE").fg == "default"
