from __future__ import annotations

import pytest

from remote_chatbots.printable import Cleaner, on_a_line, printable

OBEYED = [
    "\x1b[31m", "\x1b[2J", "\x1b[1;1H", "\x9b31m", "\x1b]0;title\x07", "\x1b]8;;https://evil.example\x1b\\", "\x1bc",
    "\x1b(0", "\x1bP1$q\x1b\\", "\x1b[?1049h", "\x07", "\x08", "\x00", "\x7f", "\u202e", "\u2066", "\x9d0;x\x9c",
]  # fmt: skip


@pytest.mark.parametrize("sequence", OBEYED, ids=ascii)
def test_what_a_terminal_obeys_is_taken_out_wherever_the_text_was_cut(sequence: str) -> None:
    whole = f"before{sequence}after"
    assert printable(whole) == "beforeafter"
    for at in range(len(whole)):
        cleaner = Cleaner()
        assert cleaner.feed(whole[:at]) + cleaner.feed(whole[at:]) + cleaner.rest() == "beforeafter"


@pytest.mark.parametrize("text", ["博物馆九点开门。", "👩‍👩‍👧 ❤️ 🇨🇳", "a\tb\nc", "naïve [bold]x[/bold] <b>", "e\u0301"])
def test_what_a_person_reads_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("end", ["\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_every_line_end_becomes_one(end: str) -> None:
    cleaner = Cleaner()
    assert cleaner.feed(f"a{end}") + cleaner.feed("b") + cleaner.rest() == "a\nb"


def test_a_sequence_that_never_ends_swallows_no_answer() -> None:
    said = "the answer " * 1000
    assert said[3000:] in printable("\x1b]0;" + said)
    assert "\x1b" not in printable("\x1b]0;" + said)
    cleaner = Cleaner()
    assert said[3000:] in "".join(cleaner.feed(letter) for letter in "\x1b]0;" + said) + cleaner.rest()


def test_half_a_character_can_be_written() -> None:
    assert printable("a\ud800b").encode() == b"ab"


def test_a_line_is_cut_where_it_is_too_long() -> None:
    assert on_a_line("a\n b\x1b[0m  c") == "a b c"
    assert on_a_line("abcdef", 4) == "abc…"
    assert on_a_line("abcd", 4) == "abcd"
