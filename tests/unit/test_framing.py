"""Bytes to frames, and frames to JSON values: wherever the network cuts."""

from __future__ import annotations

from typing import Any

import pytest

from remote_chatbots import BotProtocolError
from remote_chatbots.framing import Frame, SSEFramer, parse_json


def frames_of(*chunks: bytes, max_event_bytes: int = 4096) -> list[Frame]:
    framer = SSEFramer(max_event_bytes)
    return [*(frame for chunk in chunks for frame in framer.feed(chunk)), *framer.close()]


def data_of(*chunks: bytes) -> list[bytes]:
    return [frame.data for frame in frames_of(*chunks)]


# Lines


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_every_line_end_of_the_standard_ends_a_line(end: bytes) -> None:
    assert data_of(b"data: a" + end + end + b"data: b" + end + end) == [b"a", b"b"]


def test_line_ends_may_be_mixed_in_one_stream() -> None:
    assert data_of(b"data: a\r\n\ndata: b\n\r\ndata: c\r\rdata: d\n\n") == [b"a", b"b", b"c", b"d"]


@pytest.mark.parametrize(
    "character",
    ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\0"],
    ids=["LS", "PS", "NEL", "VT", "FF", "FS", "GS", "RS", "NUL"],
)
def test_what_unicode_calls_a_line_end_is_text(character: str) -> None:
    text = f"one{character}two".encode()

    assert data_of(b"data: " + text + b"\n\n") == [text]


# Fields


@pytest.mark.parametrize(
    ("body", "data"),
    [
        pytest.param(b"data: a\n\n", [b"a"], id="a space after the colon"),
        pytest.param(b"data:a\n\n", [b"a"], id="no space after the colon"),
        pytest.param(b"data:  a\n\n", [b" a"], id="only one space is taken off"),
        pytest.param(b"data:\ta\n\n", [b"\ta"], id="a tab stays"),
        pytest.param(b"data: a \n\n", [b"a "], id="a space at the end stays"),
        pytest.param(b"data: a: b\n\n", [b"a: b"], id="a colon in the value"),
        pytest.param(b"data: a\ndata: b\n\n", [b"a\nb"], id="two data lines"),
        pytest.param(b"data: a\ndata:\ndata: b\n\n", [b"a\n\nb"], id="an empty data line between two"),
        pytest.param(b"data:\n\n", [b""], id="an empty data line alone"),
        pytest.param(b"data\n\n", [b""], id="a data line without a colon"),
        pytest.param(b"data\ndata\n\n", [b"\n"], id="two empty data lines"),
        pytest.param(b": note\ndata: a\n: note\ndata: b\n:\n\n", [b"a\nb"], id="comments"),
        pytest.param(b"id: 7\nretry: 10\nother: x\nnonsense\ndata: a\n\n", [b"a"], id="other fields"),
        pytest.param(b"Data: a\n data: b\ndatas: c\n\n", [], id="names that only look like data"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [b"a"], id="a byte order mark first"),
        pytest.param(b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"], id="a byte order mark later"),
        pytest.param(b"\n\n\r\n\r\n\n", [], id="blank lines alone"),
        pytest.param(b"\n\ndata: a\n\n\n\ndata: b\n\n", [b"a", b"b"], id="more blank lines than needed"),
        pytest.param(b"", [], id="nothing at all"),
    ],
)
def test_fields_are_read_as_the_standard_says(body: bytes, data: list[bytes]) -> None:
    assert data_of(body) == data


def test_an_event_keeps_its_name() -> None:
    assert frames_of(b"event: update\ndata: a\n\n") == [Frame("update", b"a")]


def test_the_last_of_two_names_counts() -> None:
    assert frames_of(b"event: first\nevent: second\ndata: a\n\n") == [Frame("second", b"a")]


def test_a_name_that_is_no_utf8_is_read_as_far_as_it_goes() -> None:
    assert frames_of(b"event: \xff!\ndata: a\n\n") == [Frame("\ufffd!", b"a")]


def test_an_event_without_data_is_no_frame_and_leaves_no_name_behind() -> None:
    assert frames_of(b"event: ping\n\ndata: a\n\n") == [Frame("", b"a")]


# Cuts

MIXED = (
    'data: {"answer":"你好，世界"}\r\n\r\n'
    "event: ping\r\n\r\n"
    ": a comment\r\n"
    "event: told\r\ndata: 😀 first\r\ndata: 👩‍👩‍👧 second\r\n\r\n"
    "event: ping\n\n"
    "data: 上海\rdata: x\r\r"
    "data:\n\n"
    'data: {"answer":"end"}\n\n'
).encode()
MIXED_FRAMES = [
    Frame("", '{"answer":"你好，世界"}'.encode()),
    Frame("told", "😀 first\n👩‍👩‍👧 second".encode()),
    Frame("", "上海\nx".encode()),
    Frame("", b""),
    Frame("", b'{"answer":"end"}'),
]


def test_a_stream_in_one_piece_gives_its_frames() -> None:
    assert frames_of(MIXED) == MIXED_FRAMES


def test_a_stream_cut_at_any_byte_gives_the_same_frames() -> None:
    differing = [at for at in range(len(MIXED) + 1) if frames_of(MIXED[:at], MIXED[at:]) != MIXED_FRAMES]

    assert differing == []


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_stream_in_small_pieces_gives_the_same_frames(size: int) -> None:
    assert frames_of(*(MIXED[at : at + size] for at in range(0, len(MIXED), size))) == MIXED_FRAMES


def test_an_empty_chunk_changes_nothing() -> None:
    pieces = [piece for at in range(len(MIXED)) for piece in (b"", MIXED[at : at + 1])]

    assert frames_of(*pieces) == MIXED_FRAMES


def test_a_frame_is_given_with_the_chunk_that_completes_it() -> None:
    framer = SSEFramer(4096)

    assert list(framer.feed(b"data: a\n")) == []
    assert list(framer.feed(b"\ndata: b")) == [Frame("", b"a")]


def test_a_blank_line_that_ends_in_cr_completes_a_frame_at_once() -> None:
    assert list(SSEFramer(4096).feed(b"data: a\r\n\r")) == [Frame("", b"a")]


# The end of a body


@pytest.mark.parametrize(
    "body",
    [b"data: x", b"data: x\n", b"data: x\r", b"data: x\r\n", b"data: y\n\ndata: x\r\n"],
    ids=["no line end", "LF", "CR", "CRLF", "CRLF after a whole event"],
)
def test_what_the_end_of_a_body_leaves_is_the_same_wherever_it_was_cut(body: bytes) -> None:
    for at in range(1, len(body)):
        assert frames_of(body[:at], body[at:])[-1:] == [Frame("", b"x", complete=False)], f"cut at {at}"


@pytest.mark.parametrize(
    "body",
    [b"data: x\n\n", b"data: x\r\n\r\n", b"data: x\n\nevent: ping", b"data: x\n\nevent: ping\n", b"data: x\n\n: bye"],
    ids=["a blank line", "a blank line of CRLF", "half a ping", "a ping without its blank line", "half a comment"],
)
def test_an_end_without_open_data_leaves_nothing(body: bytes) -> None:
    assert frames_of(body) == [Frame("", b"x")]


# Sizes


def test_a_long_line_in_many_chunks_is_refused_once_it_is_too_large() -> None:
    framer = SSEFramer(1024)
    for chunk in [b"data: ", *[b"x" * 100] * 10]:
        list(framer.feed(chunk))

    with pytest.raises(BotProtocolError, match="max_event_bytes"):
        list(framer.feed(b"x" * 100))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"data: " + b"x" * 2000 + b"\n\n", id="one line"),
        pytest.param(b"data: xxxxxxxx\n" * 200 + b"\n", id="many lines"),
        pytest.param(b"data:\n" * 3000 + b"\n", id="many empty lines"),
    ],
)
@pytest.mark.parametrize("size", [100_000, 50], ids=["in one chunk", "in many"])
def test_an_event_larger_than_the_limit_is_refused(body: bytes, size: int) -> None:
    with pytest.raises(BotProtocolError, match="max_event_bytes"):
        frames_of(*(body[at : at + size] for at in range(0, len(body), size)), max_event_bytes=1024)


def test_lines_and_the_begun_one_after_them_count_together() -> None:
    with pytest.raises(BotProtocolError, match="max_event_bytes"):
        frames_of(b"data: " + b"x" * 600 + b"\n", b"data: " + b"x" * 600, max_event_bytes=1024)


def test_the_refusal_of_a_large_event_tells_the_limit_that_was_set() -> None:
    with pytest.raises(BotProtocolError, match="2048"):
        frames_of(b"data: " + b"x" * 3000, max_event_bytes=2048)


def test_an_event_of_exactly_the_limit_is_taken() -> None:
    assert data_of(b"data: " + b"x" * 4096 + b"\n\n") == [b"x" * 4096]


def test_each_event_is_measured_by_itself() -> None:
    bodies = [b"data: " + b"x" * 600 + b"\n\n"] * 10

    assert len(frames_of(*bodies, max_event_bytes=1024)) == 10


def test_an_event_of_ten_megabytes_passes_a_raised_limit() -> None:
    data = b"x" * 10_000_000
    body = b"data: " + data + b"\n\n"
    step = 64 * 1024

    frames = frames_of(*(body[at : at + step] for at in range(0, len(body), step)), max_event_bytes=16_000_000)

    assert [len(frame.data) for frame in frames] == [len(data)]


# JSON


@pytest.mark.parametrize(
    ("data", "value"),
    [
        pytest.param(b'{"a": [1, "b", null]}', {"a": [1, "b", None]}, id="plain"),
        pytest.param(b'"text"', "text", id="a value that is no object"),
        pytest.param(b'{"a":NaN}', {"a": None}, id="NaN"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', {"a": 1}, id="a byte order mark"),
        pytest.param(b'{"a":[Infinity,-Infinity]}', {"a": [None, None]}, id="infinity"),
        pytest.param(b'{"a":1e999,"b":0.5}', {"a": None, "b": 0.5}, id="a number that no float holds"),
        pytest.param(b'{"a":"\\ud83d!"}', {"a": "\ufffd!"}, id="a lone surrogate"),
        pytest.param(b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}, id="a pair of surrogates"),
        pytest.param(b'{"a":"\\ud83d","b":"\\ud83d\\ude00"}', {"a": "\ufffd", "b": "😀"}, id="both"),
        pytest.param(b'{"a":"\xe4\xbd!"}', {"a": "\ufffd!"}, id="a broken UTF-8 sequence"),
        pytest.param('{"a":"\u2028\u0085"}'.encode(), {"a": "\u2028\u0085"}, id="raw line separators"),
    ],
)
def test_json_is_read_leniently(data: bytes, value: Any) -> None:
    assert parse_json(data) == value


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"a":1,}', b"[DONE]", b"<html>", b"[" * 100_000, b"9" * 5000],
    ids=["nothing", "half an object", "a comma too many", "DONE", "HTML", "nested too deeply", "huge"],
)
def test_what_is_no_json_is_a_value_error_and_nothing_else(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(data)
