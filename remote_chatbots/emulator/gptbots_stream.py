"""How the frames of a turn reach the client, paced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from aiohttp import web

from .fault_events import framed
from .fault_registry import FaultSet
from .faults import ReducedErrorEvent, WireFault
from .gptbots_faults import Stall
from .gptbots_frames import PACED, Frame
from .gptbots_spoiled import spoiled, writer
from .wire import Wire

# A model that does not wait between tokens still lets other turns have the loop.
_FRAMES_A_WRITE = 16


async def stream(request: web.Request, frames: Iterator[Frame], faults: FaultSet, token_s: float) -> web.StreamResponse:
    """Send frames until all are sent or the client has left.

    Args:
        request: What is answered.
        frames: What is to be sent.
        faults: What goes wrong.
        token_s: Seconds after each piece of text.
    """
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    wire = Wire(request, response, faults)
    bytes_of = framed(faults, writer(faults))
    stall, left_open = faults.one(Stall), faults.one(ReducedErrorEvent)
    # What a broken connection loses must not depend on how many frames wait for one write.
    frames_a_write = 1 if faults.all(WireFault) else _FRAMES_A_WRITE
    unsent: list[bytes] = []
    for number, frame in enumerate(spoiled(faults, frames)):
        silence_s = stall.for_s if stall and number == stall.after_frames else 0.0
        if silence_s:
            await wire.send(b"".join(unsent))
            unsent.clear()
            await wire.hold_open(silence_s)
        unsent.append(bytes_of(frame))
        pause_s = token_s if frame["code"] in PACED else 0.0
        if pause_s or len(unsent) == frames_a_write:
            await wire.send(b"".join(unsent))
            unsent.clear()
            await (wire.hold_open(pause_s) if pause_s else asyncio.sleep(0))
        if wire.is_gone:
            return response
    await wire.send(b"".join(unsent))
    await wire.finish()
    await wire.hold_open(left_open.open_s if left_open else 0.0)
    return response
