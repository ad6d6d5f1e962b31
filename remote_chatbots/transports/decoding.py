"""Bodies that a proxy compressed although nobody asked for it: one way for both drivers."""

from __future__ import annotations

import zlib
from typing import Any

from remote_chatbots.wire import ResponseHead

_GZIP = 16 + zlib.MAX_WBITS
# What one read may grow to: text that compresses a hundredfold is none that a bot says.
MOST_BYTES = 16 * 1024 * 1024
_WINDOWS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}


class UnreadableError(Exception):
    """A body is not compressed the way its head says, or in a way that nobody asked for."""


class Decoder:
    """Gives a body's own bytes as they arrive.

    Args:
        coding: The value of `Content-Encoding`: gzip, x-gzip or deflate, once.
    """

    def __init__(self, coding: str) -> None:
        window = _WINDOWS.get(coding)
        self._inflater = None if window is None else zlib.decompressobj(window)
        self._begun = coding != "deflate"

    def check(self) -> None:
        """Do nothing as long as more can be read.

        Raises:
            UnreadableError: If what came last was broken or far too large, or the coding is none that this client
                reads.
        """
        if self._inflater is None:
            raise UnreadableError

    def feed(self, chunk: bytes) -> bytes:
        """Return what `chunk` adds, up to where it is broken; b"" if it completes nothing.

        Raises:
            UnreadableError: If nothing of it can be read.
        """
        self.check()
        assert self._inflater is not None
        if not self._begun:
            # Half of the world sends deflate without the header that it should have.
            self._begun = True
            if chunk[0] & 0x0F != zlib.DEFLATED:
                self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        before = self._inflater.copy()
        try:
            readable = self._inflater.decompress(chunk, MOST_BYTES)
        except zlib.error:
            self._inflater = None
        else:
            if self._inflater.unconsumed_tail:
                self._inflater = None
            return readable
        if readable := _up_to_the_fault(before, chunk):
            return readable
        raise UnreadableError


def decoder_of(head: ResponseHead) -> Decoder | None:
    """Return what reads the body behind `head`; None if it is not compressed."""
    coding = head.headers.get("content-encoding", "").strip().lower()
    return None if coding in ("", "identity") else Decoder(coding)


def _up_to_the_fault(inflater: Any, chunk: bytes) -> bytes:
    readable = bytearray()
    try:
        for at in range(len(chunk)):
            readable += inflater.decompress(chunk[at : at + 1], MOST_BYTES)
    except zlib.error:
        pass
    return bytes(readable)
