"""A protocol as a generator: it yields effects ("send this", "give me the next bytes") and events, and does no I/O.

A driver performs the effects and hands the events on; `Turn` is what every driver needs beside that. Flows are
plain synchronous code: they are tested by feeding them heads and bytes, without a socket and without a loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from remote_chatbots.answer import Answer, AnswerBuilder
from remote_chatbots.errors import BotError, BotTransportError, copy_of
from remote_chatbots.events import Event, Finished, Reasoning, TextDelta
from remote_chatbots.framing import Frame, Framer, too_large
from remote_chatbots.retry import RetryPolicy
from remote_chatbots.stopping import StopCutter
from remote_chatbots.wire import HttpRequest, ResponseHead

T = TypeVar("T")
ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_WAIT_S = 5.0
logger = logging.getLogger("remote_chatbots")


class Deadline:
    """A span of waiting that several reads share.

    Attributes:
        seconds: How long from its first use.
        at: The end, on the driver's clock; stamped by the driver at the first use.
    """

    __slots__ = ("at", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.at: float | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request; the outcome is the `ResponseHead`. A response that is still open is closed first."""

    request: HttpRequest


@dataclass(frozen=True, slots=True)
class Read:
    """Give the next bytes of the open response: b"" at the end of the body, None if the deadline passed first."""

    deadline: Deadline | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait; the outcome is None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Aside:
    """A whole small call beside the open response; the outcome is the pair (`ResponseHead`, body bytes)."""

    request: HttpRequest


Effect: TypeAlias = Send | Read | Sleep | Aside
Flow: TypeAlias = Generator[Effect | Event, Any, T]
EFFECTS: frozenset[type] = frozenset({Send, Read, Sleep, Aside})
READ = Read()


class Abandoned(BaseException):
    """Thrown into a flow whose caller left early. It may still perform effects, under one deadline; events are lost.

    No `Exception`, so that no flow takes it for an error to retry or to translate.
    """


class Turn:
    """A flow under way, as both drivers see it: what to do next, and what is known so far."""

    def __init__(self, flow: Flow[Any]) -> None:
        self._flow = flow
        self._builder = AnswerBuilder()
        self.over = False

    @property
    def answer(self) -> Answer:
        """The answer so far."""
        return self._builder.build()

    def resume(self, outcome: Any = None) -> Effect | Event | None:
        """Go on, with the outcome of the last effect; return the next effect or event, None when the flow is over.

        Args:
            outcome: What the effect gave; a `BotError` is raised inside the flow, at the effect that failed.

        Raises:
            BotError: What the flow makes of it, with the text and the ids so far.
        """
        if isinstance(outcome, BotError):
            return self._step(self._flow.throw, outcome)
        return self._step(self._flow.send, outcome)

    def abandon(self) -> Effect | Event | None:
        """Tell the flow that its caller left; return as `resume` does."""
        return self._step(self._flow.throw, Abandoned())

    def _step(self, go_on: Callable[[Any], Effect | Event], value: Any) -> Effect | Event | None:
        try:
            step = go_on(value)
        except (StopIteration, Abandoned):
            self.over = True
            return None
        except BotError as error:
            self.over = True
            known: dict[str, Any] = {
                name: value for name, value in self._builder.ids().items() if not getattr(error, name)
            }
            raise copy_of(error, partial_text=error.partial_text or self._builder.text, **known) from error.__cause__
        except BaseException:
            self.over = True
            raise
        if type(step) not in EFFECTS:
            self._builder.add(step)  # type: ignore[arg-type]
        return step


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
    """

    def __init__(
        self,
        framer: Framer,
        interpreter: Interpreter,
        *,
        stop: Iterable[str] = (),
        coalesce: bool = True,
        stop_wait_s: float = 1.5,
    ) -> None:
        self._framer = framer
        self._interpreter = interpreter
        self._cutter = StopCutter(stop)
        self._coalesce = coalesce
        self._stop_wait_s = stop_wait_s

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
        deadline: Deadline | None = None
        waits_s: float | None = None
        while True:
            try:
                chunk = yield Read(deadline) if deadline else READ
            except BotTransportError:
                if deadline is None:
                    raise
                break  # the turn is over, and whole: how its connection dies is nobody's concern
            if not chunk:
                break
            yield from self._meaning(self._framer.feed(chunk))
            if self._cutter.found and deadline is None:
                yield from self._stop_server()
                deadline = Deadline(self._stop_wait_s)
            now_s = self._interpreter.wait_s()
            if now_s is not None and now_s != waits_s:
                deadline, waits_s = Deadline(now_s), now_s
        yield from self._meaning(self._framer.close())

    def _meaning(self, frames: Iterable[Frame]) -> Generator[Event, None, None]:
        out: list[Event] = []
        broken: BotError | None = None
        try:
            for frame in frames:
                self._interpreter.take(frame, out)
        except BotError as error:
            broken = error  # what came whole before it in the same read is handed on first
        out = self._cutter.cut(out)
        yield from joined(out) if self._coalesce else out
        if broken is not None:
            raise broken

    def _closing(self) -> Iterable[Event]:
        if not self._cutter.found:
            return self._interpreter.closing()
        # The caller has all it asked for: how the server ended after it was told to stop changes nothing.
        try:
            events = list(self._interpreter.closing())
        except BotError:
            events = []
        return [*(event for event in events if type(event) is not Finished), Finished("stop")]

    def _stop_server(self) -> Flow[bool]:
        request = self._interpreter.stop_request()
        if request is None:
            return False
        try:
            head, _ = yield Aside(request)
        except BotError as error:
            logger.debug("The stop call failed: %s", error)
            return False
        return bool(head.status < 300)


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


def read_body(limit_bytes: int, platform: str, deadline: Deadline | None = None) -> Flow[bytes]:
    """Read the open response to its end, or to `deadline`; return its body.

    Raises:
        BotProtocolError: If the body is larger than `limit_bytes`.
        BotTransportError: If the body breaks off.
    """
    body = bytearray()
    while chunk := (yield Read(deadline)):
        body += chunk
        if len(body) > limit_bytes:
            raise too_large("the reply", limit_bytes, platform)
    return bytes(body)


def _refusal(head: ResponseHead, error_of: Callable[[ResponseHead, bytes], BotError]) -> Flow[BotError]:
    # The status says no already: a body that hangs, breaks off or never ends must not hide that.
    try:
        body = yield from read_body(ERROR_BODY_BYTES, "", Deadline(ERROR_BODY_WAIT_S))
    except BotError:
        body = b""
    return error_of(head, body)


def open_reply(
    request: HttpRequest,
    *,
    error_of: Callable[[ResponseHead, bytes], BotError],
    policy: RetryPolicy,
) -> Flow[ResponseHead]:
    """Send `request` until it is answered with a success, and return that head; its body is still to be read.

    Tried again is only what cannot have arrived, or what the platform put off.

    Args:
        request: The request.
        error_of: Makes an error of any other answer, from its head and body.
        policy: Says which errors may be tried again, and when.

    Raises:
        BotError: What the last try came to.
    """
    attempt = 0
    while True:
        try:
            head: ResponseHead = yield Send(request)
            if head.status < 300:
                return head
            raise (yield from _refusal(head, error_of))
        except BotError as error:
            delay_s = policy.delay_s(attempt, error)
            if delay_s is None:
                raise
        attempt += 1
        yield Sleep(delay_s)
