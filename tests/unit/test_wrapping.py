from __future__ import annotations

import random
import textwrap
import unicodedata

import pytest

from remote_chatbots.cli.wrapping import Wrapper

SAID = (
    "The ferry to Gull Island leaves from pier 3 every hour between 9:00 and 17:00. The crossing takes 25 minutes, and "
    "bicycles travel free of charge; dogs must be kept on a lead and stay on the lower deck."
)


def width_of(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def wrapped(text: str, columns: int, seed: int = 0) -> str:
    wrapper, chance, at, shown = Wrapper(width_of), random.Random(seed), 0, ""
    while at < len(text):
        step = chance.randint(1, 9)
        shown += wrapper.feed(text[at : at + step], columns)
        at += step
    return shown + wrapper.rest(columns)


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
@pytest.mark.parametrize("seed", range(5))
def test_words_stay_whole_however_the_text_was_cut(columns: int, seed: int) -> None:
    assert wrapped(SAID, columns, seed).split("\n") == textwrap.wrap(SAID, columns)


def test_nothing_but_spaces_is_taken_and_nothing_but_line_ends_put() -> None:
    text = "  a  list:\n\n  - 一二三四五六七八九十 item " + "x" * 50 + " end 👩‍👩‍👧 \n"
    assert wrapped(text, 20).replace("\n", "").replace(" ", "") == text.replace("\n", "").replace(" ", "")
    assert wrapped(text, 200) == text


def test_what_has_no_spaces_is_shown_at_once() -> None:
    wrapper = Wrapper(width_of)
    assert wrapper.feed("博物馆", 80) == "博物馆"
    assert wrapper.feed("九点 on Sun", 80) == "九点 on"
    assert wrapper.feed("days\n", 80) == " Sundays\n"


def test_a_word_behind_wide_characters_begins_the_next_line() -> None:
    assert wrapped("一二三四五六七八九 words", 20) == "一二三四五六七八九\nwords"
    assert wrapped("一二三四五六七八九十一 words", 20) == "一二三四五六七八九十一 words"
