"""A protocol as a generator: it yields effects ("send this", "give me the next bytes") and events, and does no I/O.

A driver performs the effects and hands the events on; `Turn` is what every driver needs beside that. Flows are
plain synchronous code: they are tested by feeding them heads and bytes, without a socket and without a loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from pathlib import PurePath
from traceback import walk_tb
from typing import Any, NamedTuple, TypeAlias, TypeVar

from remote_chatbots.answer import Answer, AnswerBuilder
from remote_chatbots.errors import BotError, BotProtocolError, copy_of
from remote_chatbots.events import Event
from remote_chatbots.framing import parse_json, too_large
from remote_chatbots.retry import RetryPolicy
from remote_chatbots.wire import HttpRequest, ResponseHead

T = TypeVar("T")
ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_WAIT_S = 5.0


class Deadline:
    """A span of waiting that several reads share.

    Attributes:
        seconds: How long from its first use.
        pauses: Whether the flow reads on after it: then what has begun to arrive is waited for.
        at: The end, on the driver's clock; stamped by the driver at the first use.
    """

    __slots__ = ("at", "pauses", "seconds")

    def __init__(self, seconds: float, *, pauses: bool = False) -> None:
        self.seconds = seconds
        self.pauses = pauses
        self.at: float | None = None


class Send(NamedTuple):
    """Send the request; the outcome is the `ResponseHead`. A response that is still open is closed first."""

    request: HttpRequest


class Read(NamedTuple):
    """Give the next bytes of the open response: b"" at the end of the body, None if the deadline passed first."""

    deadline: Deadline | None = None


class Sleep(NamedTuple):
    """Wait; the outcome is True, or at once False if the turn's whole time is over before."""

    seconds: float


class Aside(NamedTuple):
    """A whole small call beside the open response; the outcome is the pair (`ResponseHead`, body bytes).

    Attributes:
        request: The request.
        within_s: It takes no longer, in seconds. Default 5.
    """

    request: HttpRequest
    within_s: float = 5.0


class Errand(NamedTuple):
    """Something to be done that is no request, in the driver's own colour; the outcome is what it returns.

    Where a turn is left, it is done after the deadline as well.

    Attributes:
        call: Does it; may block.
        acall: Does it in an event loop. Default: `call`, in a thread beside it.
    """

    call: Callable[[], Any]
    acall: Callable[[], Awaitable[Any]] | None = None


class Within(NamedTuple):
    """From now on the turn takes no longer than this, nor than it could before; the outcome is None."""

    seconds: float


Effect: TypeAlias = Send | Read | Sleep | Aside | Errand | Within
Flow: TypeAlias = Generator[Effect | Event, Any, T]
EFFECTS: frozenset[type] = frozenset({Send, Read, Sleep, Aside, Errand, Within})
READ = Read()
# What reading data of another form than the expected comes to, beside a platform's own errors.
MISREAD = (ValueError, LookupError, TypeError, AttributeError)


class Abandoned(BaseException):
    """Thrown into a flow whose caller left early. It may still perform effects, under one deadline; events are lost.

    No `Exception`, so that no flow takes it for an error to retry or to translate.
    """


class Turn:
    """A flow under way, as both drivers see it: what to do next, and what is known so far.

    Args:
        flow: The flow.
        platform: Whose it is: with it begins the error of a reply that the flow cannot read.
    """

    def __init__(self, flow: Flow[Any], platform: str = "") -> None:
        self._flow = flow
        self._platform = platform
        self._asked = False
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
            BotError: What the flow makes of it, with the text and the ids so far; a `BotProtocolError` if a reply has
            another form than the flow reads.
        """
        go_on = self._flow.throw if isinstance(outcome, BotError) else self._flow.send
        try:
            return self._step(go_on, outcome)
        finally:
            outcome = None  # what a server said stands in no traceback: it may repeat the key

    def abandon(self) -> Effect | Event | None:
        """Tell the flow that its caller left; return as `resume` does."""
        return self._step(self._flow.throw, Abandoned())

    def _step(self, go_on: Callable[[Any], Effect | Event], value: Any) -> Effect | Event | None:
        failed: BotError | None = None
        try:
            step = go_on(value)
        except (StopIteration, Abandoned):
            self.over = True
            return None
        except BotError as error:
            self.over, failed, value = True, self._known(error), None
        except MISREAD as error:
            self.over, value = True, None
            if not self._asked:
                raise  # no reply is to blame
            failed = self._known(_misread(error, self._platform))
        except BaseException:
            self.over = True
            raise
        if failed is not None:
            raise failed
        if type(step) not in EFFECTS:
            self._builder.add(step)  # type: ignore[arg-type]
        elif type(step) is Send or type(step) is Aside:
            self._asked = True
        return step

    def _known(self, error: BotError) -> BotError:
        """Return an error with what is known, without the frames it arose in: their locals hold a server's words."""
        ids: dict[str, Any] = {name: id_ for name, id_ in self._builder.ids().items() if not getattr(error, name)}
        told = copy_of(error, partial_text=error.partial_text or self._builder.text, **ids)
        return told.with_traceback(None)


def _misread(error: Exception, platform: str) -> BotProtocolError:
    """Return the error of a reply that a flow could not read: where that was, and nothing of what others wrote."""
    parser = parse_json.__code__.co_filename
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    file, line = [place for place in places if place[0] != parser][-1]
    place = f"{type(error).__name__} at {PurePath(file).name}:{line}"
    told = "Check that base_url is this platform's API. If it is, the platform says something new: update this package."
    return BotProtocolError.of(platform, f"the reply could not be read ({place}). {told}")


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
            if delay_s is None or not (yield Sleep(delay_s)):
                raise
        attempt += 1


def interposed(
    flow: Flow[None], at: Callable[[Event], bool], errand: Callable[[Any], Flow[Event | None]]
) -> Flow[None]:
    """Run `flow`; before the first event that `at` says yes to goes on its way, run `errand` with it.

    What the errand returns goes in its place; None leaves it as it is.

    Whatever the driver throws reaches `flow`, as if nothing stood between.
    """
    step: Any = _step_of(flow.send, None)
    while step is not None:
        found = type(step) not in EFFECTS and at(step)
        try:
            if found:
                step = (yield from errand(step)) or step
            outcome = yield step
        except BaseException as error:  # noqa: BLE001  whatever it is, it is for the flow
            step = _step_of(flow.throw, error)
            continue
        if found:
            yield from flow
            return
        step = _step_of(flow.send, outcome)


def changed(flow: Flow[None], of: Callable[[Event], Iterable[Event]]) -> Flow[None]:
    """Run `flow` with what `of` makes of each event in its place. Whatever the driver throws reaches `flow`."""
    step: Any = _step_of(flow.send, None)
    while step is not None:
        outcome = None
        try:
            if type(step) in EFFECTS:
                outcome = yield step
            else:
                yield from of(step)
        except BaseException as error:  # noqa: BLE001  whatever it is, it is for the flow
            step = _step_of(flow.throw, error)
            continue
        step = _step_of(flow.send, outcome)


def _step_of(go_on: Callable[[Any], Effect | Event], value: Any) -> Effect | Event | None:
    try:
        return go_on(value)
    except StopIteration:
        return None


def look_up(request: HttpRequest) -> Flow[Any]:
    """Make a small call that nothing depends on; return the JSON value it is answered with, None if it fails."""
    try:
        head, body = yield Aside(request)
        return parse_json(body) if head.status < 300 else None
    except (BotError, ValueError):
        return None


def call_json(
    request: HttpRequest,
    *,
    error_of: Callable[[ResponseHead, bytes], BotError],
    policy: RetryPolicy,
    limit_bytes: int,
    platform: str,
) -> Flow[tuple[ResponseHead, bytes, Any]]:
    """Make one small call, and return the head of its answer, the body's bytes, and the JSON value they hold.

    Args:
        request: The request.
        error_of: Makes an error of any answer that is no success, or no JSON.
        policy: Says which errors may be tried again, and when.
        limit_bytes: The largest body that is taken.
        platform: With which an error's message begins.

    Raises:
        BotError: What the last try came to.
    """
    head = yield from open_reply(request, error_of=error_of, policy=policy)
    body = yield from read_body(limit_bytes, platform)
    try:
        return head, body, parse_json(body)
    except ValueError:
        raise error_of(head, body) from None
