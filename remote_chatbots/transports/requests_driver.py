"""The driver on requests: one session per thread, one run per turn."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import sys
import threading
import time
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from remote_chatbots.answer import Answer
from remote_chatbots.errors import BotError
from remote_chatbots.events import Event
from remote_chatbots.flow import EFFECTS, Aside, Deadline, Effect, Flow, Read, Send, Turn
from remote_chatbots.timeouts import Settings, Timeouts
from remote_chatbots.transports import faults
from remote_chatbots.transports.chunks import whole_chunks
from remote_chatbots.wire import HttpRequest, ResponseHead

if TYPE_CHECKING:
    import socket

    import requests

READ_BYTES = 64 * 1024
_NEXT_CHUNK = re.compile(rb"\r\n0*[1-9a-fA-F][0-9a-fA-F]*[^\r\n]*\r\n.", re.DOTALL)


class RequestsRun:
    """One turn: an iterator of its events.

    Leaving early (`close`, the end of a `with`, a `break` that drops the last reference) tells the server to stop,
    reads on to the turn's end, at most `stop_wait_s`, and closes the connection.
    """

    def __init__(self, flow: Flow[Any], platform: str, transport: RequestsTransport) -> None:
        self._closed = False
        self._turn = Turn(flow)
        self._platform = platform
        self._transport = transport
        self._response: requests.Response | None = None
        self._begun = False
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
        try:
            step = self._turn.resume()
            while type(step) in EFFECTS:
                step = self._turn.resume(self._perform(step))  # type: ignore[arg-type]
        except BaseException:
            self.close()
            raise
        if step is None:
            self.close()
            raise StopIteration
        return step  # type: ignore[return-value]

    def close(self) -> None:
        """Leave the turn, if it is not over, and let go of the connection. May be called again."""
        if self._closed:
            return
        self._closed = True
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
        if self._transport.timeouts.total_s is not None:
            self._ends_at = time.monotonic() + self._transport.timeouts.total_s

    def _leave(self) -> None:
        self._ends_at = time.monotonic() + self._transport.settings.stop_wait_s
        try:
            step = self._turn.abandon()
            while step is not None and time.monotonic() < self._ends_at:
                outcome = self._perform(step) if type(step) in EFFECTS else None  # type: ignore[arg-type]
                step = self._turn.resume(outcome)
        except BotError:
            pass  # nobody is there any more to be told

    def _perform(self, effect: Effect) -> Any:
        """Return the effect's outcome, or the error it came to."""
        try:
            if type(effect) is Read:
                return self._read(effect.deadline)
            if type(effect) is Send:
                return self._send(effect.request)
            if type(effect) is Aside:
                return self._aside(effect)
            return time.sleep(self._within(effect.seconds) or 0)  # type: ignore[union-attr]
        except Exception as error:
            return self._translated(error, effect)

    def _send(self, request: HttpRequest) -> ResponseHead:
        self._release()
        self._response = self._transport.request(request, self._within)
        return _head(self._response)

    def _read(self, deadline: Deadline | None) -> bytes | None:
        response = self._response
        assert response is not None, "a flow reads only after it has sent"
        if deadline is not None or self._ends_at is not None:
            wait_s = self._within(self._transport.timeouts.silence_s)
            if deadline is not None:
                deadline.at = deadline.at or time.monotonic() + deadline.seconds
                left_s = max(deadline.at - time.monotonic(), 0.0)
                if wait_s is None or left_s < wait_s:
                    return _read_within(response, left_s)
            _set_timeout(response, wait_s)
        chunk: bytes = response.raw.read1(READ_BYTES)
        return chunk + _already_there(response) if chunk else chunk

    def _aside(self, aside: Aside) -> tuple[ResponseHead, bytes]:
        def within(seconds: float | None) -> float | None:
            return self._within(aside.within_s if seconds is None else min(seconds, aside.within_s))

        with self._transport.request(aside.request, within) as response:
            return _head(response), response.raw.read(faults.ASIDE_BYTES)

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
            self._transport.mark_used()

    def _translated(self, error: Exception, effect: Effect) -> BotError:
        host = effect.request.host if isinstance(effect, (Send, Aside)) else ""
        out_of_all_time = self._ends_at is not None and time.monotonic() >= self._ends_at - 0.01
        meaning = _meaning(error, self._platform, host, out_of_all_time, self._transport.timeouts)
        meaning.__cause__ = error
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

    def run(self, flow: Flow[Any], platform: str) -> RequestsRun:
        """Return the run of `flow`. Nothing is sent before its first event is asked for."""
        return RequestsRun(flow, platform, self)

    def request(self, request: HttpRequest, within: Any) -> requests.Response:
        """Send `request`; return the response with its body unread."""
        response = self._session().request(
            request.method,
            request.url,
            headers=dict(request.headers),
            data=request.body or None,
            timeout=(within(self.timeouts.connect_s), within(self.timeouts.silence_s)),
            auth=_no_netrc,
            proxies={"no_proxy": request.hostname} if request.loopback else None,
            allow_redirects=False,
            stream=True,
        )
        if response.status_code < 200:
            # http.client took an interim head for the answer: the real one would be read as the next turn's.
            connection = response.raw.connection
            response.close()
            self._session().close()
            if connection is not None:
                connection.close()
            raise ConnectionError("an interim response that http.client does not skip")
        response.raw.decode_content = True  # for proxies that compress although they were told not to
        return response

    def mark_used(self) -> None:
        """Note that a connection of this thread was in use until now."""
        self._local.used_at = time.monotonic()

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
            # After a fork the old one's sockets are the parent's.
            import requests  # with the first call, not with the package: users of the async client never need it

            session = self._local.session = requests.Session()
            session.headers.clear()
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._local.pid = os.getpid()
        elif time.monotonic() - self._local.used_at > self.settings.idle_s:
            # The server may just be closing what was idle, and a post that meets that has an unknown fate.
            session.close()
        self.mark_used()
        return session


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the headers alone. Without an auth of its own requests would put a netrc entry in the key's place."""
    return request


def _head(response: requests.Response) -> ResponseHead:
    return ResponseHead(response.status_code, {name.lower(): value for name, value in response.headers.items()})


def _read_within(response: requests.Response, seconds: float) -> bytes | None:
    """Return the next bytes, b"" at the end of the body, None if neither comes within `seconds`."""
    from urllib3.exceptions import ReadTimeoutError
    from urllib3.util.wait import wait_for_read

    raw: Any = response.raw
    sock = _socket(response)
    if sock is None:
        return raw.read1(READ_BYTES)  # type: ignore[no-any-return]  # the body is over, or played back
    usual_s = sock.gettimeout()
    sock.settimeout(0)
    try:
        buffered = raw._fp.fp.peek(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        buffered = b""
    sock.settimeout(max(seconds, 0.001))
    try:
        # The line end behind a chunk stays in the buffer until the next chunk is read: it is no news.
        if buffered in (b"", b"\r\n") and not wait_for_read(sock, seconds):
            return None
        return raw.read1(READ_BYTES)  # type: ignore[no-any-return]
    except ReadTimeoutError:
        return None
    finally:
        with contextlib.suppress(OSError):  # closed with the body's end
            sock.settimeout(usual_s)


def _already_there(response: requests.Response) -> bytes:
    """Return what has arrived behind the chunk that was just read; never wait for it.

    A read gives one HTTP chunk, and a server that is faster than its reader sends a chunk per event.
    """
    sock = _socket(response)
    body: Any = getattr(response.raw, "_fp", None)
    if sock is None or "content-encoding" in response.headers or not body.chunked:
        return b""
    usual_s = sock.gettimeout()
    sock.settimeout(0)
    there = bytearray()
    # What is broken behind it is met again by the next read, and must not take the text before it along.
    with contextlib.suppress(Exception):
        while len(there) < READ_BYTES and (buffered := body.fp.peek(1)):
            data, end = whole_chunks(buffered) if body.chunk_left == 0 else (b"", 0)
            if end:
                there += data
                body.fp.read(end)
            elif body.chunk_left or _NEXT_CHUNK.match(buffered):
                there += body.read1(READ_BYTES)
            else:
                break  # only of a chunk whose size and first byte are there can something be read without waiting
    with contextlib.suppress(OSError):  # closed with the body's end
        sock.settimeout(usual_s)
    return bytes(there)


def _socket(response: requests.Response) -> socket.socket | None:
    """Return the socket of a response whose body is under way; None once it is read."""
    found: Any = response.raw
    for name in ("_fp", "fp", "raw", "_sock"):
        found = getattr(found, name, None)
    return found  # type: ignore[no-any-return]


def _set_timeout(response: requests.Response, seconds: float | None) -> None:
    sock = _socket(response)
    if sock is not None:
        sock.settimeout(seconds)


def _meaning(error: Exception, platform: str, host: str, out_of_all_time: bool, timeouts: Timeouts) -> BotError:
    """Return what an exception of the library means."""
    import requests
    from urllib3 import exceptions

    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(error, (TimeoutError, requests.Timeout, exceptions.TimeoutError)):
        if out_of_all_time:
            return faults.out_of_time(platform, "total", timeouts)
        connecting = isinstance(error, requests.ConnectTimeout)
        return faults.out_of_time(platform, "connect" if connecting else "silence", timeouts)
    if isinstance(error, requests.exceptions.SSLError):
        return faults.no_trust(platform, host)
    # Behind a proxy urllib3 names every fault a proxy's; only two of them come before anything is sent.
    origin = getattr(reason, "original_error", None) or reason
    if isinstance(origin, exceptions.NewConnectionError) or "Tunnel connection failed" in str(origin):
        return faults.no_connection(platform, host)
    if isinstance(error, exceptions.DecodeError):
        return faults.unreadable(platform)
    return faults.broken(platform)
