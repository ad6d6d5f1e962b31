"""The driver on aiohttp: one session per event loop, one run per turn."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import logging
import sys
import weakref
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from remote_chatbots.answer import Answer
from remote_chatbots.errors import BotError
from remote_chatbots.events import Event
from remote_chatbots.flow import EFFECTS, Aside, Deadline, Effect, Flow, Read, Send, Turn
from remote_chatbots.timeouts import Settings, Timeouts
from remote_chatbots.transports import faults
from remote_chatbots.transports.proxies import proxy_of
from remote_chatbots.wire import HttpRequest, ResponseHead

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger("remote_chatbots")
LAST_TURNS_S = 2.0  # for which a loop that ends waits for turns that are being left
LARGE_BYTES = 1024 * 1024
# A clean-up must outlive its caller; the loop itself holds tasks weakly.
_CLEANUPS: set[asyncio.Task[None]] = set()


class AiohttpRun:
    """One turn: an async iterator of its events.

    Leaving early (`aclose`, the end of an `async with`, cancellation) tells the server to stop, reads on to the
    turn's end, at most `stop_wait_s`, and closes the connection, all before the caller goes on. After a bare
    `break` that drops the last reference the same happens in the background, if the loop lives long enough.
    """

    def __init__(self, flow: Flow[Any], platform: str, transport: AiohttpTransport) -> None:
        self._closing: asyncio.Task[None] | None = None
        self._closed = False
        self._turn = Turn(flow)
        self._platform = platform
        self._transport = transport
        self._response: aiohttp.ClientResponse | None = None
        self._body: aiohttp.StreamReader | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends_at: float | None = None

    @property
    def answer(self) -> Answer:
        """The answer so far; all of it once the run is exhausted."""
        return self._turn.answer

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._closed:
            raise StopAsyncIteration
        if self._loop is None:
            self._begin()
        try:
            step = self._turn.resume()
            while type(step) in EFFECTS:
                step = self._turn.resume(await self._perform(step))  # type: ignore[arg-type]
        except BaseException:
            await self.aclose()
            raise
        if step is None:
            await self.aclose()
            raise StopAsyncIteration
        return step  # type: ignore[return-value]

    async def aclose(self) -> None:
        """Leave the turn, if it is not over, and let go of the connection. May be called again."""
        if self._closing is None:
            if self._turn.over or self._loop is None:
                self._end()
                return
            self._in_background()
        cancelled: asyncio.CancelledError | None = None
        while self._closing is not None and not self._closing.done():
            try:
                await asyncio.shield(self._closing)
            except asyncio.CancelledError as error:
                # However often the caller is cancelled: the clean-up has its own deadline, and is short.
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._closed or self._loop is None or sys.is_finalizing():
            return
        with contextlib.suppress(RuntimeError):  # the loop may close at any moment
            if self._loop.is_running() and not self._turn.over:
                self._loop.call_soon_threadsafe(self._in_background)
            else:
                logger.debug("A turn was dropped when its event loop no longer ran: the server was not told to stop.")
                self._end()

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport.enter(self._loop)
        if self._transport.timeouts.total_s is not None:
            self._ends_at = _now() + self._transport.timeouts.total_s

    def _in_background(self) -> None:
        self._closing = asyncio.get_running_loop().create_task(self._leave())
        _CLEANUPS.add(self._closing)
        self._closing.add_done_callback(self._settled)

    def _settled(self, cleanup: asyncio.Task[None]) -> None:
        _CLEANUPS.discard(cleanup)
        if cleanup.cancelled() and not self._closed:
            self._in_background()  # a loop that ends cancelled it before its first step

    async def _leave(self) -> None:
        self._ends_at = _now() + self._transport.settings.stop_wait_s
        try:
            step = self._turn.abandon()
            while step is not None and _now() < self._ends_at:
                outcome = await self._persist(step) if type(step) in EFFECTS else None  # type: ignore[arg-type]
                step = self._turn.resume(outcome)
        except BotError:
            pass  # nobody is there any more to be told
        finally:
            self._end()

    async def _persist(self, effect: Effect) -> Any:
        """Perform `effect` although a loop that ends cancels all it has; what is done here may be done again."""
        while True:
            try:
                return await self._perform(effect)
            except asyncio.CancelledError:
                if self._ends_at is not None and _now() >= self._ends_at:
                    raise

    async def _perform(self, effect: Effect) -> Any:
        """Return the effect's outcome, or the error it came to."""
        try:
            if type(effect) is Read:
                return await self._read(effect.deadline)
            if type(effect) is Send:
                return await self._send(effect.request)
            if type(effect) is Aside:
                return await self._aside(effect)
            return await asyncio.sleep(self._within(effect.seconds) or 0)  # type: ignore[union-attr]
        except Exception as error:
            # What had arrived before the connection died comes first; the next read meets the error again.
            return (type(effect) is Read and _left_over(self._body)) or self._translated(error, effect)

    async def _send(self, request: HttpRequest) -> ResponseHead:
        self._release()
        # The library has no clock for a proxy's CONNECT, a body that nobody reads, or the wait for a free connection.
        clocks = self._transport.timeouts
        longest_s = clocks.connect_s + clocks.silence_s if clocks.connect_s and clocks.silence_s else None
        async with asyncio.timeout(self._within(longest_s)):
            self._response = await self._transport.request(request)
        self._body = self._response.content
        return _head(self._response)

    async def _read(self, deadline: Deadline | None) -> bytes | None:
        body = self._body
        assert body is not None, "a flow reads only after it has sent"
        ends_at = self._ends_at
        if deadline is None and ends_at is None:
            return await body.readany()
        if deadline is not None:
            deadline.at = deadline.at or _now() + deadline.seconds
            if ends_at is None or deadline.at < ends_at:
                try:
                    async with asyncio.timeout_at(deadline.at):
                        return await body.readany()
                except TimeoutError:
                    if _now() < deadline.at:
                        raise
                    return None
        async with asyncio.timeout_at(ends_at):
            return await body.readany()

    async def _aside(self, aside: Aside) -> tuple[ResponseHead, bytes]:
        async with asyncio.timeout(self._within(aside.within_s)):
            async with await self._transport.request(aside.request) as response:
                return _head(response), await _up_to(response.content, faults.ASIDE_BYTES)

    def _within(self, seconds: float | None) -> float | None:
        """Return `seconds`, or what is left of the whole turn's time if that is less."""
        if self._ends_at is None:
            return seconds
        left_s = max(self._ends_at - _now(), 0.001)
        return left_s if seconds is None else min(seconds, left_s)

    def _release(self) -> None:
        """Give the connection back if its body was read to the end; else close it."""
        response, self._response, self._body = self._response, None, None
        if response is not None:
            response.close()

    def _end(self) -> None:
        if not self._closed:
            self._closed = True
            self._release()
            if self._loop is not None:
                self._transport.leave(self._loop)

    def _translated(self, error: Exception, effect: Effect) -> BotError:
        host = effect.request.host if isinstance(effect, (Send, Aside)) else ""
        out_of_all_time = self._ends_at is not None and _now() >= self._ends_at - 0.01
        meaning = _meaning(error, self._platform, host, out_of_all_time, self._transport.timeouts)
        meaning.__cause__ = error
        return meaning


@dataclass(slots=True, eq=False)
class _Kept:
    """One loop's session, the generator that closes it when the loop ends, and how many turns use it."""

    session: aiohttp.ClientSession | None = None
    keeper: AsyncGenerator[None, None] | None = None
    turns: int = 0


# Sessions that are open. Held here, so that the garbage collector never meets one before it is closed.
_OPEN: set[_Kept] = set()


class AiohttpTransport:
    """Opens runs, and holds the sessions they share: one per event loop, because a session dies with its loop.

    A session is closed when its loop ends as `asyncio.run` ends it, by `aclose`, or when this object is gone.

    Args:
        timeouts: The three clocks.
        settings: Patience and sizes.
        session: A session of the caller's, used in place of ours and never closed here.
    """

    def __init__(self, timeouts: Timeouts, settings: Settings, session: aiohttp.ClientSession | None = None) -> None:
        self.timeouts = timeouts
        self.settings = settings
        self._given = session
        self._kept: dict[asyncio.AbstractEventLoop, _Kept] = {}
        weakref.finalize(self, _let_go, self._kept).atexit = False

    def run(self, flow: Flow[Any], platform: str) -> AiohttpRun:
        """Return the run of `flow`. Nothing is sent before its first event is asked for."""
        return AiohttpRun(flow, platform, self)

    async def request(self, request: HttpRequest) -> aiohttp.ClientResponse:
        """Send `request`; return the response with its body unread."""
        session = await self._session()
        # A connection that the server closed while it lay idle shows that only once the loop has looked.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return await session.request(
            request.method,
            request.url,
            headers=request.headers,
            # The library warns of plain bytes above a megabyte, which it would send in one go.
            data=io.BytesIO(request.body) if len(request.body) > LARGE_BYTES else request.body or None,
            allow_redirects=False,
            proxy=None if request.loopback else proxy_of(request.url),
        )

    def enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that one more turn of `loop` is under way."""
        for ended in [other for other in self._kept if other.is_closed()]:
            _OPEN.discard(self._kept.pop(ended))
        self._kept.setdefault(loop, _Kept()).turns += 1

    def leave(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that a turn of `loop` is over."""
        if loop in self._kept:
            self._kept[loop].turns -= 1

    async def aclose(self) -> None:
        """Close this loop's session; turns that are under way in it break."""
        kept = self._kept.pop(asyncio.get_running_loop(), None)
        if kept is not None and kept.session is not None:
            _OPEN.discard(kept)
            await kept.session.close()

    async def _session(self) -> aiohttp.ClientSession:
        if self._given is not None:
            return self._given
        kept = self._kept.setdefault(asyncio.get_running_loop(), _Kept())
        if kept.session is None:
            # The library takes 0.2 s to import: with the first call, not with the package, and beside the loop.
            library = await asyncio.to_thread(importlib.import_module, "aiohttp")
            if kept.session is None:
                kept.session = self._new_session(library)
                _OPEN.add(kept)
                kept.keeper = _until_the_loop_ends(kept, self._kept)
                await kept.keeper.__anext__()
        return kept.session

    def _new_session(self, library: Any) -> aiohttp.ClientSession:
        connector = library.TCPConnector(
            limit=self.settings.max_connections, keepalive_timeout=self.settings.idle_s, limit_per_host=0
        )
        timeout = library.ClientTimeout(
            total=None, sock_connect=self.timeouts.connect_s, sock_read=self.timeouts.silence_s
        )
        session: aiohttp.ClientSession = library.ClientSession(
            connector=connector,
            timeout=timeout,
            skip_auto_headers=("User-Agent", "Accept"),
            cookie_jar=library.DummyCookieJar(),
        )
        return session


async def _until_the_loop_ends(
    kept: _Kept, kept_by_loop: dict[asyncio.AbstractEventLoop, _Kept]
) -> AsyncGenerator[None, None]:
    """Close the session when `asyncio.run` closes the async generators that are still open in its loop."""
    loop = asyncio.get_running_loop()
    try:
        yield
    finally:
        until = loop.time() + LAST_TURNS_S
        while kept.turns > 0 and loop.time() < until:
            await asyncio.sleep(0.01)  # turns that are being left: their stop call needs the session
        _OPEN.discard(kept)
        if kept_by_loop.get(loop) is kept:
            del kept_by_loop[loop]
        if kept.session is not None:
            await kept.session.close()


def _let_go(kept_by_loop: dict[asyncio.AbstractEventLoop, _Kept]) -> None:
    """Have the sessions of a transport that is gone closed, each in its loop."""
    for loop, kept in kept_by_loop.items():
        if loop.is_closed() or kept.keeper is None:
            _OPEN.discard(kept)
            continue
        with contextlib.suppress(RuntimeError):  # the loop may close at any moment
            loop.call_soon_threadsafe(_close_in_background, kept.keeper)


def _close_in_background(keeper: AsyncGenerator[None, None]) -> None:
    task = asyncio.get_running_loop().create_task(keeper.aclose())
    _CLEANUPS.add(task)
    task.add_done_callback(_CLEANUPS.discard)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _head(response: aiohttp.ClientResponse) -> ResponseHead:
    return ResponseHead(response.status, {name.lower(): value for name, value in response.headers.items()})


def _left_over(body: aiohttp.StreamReader | None) -> bytes:
    """Return what the library has received and would not give any more."""
    return bytes(body._read_nowait(-1)) if body is not None and body._buffer else b""


async def _up_to(body: aiohttp.StreamReader, limit_bytes: int) -> bytes:
    read = bytearray()
    while len(read) < limit_bytes and (chunk := await body.readany()):
        read += chunk
    return bytes(read[:limit_bytes])


def _meaning(error: Exception, platform: str, host: str, out_of_all_time: bool, timeouts: Timeouts) -> BotError:
    """Return what an exception of the library means."""
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):
        # It shows the request's headers, and so the key.
        error.request_info, error.history, error.args = None, (), (error.message,)  # type: ignore[assignment]
    if isinstance(error, TimeoutError):
        if out_of_all_time:
            return faults.out_of_time(platform, "total", timeouts)
        connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
        return faults.out_of_time(platform, "connect" if connecting else "silence", timeouts)
    if isinstance(error, aiohttp.ClientSSLError):
        return faults.no_trust(platform, host)
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError)):
        return faults.no_connection(platform, host)
    if isinstance(error.__cause__, aiohttp.http_exceptions.ContentEncodingError):
        return faults.unreadable(platform)
    return faults.broken(platform)
