"""What can go wrong on the way to the client, as values. `Emulator.faults` decides when.

There are three sorts. An `AnswerFault` puts another answer in the place of the app's, an `EventFault` changes the
events of a stream, a `WireFault` changes the bytes of any answer, or when they come. Offsets count the bytes of the
body as they leave, after line ends and compression, without HTTP's chunk marks. What comes after so many events comes
after the last one if there are fewer.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

# No client waits so long; the emulator ends every wait when it stops, and when the client has left.
FOR_EVER_S = 86_400.0
TEN_MB = 10 * 1024 * 1024


class Fault:
    """Anything that can be told to `Emulator.faults`."""

    __slots__ = ()


class AnswerFault(Fault):
    """Another answer; except for `JsonAnswer`, the app is not asked at all."""

    __slots__ = ()


class EventFault(Fault):
    """Other events; without effect on an answer that is no stream. Pings are no events."""

    __slots__ = ()


class WireFault(Fault):
    """Other bytes, or the same at another time."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ErrorAt200(AnswerFault):
    """HTTP 200 with the JSON of an error; GPTBots numbers its codes, and says 50000 in the place of a name."""

    code: str | int = "internal_server_error"
    message: str = "Internal Server Error, please contact support."
    status: int = 500


@dataclass(frozen=True, slots=True)
class HtmlPage(AnswerFault):
    """A web page, as proxies (502, 504) and captive portals (200) send it."""

    status: int = 200

    def __post_init__(self) -> None:
        if self.status != 200 and not 400 <= self.status <= 599:
            raise ValueError(f"status must be 200 or from 400 to 599, not {self.status!r}")


@dataclass(frozen=True, slots=True)
class TooManyRequests(AnswerFault):
    """HTTP 429 in the platform's JSON.

    Attributes:
        retry_after_s: What the header Retry-After says, in seconds; `None` leaves it out, as Dify does.
        as_date: Whether it says so as an HTTP date.
    """

    retry_after_s: int | None = None
    as_date: bool = False

    def __post_init__(self) -> None:
        _check_retry_after(self.retry_after_s, self.as_date)


@dataclass(frozen=True, slots=True)
class Unavailable(AnswerFault):
    """HTTP 503 with a proxy's web page.

    Attributes:
        retry_after_s: What the header Retry-After says, in seconds; `None` leaves it out.
        as_date: Whether it says so as an HTTP date.
    """

    retry_after_s: int | None = None
    as_date: bool = False

    def __post_init__(self) -> None:
        _check_retry_after(self.retry_after_s, self.as_date)


@dataclass(frozen=True, slots=True)
class JsonAnswer(AnswerFault):
    """The whole answer as one JSON object, although a stream was asked for."""


@dataclass(frozen=True, slots=True)
class ErrorEvent(EventFault):
    """A full `error` event after so many events; then the body ends, and the turn has failed.

    GPTBots sends a frame that is an error body, with 50000 in the place of a code that is no number, and keeps the
    answer in its history.
    """

    after_events: int = 1
    code: str | int = "completion_request_error"
    message: str = "[models] Server Unavailable Error, overloaded"
    status: int = 400

    def __post_init__(self) -> None:
        at_least("after_events", self.after_events, 0)


@dataclass(frozen=True, slots=True)
class ReducedErrorEvent(EventFault):
    """An `error` event without code and ids after so many events; then nothing comes, and the body stays open.

    Attributes:
        open_s: How long it stays open, in seconds.
    """

    after_events: int = 0
    message: str = "Run failed: internal error"
    status: int = 500
    open_s: float = FOR_EVER_S

    def __post_init__(self) -> None:
        at_least("after_events", self.after_events, 0)
        at_least("open_s", self.open_s, 0)


@dataclass(frozen=True, slots=True)
class HugeEvent(EventFault):
    """One more piece of text, so long that its event has at least so many bytes."""

    size_bytes: int = TEN_MB
    after_events: int = 1

    def __post_init__(self) -> None:
        at_least("size_bytes", self.size_bytes, 1)
        at_least("after_events", self.after_events, 0)


@dataclass(frozen=True, slots=True)
class UnknownEvents(EventFault):
    """An event that the platform does not have after every so many events."""

    every_events: int = 1

    def __post_init__(self) -> None:
        at_least("every_events", self.every_events, 1)


@dataclass(frozen=True, slots=True)
class DuplicateEnd(EventFault):
    """The last event, Dify's `message_end`, twice."""


@dataclass(frozen=True, slots=True)
class TextAfterEnd(EventFault):
    """One more piece of text right after the end."""

    text: str = " And one thing more."


@dataclass(frozen=True, slots=True)
class EndEarly(EventFault):
    """A polite end without the last event or events; each event comes as many events later as are left out."""

    events: int = 1

    def __post_init__(self) -> None:
        at_least("events", self.events, 1)


@dataclass(frozen=True, slots=True)
class ExtraPings(EventFault):
    """A ping after every so many events."""

    every_events: int = 1

    def __post_init__(self) -> None:
        at_least("every_events", self.every_events, 1)


@dataclass(frozen=True, slots=True)
class CommentLines(EventFault):
    """A comment line right before every so-many-th event, as proxies send it."""

    every_events: int = 1
    text: str = "keep-alive"

    def __post_init__(self) -> None:
        at_least("every_events", self.every_events, 1)
        if self.text and self.text.splitlines() != [self.text]:
            raise ValueError(f"text must be one line, not {self.text!r}")


@dataclass(frozen=True, slots=True)
class Cut(WireFault):
    """The connection is closed after so many bytes of the body; if it has fewer, nothing happens."""

    after_bytes: int = 0

    def __post_init__(self) -> None:
        at_least("after_bytes", self.after_bytes, 0)


@dataclass(frozen=True, slots=True)
class Reset(WireFault):
    """The connection is reset (TCP RST) after so many bytes of the body; if it has fewer, nothing happens."""

    after_bytes: int = 0

    def __post_init__(self) -> None:
        at_least("after_bytes", self.after_bytes, 0)


@dataclass(frozen=True, slots=True)
class Hang(WireFault):
    """Silence after so many bytes of the body; then it goes on.

    Attributes:
        after_bytes: 0 is after the head, before the first byte of the body.
        before_head: Whether the silence comes before anything is sent.
        for_s: How long it lasts, in seconds.
    """

    after_bytes: int = 0
    before_head: bool = False
    for_s: float = FOR_EVER_S

    def __post_init__(self) -> None:
        at_least("after_bytes", self.after_bytes, 0)
        at_least("for_s", self.for_s, 0)
        if self.before_head and self.after_bytes:
            raise ValueError("before_head and after_bytes exclude each other")


@dataclass(frozen=True, slots=True)
class Trickle(WireFault):
    """At most so many bytes a write, and a delay after each.

    Attributes:
        size_bytes: How many bytes a write has at most.
        delay_s: How long nothing comes after it, in seconds.
    """

    size_bytes: int = 16
    delay_s: float = 0.001

    def __post_init__(self) -> None:
        at_least("size_bytes", self.size_bytes, 1)
        at_least("delay_s", self.delay_s, 0)


@dataclass(frozen=True, slots=True)
class Glue(WireFault):
    """The whole body in one write, when the last event is there."""


@dataclass(frozen=True, slots=True)
class CrLf(WireFault):
    """CR LF where LF was."""


@dataclass(frozen=True, slots=True)
class SplitCharacters(WireFault):
    """Every character of more than one byte is split between two writes.

    Only 1.14 writes such characters; older ages escape them.
    """


@dataclass(frozen=True, slots=True)
class OneByteWrites(WireFault):
    """One byte a write."""


@dataclass(frozen=True, slots=True)
class Gzip(WireFault):
    """A compressed body, whatever the client accepts; each write can be decompressed when it arrives."""


@dataclass(frozen=True, slots=True)
class WrongCharset(WireFault):
    """A Content-Type that names another charset than the body's, which stays UTF-8."""

    charset: str = "iso-8859-1"

    def __post_init__(self) -> None:
        try:
            codecs.lookup(self.charset)
        except LookupError:
            raise ValueError(f"charset must be one that Python knows, not {self.charset!r}") from None


def at_least(name: str, value: float, least: int) -> None:
    """Refuse a number that is too small.

    Raises:
        ValueError: It is.
    """
    if not value >= least:
        raise ValueError(f"{name} must be at least {least}, not {value!r}")


def _check_retry_after(retry_after_s: int | None, as_date: bool) -> None:
    if retry_after_s is None:
        if as_date:
            raise ValueError("as_date needs retry_after_s")
    else:
        at_least("retry_after_s", retry_after_s, 0)
