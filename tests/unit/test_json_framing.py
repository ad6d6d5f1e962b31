"""The framer of JSON objects, without a socket."""

from __future__ import annotations

import json

import pytest

from remote_chatbots import BotProtocolError
from remote_chatbots.framing import parse_json
from remote_chatbots.json_framing import JSONFramer

OBJECTS = [
    {"code": 11, "message": "MessageInfo", "data": {"message_id": "m-1", "more": {"{": "}"}}},
    {"code": 3, "message": "Text", "data": "é 雪 \u2028\u0085 🌊"},
    {"code": 3, "message": "Text", "data": 'a " quote, a \\ backslash, {"braces": [1]}, data: and [DONE]'},
    {"code": 3, "message": "Text", "data": "\\"},
    {"code": 3, "message": "Text", "data": "}{"},
    {"code": 10, "message": "FlowOutput", "data": [{"content": "你好", "branch": None}], "componentId": 7},
    {"code": 0, "message": "End", "data": None},
]
LINES = [json.dumps(one, ensure_ascii=at % 2 == 0).encode() for at, one in enumerate(OBJECTS)]

FRAMINGS = {
    "sse": b"".join(b"data: " + line + b"\n\n" for line in LINES),
    "sse without space": b"".join(b"data:" + line + b"\n\n" for line in LINES),
    "sse with fields": b"".join(b'event: message {"\nid: 1\nretry: 5\ndata:' + line + b"\n\n" for line in LINES),
    "sse with comments": b": hello {\n\n" + b"".join(b"data:" + line + b"\n: ping {\n\n" for line in LINES),
    "sse with CRLF": b"".join(b"data: " + line + b"\r\n\r\n" for line in LINES),
    "sse with CR": b"".join(b"data: " + line + b"\r\r" for line in LINES),
    "lines": b"\n".join(LINES) + b"\n",
    "lines, the last without an end": b"\n".join(LINES),
    "lines with CRLF": b"\r\n".join(LINES) + b"\r\n",
    "blank lines": b"\n\n".join(LINES),
    "glued": b"".join(LINES),
    "glued behind data:": b"data: " + b"".join(LINES) + b"\n\n",
    "glued two and two": b"\n".join(a + b for a, b in zip(LINES[::2], [*LINES[1::2], b""], strict=True)),
    "commas": b", ".join(LINES),
    "with [DONE]": b"".join(b"data: " + line + b"\n\n" for line in LINES) + b"data: [DONE]\n\n",
    "with [DONE] and no end": b"".join(b"data: " + line + b"\n\n" for line in LINES) + b"[DONE]",
    "a byte order mark": b"\xef\xbb\xbf" + b"\n".join(LINES),
    "over several lines": b"\n".join(json.dumps(one, indent=2).encode() for one in OBJECTS),
    "over several data lines": b"\n\n".join(
        b"\n".join(b"data: " + line.encode() for line in json.dumps(one, indent=2).splitlines()) for one in OBJECTS
    ),
}


def read(*chunks: bytes, limit_bytes: int = 1 << 20) -> list[object]:
    framer = JSONFramer(limit_bytes, "gptbots")
    frames = [frame for chunk in chunks for frame in framer.feed(chunk)]
    rest = list(framer.close())
    assert not any(frame.complete for frame in rest)
    return [parse_json(frame.data) for frame in frames]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_framing_gives_the_same_objects_whole(framing: str) -> None:
    assert read(FRAMINGS[framing]) == OBJECTS


at_any_byte = pytest.mark.parametrize(
    "step", [7, pytest.param(1, marks=pytest.mark.matrix)], ids=["every seventh byte", "every byte"]
)


@at_any_byte
@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_framing_cut_at_any_byte_gives_the_same_objects(framing: str, step: int) -> None:
    body = FRAMINGS[framing]
    for at in range(0, len(body) + 1, step):
        assert read(body[:at], body[at:]) == OBJECTS, at


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_every_framing_in_small_pieces_gives_the_same_objects(framing: str, size: int) -> None:
    body = FRAMINGS[framing]
    assert read(*(body[at : at + size] for at in range(0, len(body), size))) == OBJECTS


@at_any_byte
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_body_cut_off_anywhere_gives_the_objects_before_the_cut_and_an_incomplete_rest(
    framing: str, step: int
) -> None:
    body = FRAMINGS[framing]
    for at in range(0, len(body), step):
        framer = JSONFramer(1 << 20)
        objects = [parse_json(frame.data) for frame in framer.feed(body[:at])]
        assert objects == OBJECTS[: len(objects)]
        rest = list(framer.close())
        assert len(rest) <= 1
        assert not any(frame.complete for frame in rest)


def test_an_object_is_given_as_soon_as_its_last_brace_is_there() -> None:
    framer = JSONFramer(1 << 20)
    assert [frame.data for frame in framer.feed(b'data: {"code": 3, "data": {"a": 1}}')] == [
        b'{"code": 3, "data": {"a": 1}}'
    ]
    assert list(framer.close()) == []


def test_a_line_that_is_no_object_is_a_frame() -> None:
    framer = JSONFramer(1 << 20)
    frames = list(framer.feed(b"<html>\r\n<body>{}</body>\ndata: null\n"))
    assert [frame.data for frame in frames] == [b"<html>", b"<body>{}</body>", b"null"]


def test_an_object_broken_by_the_end_of_a_line_does_not_take_the_next_with_it() -> None:
    framer = JSONFramer(1 << 20)
    broken, whole = framer.feed(b'data: {"code": 3, "data": "Te\ndata: {"code": 0}\n')
    assert broken.data == b'{"code": 3, "data": "Te\n'
    assert whole.data == b'{"code": 0}'


def test_an_object_of_ten_megabytes_is_taken_in_pieces() -> None:
    large = json.dumps({"data": "{" * 10_000_000}).encode()
    assert read(*(large[at : at + 65_536] for at in range(0, len(large), 65_536)), limit_bytes=1 << 24) == [
        {"data": "{" * 10_000_000}
    ]


@pytest.mark.parametrize("endless", [b'{"data": "' + b"x" * 2000, b"x" * 2000, b": " + b"x" * 2000])
def test_what_never_ends_is_refused_at_the_limit(endless: bytes) -> None:
    with pytest.raises(BotProtocolError, match=r"^gptbots: .*max_event_bytes \(1024\)"):
        read(endless, limit_bytes=1024)
