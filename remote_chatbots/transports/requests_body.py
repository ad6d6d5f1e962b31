"""Bodies under requests: a response's bytes as they arrive, not as the library would hand them out; large ones sent."""

from __future__ import annotations

import contextlib
import io
import re
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from remote_chatbots.contents import SLICE_BYTES, Content, Octets
from remote_chatbots.transports.chunks import whole_chunks
from remote_chatbots.transports.decoding import Decoder
from remote_chatbots.transports.waiting import WAITING, ClockedSocket

if TYPE_CHECKING:
    import socket

    import requests

READ_BYTES = 64 * 1024
_NEXT_CHUNK = re.compile(rb"\r\n0*[1-9a-fA-F][0-9a-fA-F]*[^\r\n]*\r\n.", re.DOTALL)


def next_bytes(response: requests.Response, decoder: Decoder | None) -> bytes:
    """Return the body's next bytes; b"" at its end."""
    while True:
        if decoder is not None:
            decoder.check()
        wait(response)
        chunk: bytes = response.raw.read1(READ_BYTES)
        if not chunk:
            return chunk
        chunk += _already_there(response)
        if decoder is None:
            return chunk
        if readable := decoder.feed(chunk):
            return readable


def wait(response: requests.Response) -> None:
    """Wait for the body's next byte: here, because a wait that ends within the library costs the connection."""
    body: Any = getattr(response.raw, "_fp", None)  # none where it is played back
    file = getattr(body, "fp", None)
    if not isinstance(file, io.BufferedReader) or body.length == 0:
        return  # the body is over
    if body.chunk_left == 0 and file.peek(2)[:2] == b"\r\n":
        # The end of the last chunk is no news.
        file.read(2)
        body.chunk_left = None
    file.peek(1)


def clock(response: requests.Response) -> None:
    """Have the body of a session that is not ours read as its thread may wait."""
    body: Any = getattr(response.raw, "_fp", None)
    file = getattr(body, "fp", None)
    sock = getattr(getattr(file, "raw", None), "_sock", None)
    if file is None or sock is None:
        return
    usual_s = sock.gettimeout()
    sock.settimeout(0)
    begun = b""
    with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
        begun = file.peek(1)
    sock.settimeout(usual_s)
    body.fp = io.BufferedReader(ClockedSocket(sock, file, begun))


def hang_up(response: requests.Response) -> None:
    """Break the connection of a response, so that a thread that waits for its body waits no longer."""
    with contextlib.suppress(AttributeError, OSError):  # its body is read, or it has no socket
        _socket(response).shutdown(2)  # type: ignore[union-attr]


def _already_there(response: requests.Response) -> bytes:
    """Return what has arrived behind the chunk that was just read; never wait for it.

    A read gives one HTTP chunk, and a server that is faster than its reader sends a chunk per event.
    """
    sock = _socket(response)
    body: Any = getattr(response.raw, "_fp", None)
    if sock is None or not body.chunked:
        return b""
    usual_s = sock.gettimeout()
    sock.settimeout(0)
    there = bytearray()
    # What is broken behind it is met again by the next read, and must not take the text before it along.
    with contextlib.suppress(Exception):
        while len(there) < READ_BYTES and (buffered := body.fp.peek(1)):
            data, end = whole_chunks(buffered) if body.chunk_left == 0 else (b"", 0)
            if end:
                there += data
                body.fp.read(end)
            elif body.chunk_left or _NEXT_CHUNK.match(buffered):
                there += body.read1(READ_BYTES)
            else:
                break  # only of a chunk whose size and first byte are there can something be read without waiting
    with contextlib.suppress(OSError):  # closed with the body's end
        sock.settimeout(usual_s)
    return bytes(there)


def _socket(response: requests.Response) -> socket.socket | None:
    """Return the socket of a response whose body is under way; None once it is read."""
    found: Any = response.raw
    for name in ("_fp", "fp", "raw", "sock"):
        found = getattr(found, name, None)
    return found  # type: ignore[no-any-return]


class _Sliced:
    """A large body, sent slice by slice: silence begins anew behind each."""

    def __init__(self, content: Content) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        for slice_ in self._content:
            yield slice_
            WAITING.has_connected()


def sent(body: bytes | Content) -> Any:
    """Return a body as the library takes it; a large one in slices, for it would have one wait for all of it."""
    if isinstance(body, bytes):
        return body if len(body) <= SLICE_BYTES else _Sliced(Octets(body))
    return _Sliced(body)
