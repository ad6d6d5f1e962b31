"""HTTP's chunks, many at a time: what is taken, and what is left for the library to judge."""

from __future__ import annotations

import io
from http.client import HTTPResponse
from typing import Any

import pytest

from remote_chatbots.transports.chunks import whole_chunks

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST = b"3\r\none"
BEHIND = b"\r\n5\r\n\r\n2\r\n\r\n1c\r\nletters of the alphabet, all\r\nF;name=value\r\nwith extensions\r\n0\r\n\r\n"


class _Socket:
    """What http.client asks of a socket: a file of its bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._data))  # type: ignore[arg-type]


def test_chunks_that_lie_whole_are_taken_together() -> None:
    assert whole_chunks(b"\r\n3\r\none\r\n3\r\ntwo\r\n") == (b"onetwo", len(b"\r\n3\r\none\r\n3\r\ntwo"))


def test_line_ends_in_the_data_are_data() -> None:
    assert whole_chunks(b"\r\n6\r\n\r\n2\r\na\r\n1\r\nb") == (b"\r\n2\r\nab", 17)


@pytest.mark.parametrize(
    "left",
    [b"", b"\r", b"\r\n", b"\r\n3", b"\r\n3\r", b"\r\n3\r\n", b"\r\n3\r\non", b"\r\n0\r\n\r\n", b"\r\n3;a=b\r\none",
     b"3\r\none", b"\r\n-3\r\none", b"\r\nxyz\r\none", b"\n\n3\n\none"],
)  # fmt: skip
def test_what_is_not_plainly_a_whole_chunk_is_left(left: bytes) -> None:
    assert whole_chunks(left) == (b"", 0)
    assert whole_chunks(b"\r\n4\r\nfour" + left) == (b"four", 9)


@pytest.mark.parametrize("size", range(1, len(BEHIND) + 1))
def test_the_library_goes_on_where_the_whole_chunks_end(size: int) -> None:
    response = HTTPResponse(_Socket(HEAD + FIRST + BEHIND))  # type: ignore[arg-type]
    response.begin()
    body = response.read(3)

    data, end = whole_chunks(BEHIND[:size])
    assert response.fp is not None
    response.fp.read(end)

    assert body + data + response.read() == b"one\r\n2\r\nletters of the alphabet, allwith extensions"
