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

from remote_chatbots.cli.terminal import Terminal


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
