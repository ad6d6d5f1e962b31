"""What the terminal of a chat writes, seen on a screen that is no terminal's: several widths cost nothing here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pyte
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import DummyInput
from prompt_toolkit.output.vt100 import Vt100_Output

from remote_chatbots.cli.chat_commands import COMMANDS
from remote_chatbots.cli.terminal import Terminal
from remote_chatbots.cli.wrapping import filled


@contextmanager
def terminal(columns: int) -> Iterator[tuple[Terminal, pyte.Screen]]:
    written, screen = io.StringIO(), pyte.Screen(columns, 10)
    output = Vt100_Output(written, lambda: Size(rows=10, columns=columns), term="xterm-256color")
    with create_app_session(input=DummyInput(), output=output):
        yield Terminal([]), screen
    pyte.Stream(screen).feed(written.getvalue())


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_progress_stands_on_one_line_and_what_follows_takes_its_place(columns: int) -> None:
    with terminal(columns) as (shown, screen):
        shown.note("Reading:\n")
        for done in (9998, 9999, 3):
            shown.progress(f"  {done} of 10000 conversations, 一二三四五六七八九十")
        shown.note("All is written.\n")
    assert [line.rstrip() for line in screen.display[:3]] == ["Reading:", "All is written.", ""]


def test_progress_that_is_shorter_than_before_leaves_nothing_of_it() -> None:
    with terminal(80) as (shown, screen):
        shown.progress("  9999 of 10000 conversations")
        shown.progress("  3 of 4")
    assert screen.display[0].rstrip() == "  3 of 4"
    assert screen.buffer[0][2].fg == "brightblack"


def test_what_the_chat_says_of_its_commands_fits_a_narrow_terminal() -> None:
    width = max(len(command.written) for command in COMMANDS.values())
    assert max(len(f"  {'':{width}}  {command.purpose}") for command in COMMANDS.values()) <= 80


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("one two three", ["- one two", "  three"]),
        ("", ["-"]),
        ("a-very-long-word and more", ["- a-very-long-word", "  and more"]),
        ("每天从早上八点，到下午", ["- 每天从早", "  上八点，", "  到下午"]),
        ("see 每天从早上 now", ["- see 每天", "  从早上", "  now"]),
    ],
)
def test_lines_are_filled_by_columns_and_end_between_words_or_wide_characters(words: str, lines: list[str]) -> None:
    assert filled(words, 11, "- ", "  ") == lines
