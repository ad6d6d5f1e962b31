"""What faults do to the frames of a GPTBots stream, and to how they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from .fault_events import all_but_last, first_of
from .fault_registry import FaultSet
from .faults import (
    DuplicateEnd,
    EndEarly,
    ErrorEvent,
    EventFault,
    HugeEvent,
    ReducedErrorEvent,
    TextAfterEnd,
    UnknownEvents,
)
from .gptbots_faults import EmptyOutput, Form, Framing, StringContent, WrappedError
from .gptbots_frames import END, Frame, error_frame, text_frame
from .gptbots_refusals import INTERNAL

Frames = Iterator[Frame]

_UNKNOWN, _WRAPPER = 999, -50000


def spoiled(faults: FaultSet, frames: Frames) -> Frames:
    """Return the frames of a turn as the faults, in their order, leave them."""
    for fault in faults.all(EventFault):
        edit = _EDITS.get(type(fault))
        if edit is not None:
            frames = edit(fault, frames)
    return frames


def other_form(faults: FaultSet, answer: dict[str, Any]) -> dict[str, Any]:
    """Return a blocking answer of v2 as the faults want it."""
    if faults.one(EmptyOutput):
        return {**answer, "output": []}
    if faults.one(StringContent):
        return {**answer, "output": [{**each, "content": each["content"]["text"]} for each in answer["output"]]}
    return answer


def writer(faults: FaultSet) -> Callable[[Frame], bytes]:
    """Return what writes a frame into the body; without a fault as public clients of v2 met it."""
    framing = faults.one(Framing)
    return _WRITERS[framing.form if framing else "sse-nospace"]


def _error(fault: ErrorEvent, frames: Frames) -> Frames:
    yield from first_of(fault.after_events, frames)
    yield error_frame(fault.code if isinstance(fault.code, int) else INTERNAL, fault.message)


def _reduced_error(fault: ReducedErrorEvent, frames: Frames) -> Frames:
    yield from first_of(fault.after_events, frames)
    yield {"code": INTERNAL}


def _wrapped_error(fault: WrappedError, frames: Frames) -> Frames:
    yield from first_of(fault.after_frames, frames)
    yield {**error_frame(_WRAPPER, fault.message), "payload": {"originalCode": fault.code}}


def _huge(fault: HugeEvent, frames: Frames) -> Frames:
    yield from first_of(fault.after_events, frames)
    yield text_frame("x" * fault.size_bytes)
    yield from frames


def _unknown(fault: UnknownEvents, frames: Frames) -> Frames:
    for number, frame in enumerate(frames, 1):
        yield {**frame, "componentId": number}
        if number % fault.every_events == 0:
            yield {"code": _UNKNOWN, "message": "TideTable", "data": {"high_water": ["04:12", "16:40"]}, "更多": None}


def _duplicate_end(_: DuplicateEnd, frames: Frames) -> Frames:
    for frame in frames:
        yield frame
        if frame["code"] == END:
            yield frame


def _text_after_end(fault: TextAfterEnd, frames: Frames) -> Frames:
    for frame in frames:
        yield frame
        if frame["code"] == END:
            yield text_frame(fault.text)


def _end_early(fault: EndEarly, frames: Frames) -> Frames:
    return all_but_last(fault.events, frames)


_EDITS: dict[type[EventFault], Callable[[Any, Frames], Frames]] = {
    ErrorEvent: _error,
    ReducedErrorEvent: _reduced_error,
    WrappedError: _wrapped_error,
    HugeEvent: _huge,
    UnknownEvents: _unknown,
    DuplicateEnd: _duplicate_end,
    TextAfterEnd: _text_after_end,
    EndEarly: _end_early,
}

_WRITERS: dict[Form, Callable[[Frame], bytes]] = {
    "sse": lambda frame: b"data: " + orjson.dumps(frame) + b"\n\n",
    "sse-nospace": lambda frame: b"data:" + orjson.dumps(frame) + b"\n\n",
    "ndjson": lambda frame: orjson.dumps(frame) + b"\n",
    "glued": orjson.dumps,
    "crlf": lambda frame: b"data: " + orjson.dumps(frame) + b"\r\n\r\n",
}
