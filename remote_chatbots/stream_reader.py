"""Reading one stream: the loop, and beside it how long it may wait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from typing import Protocol

from remote_chatbots.errors import BotError, BotTransportError
from remote_chatbots.events import Event, Finished, Reasoning, TextDelta
from remote_chatbots.flow import READ, Aside, Deadline, Flow, Read
from remote_chatbots.framing import Frame, Framer
from remote_chatbots.stopping import StopCutter
from remote_chatbots.wire import HttpRequest

logger = logging.getLogger("remote_chatbots")


class Interpreter(Protocol):
    """What a platform makes of the frames of one turn: the decisions beside the read loop."""

    def take(self, frame: Frame, out: list[Event]) -> None:
        """Append to `out` the events that `frame` means."""

    def wait_s(self) -> float | None:
        """Return how much longer to read, in seconds; None as long as the turn is not over."""

    def closing(self) -> Iterable[Event]:
        """Yield the turn's last events, once no more frames come.

        Raises:
            BotError: If the turn failed, or its last event never came.
        """

    def stop_request(self) -> HttpRequest | None:
        """Return the request that tells the server to stop this turn; None if it cannot be told (yet)."""


class StreamReader:
    """Reads one stream to its end, or, when its caller leaves, to where it may be left.

    Args:
        framer: Cuts the body into frames.
        interpreter: Knows what the frames mean and when the turn is over.
        stop: Sequences before which the answer ends.
        coalesce: Join pieces of text that arrived in one read.
        stop_wait_s: How long to wait for the turn's end after telling the server to stop.
        after_silence_s: How much silence at the start of the stream is looked into.
        look_into: The flow that does; it raises if there is nothing to wait for.
    """

    def __init__(
        self,
        framer: Framer,
        interpreter: Interpreter,
        *,
        stop: Iterable[str] = (),
        coalesce: bool = True,
        stop_wait_s: float = 1.5,
        after_silence_s: float = 5.0,
        look_into: Callable[[], Flow[None]] | None = None,
    ) -> None:
        self._framer = framer
        self._interpreter = interpreter
        self._cutter = StopCutter(stop)
        self._coalesce = coalesce
        self._stop_wait_s = stop_wait_s
        self._after_silence_s = after_silence_s
        self._look_into = look_into

    def events(self) -> Flow[None]:
        """Yield the turn's events while its bytes arrive.

        Raises:
            BotError: As the interpreter says, or as the driver reports while the turn is not over.
        """
        try:
            yield from self._read_to_the_end()
        except BotError:
            yield from self._cutter.rest()  # said before it broke off
            raise
        yield from self._cutter.rest()
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
        patience = _Patience(self._after_silence_s if self._look_into else None)
        while True:
            try:
                chunk = yield Read(patience.deadline)
            except BotTransportError:
                if not patience.over:
                    raise
                break  # the turn is over, and whole: how its connection dies is nobody's concern
            if chunk is None and patience.beginning and self._look_into is not None:
                patience.begin()
                yield from self._look_into()
                continue
            if not chunk:
                break
            heard = yield from self._meaning(self._framer.feed(chunk))
            patience.go_on(heard, self._interpreter.wait_s())
            if self._cutter.found and not patience.over:
                yield from self._stop_server()
                patience.end_within(self._stop_wait_s)
        yield from self._meaning(self._framer.close())

    def _meaning(self, frames: Iterable[Frame]) -> Generator[Event, None, bool]:
        """Yield what `frames` mean; return whether there were any (a ping is none)."""
        out: list[Event] = []
        broken: BotError | None = None
        heard = False
        try:
            for frame in frames:
                heard = True
                self._interpreter.take(frame, out)
        except BotError as error:
            broken = error  # what came whole before it in the same read is handed on first
        out = self._cutter.cut(out)
        yield from joined(out) if self._coalesce else out
        complete = self._cutter.found or self._interpreter.wait_s() is not None
        if broken is not None and not complete:
            raise broken
        return heard

    def _closing(self) -> Iterable[Event]:
        if not self._cutter.found:
            return self._interpreter.closing()
        # The caller has all it asked for: how the server ended after it was told to stop changes nothing.
        try:
            events = list(self._interpreter.closing())
        except BotError:
            events = []
        metadata = next((event.metadata for event in events if isinstance(event, Finished)), {})
        return [*(event for event in events if not isinstance(event, Finished)), Finished("stop", metadata)]

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
    """

    def __init__(self, after_silence_s: float | None) -> None:
        self.beginning = after_silence_s is not None
        self.deadline = None if after_silence_s is None else Deadline(after_silence_s)
        self.over = False
        self._wait_s: float | None = None

    def begin(self) -> None:
        self.beginning, self.deadline = False, None

    def go_on(self, heard: bool, wait_s: float | None) -> None:
        if heard and self.beginning:
            self.begin()
        if wait_s is not None and wait_s != self._wait_s:
            self._wait_s = wait_s
            self.end_within(wait_s)

    def end_within(self, seconds: float) -> None:
        self.over, self.deadline = True, Deadline(seconds)


def joined(events: list[Event]) -> list[Event]:
    """Return `events` with neighbouring pieces of one kind of text made one.

    What lies complete in one read has arrived anyway, so no piece is later for it.
    """
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
