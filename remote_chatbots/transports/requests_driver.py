"""The driver on requests: one session per thread, one run per turn."""

from __future__ import annotations

import atexit
import os
import ssl
import sys
import threading
import time
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from remote_chatbots.answer import Answer
from remote_chatbots.errors import BotError
from remote_chatbots.events import Event
from remote_chatbots.flow import EFFECTS, Aside, Deadline, Effect, Errand, Flow, Read, Send, Turn, Within
from remote_chatbots.timeouts import Settings, Timeouts
from remote_chatbots.transports import faults
from remote_chatbots.transports.decoding import Decoder, UnreadableError, decoder_of
from remote_chatbots.transports.heads import is_sound
from remote_chatbots.transports.requests_body import clock, hang_up, next_bytes, sent, wait
from remote_chatbots.transports.waiting import WAITING
from remote_chatbots.wire import HttpRequest, ResponseHead

if TYPE_CHECKING:
    import requests


class RequestsRun:
    """One turn: an iterator of its events.

    Leaving early (`close`, the end of a `with`, a `break` that drops the last reference) tells the server to stop,
    reads on to the turn's end, at most `stop_wait_s`, and closes the connection.
    """

    def __init__(self, flow: Flow[Any], platform: str, transport: RequestsTransport) -> None:
        self._closed = False
        self._turn = Turn(flow, platform)
        self._platform = platform
        self._transport = transport
        self._response: requests.Response | None = None
        self._decoder: Decoder | None = None
        self._begun = False
        self.busy = False
        self._reader = 0  # the thread that waits for the next event
        self._sent_away = False
        self._pid = os.getpid()
        self._ends_at: float | None = None

    @property
    def answer(self) -> Answer:
        """The answer so far; all of it once the run is exhausted."""
        return self._turn.answer

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        if self._closed:
            raise StopIteration
        if not self._begun:
            self._begin()
        self.busy, self._reader = True, threading.get_ident()
        outcome: Any = None
        try:
            step = self._turn.resume()
            while type(step) in EFFECTS:
                outcome = self._perform(step)  # type: ignore[arg-type]
                if self._sent_away:
                    raise StopIteration  # the turn was left from another thread: no fault of this one
                step = self._turn.resume(outcome)
        except BaseException:
            outcome = None  # as of `Turn.resume`
            self.close()
            raise
        finally:
            self.busy = False
        if step is None:
            self.close()
            raise StopIteration
        return step  # type: ignore[return-value]

    def close(self) -> None:
        """Leave the turn, if it is not over, and let go of the connection. May be called again, and from any thread.

        A thread that is waiting for the turn's next event meanwhile comes to the iteration's end, and leaves the turn
        on its way; this waits for it, at most twice `stop_wait_s`.
        """
        if self._closed:
            return
        if self.busy and self._reader != threading.get_ident():
            self._send_away()
            return
        self._closed = True
        _UNDER_WAY.discard(self)
        _HELD.pop(id(self), None)
        try:
            # After a fork the turn is the parent's.
            if self._begun and not self._turn.over and self._pid == os.getpid():
                self._leave()
        finally:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._closed and not sys.is_finalizing():
            self.close()

    def _begin(self) -> None:
        self._begun = True
        _UNDER_WAY.add(self)
        _HELD[id(self)] = self.__dict__ = dict(vars(self))
        if self._transport.timeouts.total_s is not None:
            self._ends_at = time.monotonic() + self._transport.timeouts.total_s

    def _send_away(self) -> None:
        self._sent_away = True
        for _ in range(2):
            until = time.monotonic() + self._transport.settings.stop_wait_s
            while self.busy and time.monotonic() < until:
                time.sleep(0.005)
            if self.busy and self._response is not None:
                hang_up(self._response)  # nothing came that would have woken it
        if not self.busy:
            self.close()

    def _leave(self) -> None:
        self._ends_at = time.monotonic() + self._transport.settings.stop_wait_s
        try:
            step = self._turn.abandon()
            while step is not None and (time.monotonic() < self._ends_at or type(step) is Errand):
                outcome = self._perform(step) if type(step) in EFFECTS else None  # type: ignore[arg-type]
                step = self._turn.resume(outcome)
        except BotError:
            pass  # nobody is there any more to be told

    def _perform(self, effect: Effect) -> Any:
        """Return the effect's outcome, or the error it came to."""
        before = WAITING.ends_at  # another turn's, if this one is left by the garbage collector
        WAITING.ends_at = self._ends_at
        try:
            if type(effect) is Read:
                return self._read(effect.deadline)
            if type(effect) is Send:
                return self._send(effect.request)
            if type(effect) is Aside:
                return self._aside(effect)
            if type(effect) is Errand:
                return effect.call()
            if type(effect) is Within:
                self._ends_at = time.monotonic() + (self._within(effect.seconds) or 0)
                return None
            return self._sleep(effect.seconds)  # type: ignore[union-attr]
        except Exception as error:
            return self._translated(error, effect)
        finally:
            WAITING.ends_at = before

    def _send(self, request: HttpRequest) -> ResponseHead:
        self._release()
        self._response, head = self._transport.request(request, self._ends_at)
        self._decoder = decoder_of(head)
        return head

    def _read(self, deadline: Deadline | None) -> bytes | None:
        response, decoder = self._response, self._decoder
        assert response is not None, "a flow reads only after it has sent"
        if deadline is None:
            return next_bytes(response, decoder)
        deadline.at = deadline.at or time.monotonic() + deadline.seconds
        if self._ends_at is not None and self._ends_at < deadline.at:
            return next_bytes(response, decoder)
        WAITING.ends_at = deadline.at
        try:
            wait(response)
            if not deadline.pauses:
                return next_bytes(response, decoder)
        except Exception:
            if time.monotonic() < deadline.at:
                raise
            return None
        WAITING.ends_at = self._ends_at  # half a chunk cannot be given back: what has begun to arrive is read
        return next_bytes(response, decoder)

    def _aside(self, aside: Aside) -> tuple[ResponseHead, bytes]:
        ends_at = time.monotonic() + aside.within_s
        response, head = self._transport.request(aside.request, min(ends_at, self._ends_at or ends_at))
        WAITING.ends_at = min(ends_at, self._ends_at or ends_at)
        decoder = decoder_of(head)
        body = bytearray()
        with response:
            while len(body) < faults.ASIDE_BYTES and (chunk := next_bytes(response, decoder)):
                body += chunk
        return head, bytes(body[: faults.ASIDE_BYTES])

    def _sleep(self, seconds: float) -> bool:
        if self._ends_at is not None and time.monotonic() + seconds >= self._ends_at:
            return False
        time.sleep(seconds)
        return True

    def _within(self, seconds: float | None) -> float | None:
        """Return `seconds`, or what is left of the whole turn's time if that is less."""
        if self._ends_at is None:
            return seconds
        left_s = max(self._ends_at - time.monotonic(), 0.001)
        return left_s if seconds is None else min(seconds, left_s)

    def _release(self) -> None:
        """Give the connection back if its body was read to the end; else close it."""
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def _translated(self, error: Exception, effect: Effect) -> BotError:
        if isinstance(error, BotError):
            return error
        host = effect.request.host if isinstance(effect, (Send, Aside)) else ""
        out_of_all_time = self._ends_at is not None and time.monotonic() >= self._ends_at - 0.01
        sent = type(effect) is Read or self._transport.has_sent(error)
        meaning = _meaning(error, self._platform, host, out_of_all_time, sent, self._transport.timeouts)
        meaning.__cause__ = faults.without_frames(error)
        return meaning


class RequestsTransport:
    """Opens runs, and holds the sessions they share: one per thread, because a session is not safe in two.

    Args:
        timeouts: The three clocks.
        settings: Patience and sizes.
        session: A session of the caller's, used in place of ours and never closed here.
    """

    def __init__(self, timeouts: Timeouts, settings: Settings, session: requests.Session | None = None) -> None:
        self.timeouts = timeouts
        self.settings = settings
        self._given = session
        self._local = threading.local()

    @property
    def has_session(self) -> bool:
        """Whether it uses a session of the caller's."""
        return self._given is not None

    def run(self, flow: Flow[Any], platform: str) -> RequestsRun:
        """Return the run of `flow`. Nothing is sent before its first event is asked for."""
        return RequestsRun(flow, platform, self)

    def request(self, request: HttpRequest, ends_at: float | None = None) -> tuple[requests.Response, ResponseHead]:
        """Send `request`; return the response, its body unread, and its head.

        Args:
            request: What to send.
            ends_at: When the head must be there at the latest, on the monotonic clock.
        """
        now, clocks = time.monotonic(), self.timeouts
        WAITING.connected = False
        WAITING.ends_at = _sooner(ends_at, now, clocks.connect_s)
        WAITING.head_within_s, WAITING.head_ends_at = clocks.silence_s, ends_at
        heads: list[ResponseHead] = []

        def keep_head(response: requests.Response, **_: Any) -> None:
            # Also without following a redirect the library would read all of its body.
            heads.append(_head(response))
            response.headers.pop("location", None)

        session = self._session()
        response = session.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            data=sent(request.body) or None,
            timeout=(_left(ends_at, now, clocks.connect_s), _left(ends_at, now, clocks.silence_s)),
            auth=_no_netrc,
            proxies={"no_proxy": request.hostname} if request.loopback else None,
            allow_redirects=False,
            hooks={"response": [keep_head, *session.hooks["response"]]},
            stream=True,
        )
        if response.status_code < 200 or not is_sound(heads[0].headers):
            # An interim head, or another protocol's beginning: what follows would be read as the next turn's answer.
            connection = response.raw.connection
            response.close()
            if connection is not None:
                connection.close()
            raise ConnectionError("no head of an answer")
        if self._given is not None:
            clock(response)
        return response, heads[0]

    def has_sent(self, error: Exception) -> bool:
        """Return whether something may have been sent when this thread's request came to `error`."""
        if self._given is None:
            return WAITING.connected
        from urllib3 import exceptions

        # Its connections are not ours, and cannot be asked.
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        origin = getattr(reason, "original_error", None) or reason
        before = (exceptions.NewConnectionError, exceptions.ConnectTimeoutError, exceptions.SSLError, ssl.SSLError)
        return not (isinstance(error, ValueError) or isinstance(origin, before) or "Tunnel connection" in str(origin))

    def close(self) -> None:
        """Close this thread's session. Those of other threads go with their thread, or with this object."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is not None and self._local.pid == os.getpid():
            session.close()

    def _session(self) -> requests.Session:
        if self._given is not None:
            return self._given
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None or self._local.pid != os.getpid():
            # With the first call, not with the package: users of the async client never need the library. And after a
            # fork the old one's sockets are the parent's.
            from remote_chatbots.transports.requests_session import new_session

            session = self._local.session = new_session(self.settings.idle_s)
            self._local.pid = os.getpid()
        return session


def _left(ends_at: float | None, now: float, seconds: float | None) -> float | None:
    """Return `seconds`, or what is left until `ends_at` if that is less."""
    if ends_at is None:
        return seconds
    left_s = max(ends_at - now, 0.001)
    return left_s if seconds is None else min(seconds, left_s)


def _sooner(ends_at: float | None, now: float, seconds: float | None) -> float | None:
    left_s = _left(ends_at, now, seconds)
    return None if left_s is None else now + left_s


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the headers alone. Without an auth of its own requests would put a netrc entry in the key's place."""
    return request


def _head(response: requests.Response) -> ResponseHead:
    return ResponseHead(response.status_code, {name.lower(): value for name, value in response.headers.items()})


def _meaning(
    error: Exception, platform: str, host: str, out_of_all_time: bool, sent: bool, timeouts: Timeouts
) -> BotError:
    """Return what an exception of the library means."""
    import requests
    from urllib3 import exceptions

    if isinstance(error, (TimeoutError, requests.Timeout, exceptions.TimeoutError)):
        if out_of_all_time:
            return faults.out_of_time(platform, "total", timeouts, sent=sent)
        return faults.out_of_time(platform, "silence" if sent else "connect", timeouts)
    if isinstance(error, UnreadableError):
        return faults.unreadable(platform)
    if sent:
        stuck = any(isinstance(one, TimeoutError) and one.errno is None for one in faults.origins_of(error))
        return faults.out_of_time(platform, "silence", timeouts) if stuck else faults.broken(platform)
    if isinstance(error, requests.exceptions.SSLError) and not _hung_up(error):
        return faults.no_trust(platform, host)
    # A host or proxy that is none, a package that a proxy needs, a file of certificates that is not there.
    if isinstance(error, ValueError) or (type(error) is OSError and error.errno is None):
        return faults.unusable(platform, host, error)
    return faults.no_connection(platform, host, error)


def _hung_up(error: BaseException | None) -> bool:
    """Return whether the server went away in the midst of TLS's greeting."""
    while error is not None and not isinstance(error, ssl.SSLEOFError):
        named = error.args[0] if error.args else None  # by a tunnel's error, which has no other trace of it
        error = error.__cause__ or error.__context__ or (named if isinstance(named, BaseException) else None)
    return error is not None


# What turns under way are made of: the garbage collector, which ends a cycle's objects in any order, must not end a
# flow before the run that has yet to leave it. A dict of its own: from 3.13 on an object's first one holds nothing.
_HELD: dict[int, dict[str, Any]] = {}
# Turns under way. The interpreter's end is an early leave like any other.
_UNDER_WAY: weakref.WeakSet[RequestsRun] = weakref.WeakSet()
# The library closes its pools by finalizers. They must come behind `_leave_all`: the first to register comes last.
weakref.finalize(_UNDER_WAY, _UNDER_WAY.clear).detach()


@atexit.register
def _leave_all() -> None:
    for run in list(_UNDER_WAY):
        if not run.busy:
            run.close()
