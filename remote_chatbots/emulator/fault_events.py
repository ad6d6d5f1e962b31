"""What faults do to the events of a stream, and between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from .dialect import Event, envelope, error_event
from .dify_events import TEXT_EVENTS, text_event
from .encoding import PING
from .fault_registry import FaultSet
from .faults import (
    CommentLines,
    DuplicateEnd,
    EndEarly,
    ErrorEvent,
    EventFault,
    ExtraPings,
    HugeEvent,
    ReducedErrorEvent,
    TextAfterEnd,
    UnknownEvents,
)
from .turn import Turn

Events = Iterator[Event]


def spoiled(faults: FaultSet, turn: Turn, events: Events) -> Events:
    """Return the events of a turn as the faults, in their order, leave them."""
    for fault in faults.all(EventFault):
        edit = _EDITS.get(type(fault))
        if edit is not None:
            events = edit(fault, turn, events)
    return events


def framed(faults: FaultSet, event_bytes: Callable[[Event], bytes]) -> Callable[[Event], bytes]:
    """Return what writes an event together with the pings and comments that belong to it."""
    ping, comment = faults.one(ExtraPings), faults.one(CommentLines)
    if ping is None and comment is None:
        return event_bytes
    numbers = count(1)

    def write(event: Event) -> bytes:
        body = event_bytes(event)
        if not body:
            return body
        number = next(numbers)
        before = f": {comment.text}\n".encode() if comment and number % comment.every_events == 0 else b""
        after = PING if ping and number % ping.every_events == 0 else b""
        return before + body + after

    return write


def _error(fault: ErrorEvent, turn: Turn, events: Events) -> Events:
    yield from first_of(fault.after_events, events)
    turn.keep_error(fault.message)
    yield error_event(turn, str(fault.code), fault.message, status=fault.status)


def _reduced_error(fault: ReducedErrorEvent, turn: Turn, events: Events) -> Events:
    yield from first_of(fault.after_events, events)
    turn.keep_error(fault.message)
    yield {"event": "error", "message": fault.message, "status": fault.status}


def first_of(number: int, events: Events) -> Events:
    """Yield so many events, fewer if there are fewer."""
    # Not one more is asked for: the answer must not be stored on the way to an event that nobody gets.
    for _ in range(number):
        event = next(events, None)
        if event is None:
            return
        yield event


def _huge(fault: HugeEvent, turn: Turn, events: Events) -> Events:
    kind = "agent_message" if turn.app.mode == "agent-chat" else "message"
    huge = text_event(turn, kind, "x" * fault.size_bytes)
    yield from first_of(fault.after_events, events)
    yield huge
    yield from events


def _unknown(fault: UnknownEvents, turn: Turn, events: Events) -> Events:
    for number, event in enumerate(events, 1):
        yield event
        if number % fault.every_events == 0:
            yield envelope(
                turn, "tide_table", id=turn.message.id, data={"high_water": ["04:12", "16:40"], "更多": None}
            )


def _duplicate_end(_: DuplicateEnd, __: Turn, events: Events) -> Events:
    for event in events:
        yield event
        if event["event"] == "message_end":
            yield event


def _text_after_end(fault: TextAfterEnd, turn: Turn, events: Events) -> Events:
    kind = "message"
    for event in events:
        yield event
        if event["event"] in TEXT_EVENTS:
            kind = event["event"]
        elif event["event"] == "message_end":
            yield text_event(turn, kind, fault.text)


def all_but_last(number: int, events: Events) -> Events:
    """Yield the events but for so many at the end, each that much later."""
    held: deque[Event] = deque()
    for event in events:
        held.append(event)
        if len(held) > number:
            yield held.popleft()


def _end_early(fault: EndEarly, _: Turn, events: Events) -> Events:
    return all_but_last(fault.events, events)


_EDITS: dict[type[EventFault], Callable[[Any, Turn, Events], Events]] = {
    ErrorEvent: _error,
    ReducedErrorEvent: _reduced_error,
    HugeEvent: _huge,
    UnknownEvents: _unknown,
    DuplicateEnd: _duplicate_end,
    TextAfterEnd: _text_after_end,
    EndEarly: _end_early,
}
