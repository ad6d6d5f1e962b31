"""The one way by which a body leaves, whole or damaged."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from aiohttp import hdrs, web

from .fault_registry import FaultSet
from .faults import (
    CrLf,
    Cut,
    Glue,
    Gzip,
    Hang,
    OneByteWrites,
    Reset,
    SplitCharacters,
    Trickle,
    WireFault,
    WrongCharset,
)

# How often a wait looks whether it has become pointless.
POLL_S = 0.1

_GZIP_WBITS = 31
# Closing a socket that lingers for no time resets its connection.
_NO_LINGER = struct.pack("ii", 1, 0)
_INSIDE_CHARACTER = re.compile(rb"(?<=[\xc2-\xf4])(?=[\x80-\xbf])")


class Wire:
    """Sends one body."""

    def __init__(self, request: web.Request, response: web.StreamResponse, faults: FaultSet) -> None:
        """Prepare, but send nothing: the head comes with the first byte of the body.

        Args:
            request: What is answered.
            response: The answer's head; it is changed where a fault says so.
            faults: What goes wrong.
        """
        self.response = response
        self._request = request
        self._broken = False
        self._sent_bytes = 0
        self._glued: list[bytes] | None = [] if faults.one(Glue) else None
        self._cr_lf = faults.one(CrLf) is not None
        self._compressor = zlib.compressobj(wbits=_GZIP_WBITS) if faults.one(Gzip) else None
        self._cutters, self._delay_s = _cutters(faults)
        self._stops: list[Cut | Reset | Hang] = sorted(
            (*faults.all(Hang), *faults.all(Cut), *faults.all(Reset)), key=_place
        )
        _change_head(response, faults)

    @property
    def is_gone(self) -> bool:
        """Whether the connection is closed, by whomever."""
        transport = self._request.transport
        return self._broken or transport is None or transport.is_closing()

    async def send(self, chunk: bytes) -> None:
        """Send a part of the body."""
        if self._glued is not None:
            self._glued.append(chunk)
        else:
            await self._deliver(self._encoded(chunk))

    async def finish(self) -> None:
        """Send what was held back; nothing may be sent after it."""
        rest = self._encoded(b"".join(self._glued or ())) + self._encoded_end()
        if rest:
            await self._deliver(rest)

    async def send_whole(self, body: bytes) -> None:
        """Send a body of known length."""
        encoded = self._encoded(body) + self._encoded_end()
        self.response.content_length = len(encoded)
        await self._deliver(encoded)

    async def hold_open(self, seconds: float) -> None:
        """Send nothing for so long, or until the client has left."""
        while seconds > 0 and not self.is_gone:
            await asyncio.sleep(min(seconds, POLL_S))
            seconds -= POLL_S

    def _encoded(self, chunk: bytes) -> bytes:
        if self._cr_lf:
            chunk = chunk.replace(b"\n", b"\r\n")
        if self._compressor and chunk:
            chunk = self._compressor.compress(chunk) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        return chunk

    def _encoded_end(self) -> bytes:
        return self._compressor.flush() if self._compressor else b""

    async def _deliver(self, chunk: bytes) -> None:
        if not self._cutters and not self._stops:
            await self._write(chunk)
            return
        pieces: Iterator[bytes] = iter((chunk,))
        for cutter in self._cutters:
            pieces = chain.from_iterable(map(cutter, pieces))
        for piece in pieces:
            await self._write_up_to_stops(piece)
            await asyncio.sleep(self._delay_s)
            if self.is_gone:
                return

    async def _write_up_to_stops(self, piece: bytes) -> None:
        while self._stops and _place(self._stops[0])[0] <= self._sent_bytes + len(piece):
            stop = self._stops.pop(0)
            until = max(_place(stop)[0] - self._sent_bytes, 0)
            head, piece = piece[:until], piece[until:]
            await self._write(head)
            await self._stop(stop)
        await self._write(piece)

    async def _stop(self, stop: Cut | Reset | Hang) -> None:
        if isinstance(stop, Hang):
            if not stop.before_head:
                await self._send_head()
            await self.hold_open(stop.for_s)
            return
        await self._send_head()
        if not self.is_gone and isinstance(stop, Reset):
            await self._reset()
        elif self._request.transport is not None:
            self._request.transport.close()
        self._broken = True

    async def _reset(self) -> None:
        transport = self._request.transport
        assert transport is not None
        # What is still in the buffer would be lost with the connection.
        while transport.get_write_buffer_size() and not self.is_gone:
            await asyncio.sleep(POLL_S / 10)
        if not self.is_gone:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()

    async def _send_head(self) -> None:
        if self.is_gone or self.response.prepared:
            return
        try:
            await self.response.prepare(self._request)
        except ConnectionError:
            self._broken = True

    async def _write(self, chunk: bytes) -> None:
        if not chunk:
            return
        await self._send_head()
        if self.is_gone:
            return
        try:
            await self.response.write(chunk)
        except ConnectionError:
            self._broken = True
        self._sent_bytes += len(chunk)


async def send_whole(request: web.Request, response: web.Response, faults: FaultSet) -> web.StreamResponse:
    """Send an answer that is no stream the way the faults want it; without a fault of the wire, leave it alone."""
    if not faults.all(WireFault):
        return response
    body = response.body
    assert isinstance(body, bytes)
    damaged = web.StreamResponse(status=response.status, reason=response.reason, headers=response.headers)
    await Wire(request, damaged, faults).send_whole(body)
    return damaged


def _place(stop: Cut | Reset | Hang) -> tuple[int, int]:
    """Return where in the body something happens; in one place first the waits, then the end."""
    if isinstance(stop, Hang):
        return (-1 if stop.before_head else stop.after_bytes, 0)
    return (stop.after_bytes, 1)


def _cutters(faults: FaultSet) -> tuple[Sequence[Callable[[bytes], Iterator[bytes]]], float]:
    """Return what cuts a chunk into writes, and how long to wait after each, in seconds."""
    cutters: list[Callable[[bytes], Iterator[bytes]]] = []
    delay_s = 0.0
    if faults.one(SplitCharacters):
        cutters.append(_inside_characters)
    if trickle := faults.one(Trickle):
        cutters.append(_of_size(trickle.size_bytes))
        delay_s = trickle.delay_s
    if faults.one(OneByteWrites):
        cutters.append(_of_size(1))
    return cutters, delay_s


def _of_size(size_bytes: int) -> Callable[[bytes], Iterator[bytes]]:
    return lambda chunk: (chunk[at : at + size_bytes] for at in range(0, len(chunk), size_bytes))


def _inside_characters(chunk: bytes) -> Iterator[bytes]:
    begin = 0
    for match in _INSIDE_CHARACTER.finditer(chunk):
        yield chunk[begin : match.start()]
        begin = match.start()
    yield chunk[begin:]


def _change_head(response: web.StreamResponse, faults: FaultSet) -> None:
    if faults.one(Gzip):
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    if wrong := faults.one(WrongCharset):
        kind = response.headers[hdrs.CONTENT_TYPE].partition(";")[0]
        response.headers[hdrs.CONTENT_TYPE] = f"{kind}; charset={wrong.charset}"
