"""Reading one stream: the loop, and beside it how long it may wait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Protocol

from remote_chatbots.errors import BotError, BotProtocolError, BotTransportError
from remote_chatbots.events import Event, Finished, Reasoning, TextDelta
from remote_chatbots.flow import EFFECTS, MISREAD, READ, Aside, Deadline, Effect, Flow, Read
from remote_chatbots.framing import Frame, Framer
from remote_chatbots.steps import StepsLeftOut
from remote_chatbots.stopping import StopCutter
from remote_chatbots.thinking import ThinkSplitter
from remote_chatbots.wire import HttpRequest

_BROKEN = (BotError, *MISREAD)
logger = logging.getLogger("remote_chatbots")


class Interpreter(Protocol):
    """What a platform makes of the frames of one turn: the decisions beside the read loop.

    One that has a `take_all(frames, out, *, join)` as well is given the frames of a read at once, so that it can be
    quick about the event that comes by the thousand; with `join` it may make neighbouring pieces of text one.
    """

    def take(self, frame: Frame, out: list[Event]) -> None:
        """Append to `out` the events that `frame` means.

        Raises:
            BotError: If it means one. Where it has another form than is read here, Python's own error will do
                (`ValueError`, `LookupError`, `TypeError`, `AttributeError`): it becomes a `BotProtocolError`.
        """

    def wait_s(self) -> float | None:
        """Return how much longer to read, in seconds; None as long as the turn is not over."""

    def closing(self) -> Flow[None]:
        """Yield the turn's last events, once no more frames come; it may ask the server for what they lack.

        Raises:
            BotError: If the turn failed, or its last event never came.
        """

    def stop_request(self) -> HttpRequest | None:
        """Return the request that tells the server to stop this turn; None if it cannot be told (yet)."""


class Wishes(Protocol):
    """What a caller wants of a turn: a `Question` says it, and what goes on with one."""

    @property
    def stop(self) -> Sequence[str]:
        """The answer ends before the first of these."""

    @property
    def reasoning(self) -> bool:
        """Whether thoughts are told apart."""

    @property
    def steps(self) -> bool:
        """Whether steps are told."""

    @property
    def coalesce(self) -> bool:
        """Whether pieces of text that arrived in one read are joined."""


class EventFilter(Protocol):
    """What changes events on their way to the caller, and may hold some of them back."""

    def cut(self, events: list[Event]) -> list[Event]:
        """Return what the caller gets of `events`."""

    def rest(self) -> list[Event]:
        """Return what was held back, once no more can come."""


def wished(wishes: Wishes) -> list[EventFilter]:
    """Return what tells apart, or leaves out, what its caller wants so."""
    filters: list[EventFilter] = []
    if wishes.reasoning:
        filters.append(ThinkSplitter())
    if not wishes.steps:
        filters.append(StepsLeftOut())
    return filters


class StreamReader:
    """Reads one stream to its end, or, when its caller leaves, to where it may be left.

    Args:
        framer: Cuts the body into frames.
        interpreter: Knows what the frames mean and when the turn is over.
        wishes: What the caller wants of the turn: the question.
        filters: What else changes the events on their way, before the stop sequences are looked for.
        stop_wait_s: How long to wait for the turn's end after telling the server to stop.
        after_silence_s: How much silence at the start of the stream is looked into; None: none is.
        look_into: The flow that does; it raises if there is nothing to wait for.
    """

    def __init__(
        self,
        framer: Framer,
        interpreter: Interpreter,
        wishes: Wishes,
        *,
        filters: Iterable[EventFilter] = (),
        stop_wait_s: float,
        after_silence_s: float | None = None,
        look_into: Callable[[], Flow[None]] | None = None,
    ) -> None:
        self._framer = framer
        self._interpreter = interpreter
        self._take_all: Callable[..., None] = getattr(interpreter, "take_all", self._one_by_one)
        self._filters: list[EventFilter] = [*wished(wishes), *filters]
        self._cutter = StopCutter(wishes.stop) if wishes.stop else None
        if self._cutter is not None:
            self._filters.append(self._cutter)
        self._coalesce = wishes.coalesce
        self._stop_wait_s = stop_wait_s
        self._patience = _Patience(after_silence_s, look_into)

    def events(self) -> Flow[None]:
        """Yield the turn's events while its bytes arrive.

        Raises:
            BotError: As the interpreter says, or as the driver reports while the turn is not over.
        """
        try:
            yield from self._read_to_the_end()
            yield from self._closing()
        except _BROKEN:
            yield from self._rest()  # said before it broke off
            raise

    def whole(self, events: list[Event]) -> Flow[None]:
        """Yield the events of an answer that came in one piece, and the turn's last.

        Raises:
            BotError: As the interpreter says.
        """
        yield from joined(self._filtered(events))
        yield from self._closing()

    def leave(self) -> Flow[None]:
        """Tell the server to stop and read on to the turn's end: only so does it keep the text so far.

        Closing without this leaves an empty answer in the history for good (found on Dify 0.15.3 and 1.14.2).
        """
        if self._interpreter.wait_s() is not None or not (yield from self._stop_server()):
            return
        while self._interpreter.wait_s() is None:
            chunk = yield READ
            if not chunk:
                return
            for frame in self._framer.feed(chunk):
                self._interpreter.take(frame, [])

    def _read_to_the_end(self) -> Flow[None]:
        patience, cutter = self._patience, self._cutter
        while True:
            try:
                chunk = yield patience.read
            except (BotTransportError, BotProtocolError):
                if not patience.over:
                    raise
                break  # the turn is over, and whole: how its connection dies is nobody's concern
            if chunk is None and patience.look_into is not None:
                yield from patience.begin()
                continue
            if not chunk:
                break
            yield from self._meaning(patience.heard(self._framer.feed(chunk)))
            if (wait_s := self._interpreter.wait_s()) is not None:
                patience.go_on(wait_s)
            if cutter is not None and cutter.found and not patience.over:
                yield from self._stop_server()
                patience.end_within(self._stop_wait_s)
        yield from self._meaning(self._framer.close())

    def _meaning(self, frames: Iterable[Frame]) -> Iterator[Event]:
        out: list[Event] = []
        broken: Exception | None = None
        try:
            self._take_all(frames, out, join=self._coalesce)
        except _BROKEN as error:
            broken = error  # what came whole before it in the same read is handed on first
        out = self._filtered(out)
        yield from joined(out) if self._coalesce else out
        if broken is not None and not self._cut() and self._interpreter.wait_s() is None:
            raise broken

    def _cut(self) -> bool:
        """Return whether the caller has all it asked for: a stop sequence was found."""
        return self._cutter is not None and self._cutter.found

    def _one_by_one(self, frames: Iterable[Frame], out: list[Event], *, join: bool) -> None:  # noqa: ARG002
        for frame in frames:
            self._interpreter.take(frame, out)

    def _closing(self) -> Flow[None]:
        flow = self._interpreter.closing()
        finished = Finished()
        go_on: Callable[[], Effect | Event] = partial(flow.send, None)
        while True:
            try:
                step = go_on()
            except StopIteration:
                break
            except _BROKEN:
                # A caller that has all it asked for: how the server ended after it was told to stop changes nothing.
                if not self._cut():
                    raise
                break
            go_on = partial(flow.send, None)
            if type(step) in EFFECTS:
                try:
                    go_on = partial(flow.send, (yield step))
                except BotError as error:  # the flow's own affair: it may try again, or do without
                    go_on = partial(flow.throw, error)
            elif isinstance(step, Finished):
                finished = step
            else:
                yield from self._filtered([step])  # type: ignore[list-item]  # no effect, so an event
        yield from joined(self._rest())
        yield Finished("stop", finished.metadata) if self._cut() else finished

    def _filtered(self, events: list[Event]) -> list[Event]:
        for each in self._filters:
            events = each.cut(events)
        return events

    def _rest(self) -> list[Event]:
        """Return what the filters held back: what one gives, those behind it may hold again."""
        events: list[Event] = []
        for each in self._filters:
            events = [*each.cut(events), *each.rest()]
        return events

    def _stop_server(self) -> Flow[bool]:
        request = self._interpreter.stop_request()
        if request is None:
            return False
        try:
            head, _ = yield Aside(request, self._stop_wait_s)
        except BotError as error:
            logger.debug("The stop call failed: %s", error)
            return False
        return bool(head.status < 300)


class _Patience:
    """How long the next read may take.

    At first for as long as a silent beginning is not looked into; then without end; once the turn is over, for what
    may still come.

    Attributes:
        read: The next read.
        look_into: What looks into the silence of the beginning; None once that is over, or if nothing does.
        over: Whether the turn is.
    """

    def __init__(self, after_silence_s: float | None, look_into: Callable[[], Flow[None]] | None) -> None:
        self.look_into: Callable[[], Flow[None]] | None = None
        self.read = READ
        if after_silence_s is not None and look_into is not None:
            self.look_into, self.read = look_into, Read(Deadline(after_silence_s, pauses=True))
        self.over = False
        self._wait_s: float | None = None

    def heard(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Return `frames`; with the first one the beginning is over (a ping is none)."""
        if self.look_into is not None and (first := next(frames, None)) is not None:
            self.look_into, self.read = None, READ
            return chain((first,), frames)
        return frames

    def begin(self) -> Flow[None]:
        """Look into the silence of the beginning, once."""
        assert self.look_into is not None
        look_into, self.look_into, self.read = self.look_into, None, READ
        return look_into()

    def go_on(self, wait_s: float) -> None:
        if wait_s != self._wait_s:
            self._wait_s = wait_s
            self.end_within(wait_s)

    def end_within(self, seconds: float) -> None:
        self.over, self.read = True, Read(Deadline(seconds))


def joined(events: list[Event]) -> list[Event]:
    """Return `events` with neighbouring pieces of one kind of text made one.

    What lies complete in one read has arrived anyway, so no piece is later for it.
    """
    if len(events) < 2:
        return events
    result: list[Event] = []
    pieces: list[str] = []
    kind: type[TextDelta | Reasoning] | None = None
    for event in events:
        if kind is not None and type(event) is kind:
            pieces.append(event.text)
            continue
        if kind is not None:
            result.append(kind("".join(pieces)))
            kind = None
        if type(event) is TextDelta or type(event) is Reasoning:
            kind, pieces = type(event), [event.text]
        else:
            result.append(event)
    if kind is not None:
        result.append(kind("".join(pieces)))
    return result
