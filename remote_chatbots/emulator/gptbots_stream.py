"""How the frames of a turn reach the client: paced, and written the way the wire has them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import orjson
from aiohttp import web

from .fault_events import framed
from .fault_registry import FaultSet
from .faults import WireFault
from .gptbots_frames import PACED, Frame
from .wire import POLL_S, Wire

# A model that does not wait between tokens still lets other turns have the loop.
_FRAMES_A_WRITE = 16


def sse_nospace(frame: Frame) -> bytes:
    """Write a frame as it was seen on the wire (public clients of v2)."""
    return b"data:" + orjson.dumps(frame) + b"\n\n"


async def stream(request: web.Request, frames: Iterator[Frame], faults: FaultSet, token_s: float) -> web.StreamResponse:
    """Send frames until all are sent or the client has left.

    Args:
        request: What is answered.
        frames: What is to be sent.
        faults: What goes wrong with the bytes.
        token_s: Seconds after each piece of text.
    """
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    wire = Wire(request, response, faults)
    bytes_of = framed(faults, sse_nospace)
    # What a broken connection loses must not depend on how many frames wait for one write.
    frames_a_write = 1 if faults.all(WireFault) else _FRAMES_A_WRITE
    unsent: list[bytes] = []
    for frame in frames:
        unsent.append(bytes_of(frame))
        pause_s = token_s if frame["code"] in PACED else 0.0
        if pause_s or len(unsent) == frames_a_write:
            await wire.send(b"".join(unsent))
            unsent.clear()
            await _pause(wire, pause_s)
        if wire.is_gone:
            return response
    await wire.send(b"".join(unsent))
    await wire.finish()
    return response


async def _pause(wire: Wire, seconds: float) -> None:
    if seconds > POLL_S:
        await wire.hold_open(seconds)
    else:
        await asyncio.sleep(seconds)
