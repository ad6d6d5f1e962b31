"""The driver on aiohttp: one run per turn."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from remote_chatbots.answer import Answer
from remote_chatbots.errors import BotError
from remote_chatbots.events import Event
from remote_chatbots.flow import EFFECTS, Aside, Deadline, Effect, Errand, Flow, Read, Send, Turn, Within
from remote_chatbots.timeouts import Settings, Timeouts
from remote_chatbots.transports import faults
from remote_chatbots.transports.aiohttp_sessions import LoopSessions, head_of, up_to
from remote_chatbots.transports.decoding import Decoder, UnreadableError, decoder_of
from remote_chatbots.wire import HttpRequest, ResponseHead

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger("remote_chatbots")
# What turns under way are made of: the garbage collector, which ends a cycle's objects in any order, must not end a
# flow before the run that has yet to leave it. A dict of its own: from 3.13 on an object's first one holds nothing.
_HELD: dict[int, dict[str, Any]] = {}
_UNBOUNDED = contextlib.nullcontext()
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
        self._reader: asyncio.Task[Any] | None = None  # the task that waits for the next event
        self._sent_away = False
        self._sending: _Sending | None = None
        self._slot: asyncio.Semaphore | None = None
        self._decoder: Decoder | None = None
        self._closed = False
        self._turn = Turn(flow, platform)
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
                self._reader = asyncio.current_task()
                step = self._turn.resume(await self._perform(step))  # type: ignore[arg-type]
            self._reader = None
        except BaseException as error:
            reader, self._reader = self._reader, None
            await self.aclose()
            if self._sent_away and reader is not None and reader.uncancel() == 0 and _cancelled(error):
                raise StopAsyncIteration from None  # the turn was left from another task: no cancellation of this one
            raise
        if step is None:
            await self.aclose()
            raise StopAsyncIteration
        return step  # type: ignore[return-value]

    async def aclose(self) -> None:
        """Leave the turn, if it is not over, and let go of the connection. May be called again, and from any task.

        A task that is waiting for the turn's next event meanwhile comes to the iteration's end.
        """
        if self._closing is None:
            if self._turn.over or self._loop is None:
                self._end()
                return
            self.leave()
        cancelled: asyncio.CancelledError | None = None
        while self._closing is not None and not self._closing.done():
            try:
                await asyncio.shield(self._closing)
            except asyncio.CancelledError as error:
                # However often the caller is cancelled: the clean-up has its own deadline, and is short.
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def leave(self) -> None:
        """Begin to leave the turn, in the background."""
        if self._closing is not None or self._closed:
            return
        if self._reader is not None:
            self._sent_away = True
            self._reader.cancel()
        self._in_background()

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
                self._loop.call_soon_threadsafe(self.leave)
            else:
                logger.debug("A turn was dropped when its event loop no longer ran: the server was not told to stop.")
                self._end()

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport.sessions.enter(self._loop, self)
        _HELD[id(self)] = self.__dict__ = dict(vars(self))
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
        while self._reader is not None and _now() < self._ends_at:
            await asyncio.sleep(0)  # it was sent away, and is on its way out
        try:
            step = self._turn.abandon()
            while step is not None and (_now() < self._ends_at or type(step) is Errand):
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
                read = self._read if self._decoder is None else self._read_decoded
                return await read(effect.deadline)
            if type(effect) is Send:
                return await self._send(effect.request)
            if type(effect) is Aside:
                return await self._aside(effect)
            if type(effect) is Errand:
                return await (effect.acall() if effect.acall is not None else asyncio.to_thread(effect.call))
            if type(effect) is Within:
                self._ends_at = _now() + (self._within(effect.seconds) or 0)
                return None
            return await self._sleep(effect.seconds)  # type: ignore[union-attr]
        except Exception as error:
            # What had arrived before the connection died comes first; the next read meets the error again.
            left = type(effect) is Read and not self._out_of_all_time() and self._left_over()
            return left or self._translated(error, effect)

    async def _send(self, request: HttpRequest) -> ResponseHead:
        self._release()
        clocks, sessions = self._transport.timeouts, self._transport.sessions
        both_s = clocks.connect_s + clocks.silence_s if clocks.connect_s and clocks.silence_s else None
        slots = sessions.slots()
        try:
            if slots is not None:
                # A clock costs more than a slot that is free.
                async with asyncio.timeout(self._within(both_s)) if slots.locked() else _UNBOUNDED:
                    await slots.acquire()
                    self._slot = slots
        except TimeoutError:
            if self._out_of_all_time():
                raise
            raise faults.no_slot(self._platform, self._transport.settings.max_connections) from None
        # A session that is not ours does not say when it has connected.
        async with asyncio.timeout(self._within(both_s if sessions.given else clocks.connect_s)) as clock:
            self._sending = _Sending(clock, clocks.silence_s, self._ends_at)
            self._response = await sessions.request(request, self._sending.has_connected)
        head = head_of(self._response)
        self._sending = None
        self._body = self._response.content
        self._decoder = None if sessions.given and sessions.given.auto_decompress else decoder_of(head)
        return head

    async def _read(self, deadline: Deadline | None) -> bytes | None:
        body = self._body
        assert body is not None, "a flow reads only after it has sent"
        ends_at = self._ends_at
        if deadline is None and ends_at is None:
            return await body.readany()
        if deadline is not None:
            deadline.at = deadline.at or _now() + deadline.seconds
            if arrived := body.read_nowait():  # needs no clock
                return arrived
            if ends_at is None or deadline.at < ends_at:
                try:
                    async with asyncio.timeout_at(deadline.at):
                        return await body.readany()
                except TimeoutError:
                    if _now() < deadline.at:
                        raise
                    return None
        if self._out_of_all_time():
            raise TimeoutError  # no clock stops what need not wait
        async with asyncio.timeout_at(ends_at):
            return await body.readany()

    async def _read_decoded(self, deadline: Deadline | None) -> bytes | None:
        decoder = self._decoder
        assert decoder is not None
        while True:
            decoder.check()
            chunk = await self._read(deadline)
            if not chunk or (chunk := decoder.feed(chunk)):
                return chunk

    async def _aside(self, aside: Aside) -> tuple[ResponseHead, bytes]:
        sessions = self._transport.sessions
        async with asyncio.timeout(self._within(aside.within_s)):
            async with await sessions.request(aside.request, lambda: None) as response:
                body = await up_to(response.content, faults.ASIDE_BYTES)
        head = head_of(response)
        decoder = None if sessions.given and sessions.given.auto_decompress else decoder_of(head)
        return head, decoder.feed(body)[: faults.ASIDE_BYTES] if decoder is not None and body else body

    async def _sleep(self, seconds: float) -> bool:
        if self._ends_at is not None and _now() + seconds >= self._ends_at:
            return False
        await asyncio.sleep(seconds)
        return True

    def _left_over(self) -> bytes:
        """Return what the library has received and would not give any more."""
        body = self._body
        left = bytes(body._read_nowait(-1)) if body is not None and body._buffer else b""
        try:
            return left if self._decoder is None or not left else self._decoder.feed(left)
        except UnreadableError:
            return b""

    def _within(self, seconds: float | None) -> float | None:
        """Return `seconds`, or what is left of the whole turn's time if that is less."""
        if self._ends_at is None:
            return seconds
        left_s = max(self._ends_at - _now(), 0.001)
        return left_s if seconds is None else min(seconds, left_s)

    def _release(self) -> None:
        """Give the connection back if its body was read to the end; else close it."""
        response, self._response, self._body = self._response, None, None
        slot, self._slot = self._slot, None
        try:
            if response is not None:
                response.close()
        finally:
            if slot is not None:
                slot.release()

    def _end(self) -> None:
        if not self._closed:
            self._closed = True
            _HELD.pop(id(self), None)
            try:
                self._release()
            finally:
                if self._loop is not None:
                    self._transport.sessions.leave(self._loop, self)

    def _out_of_all_time(self) -> bool:
        return self._ends_at is not None and _now() >= self._ends_at - 0.01

    def _translated(self, error: Exception, effect: Effect) -> BotError:
        for one in (error, error.__cause__):  # a file that cannot be read: the library wraps what its body raises
            if isinstance(one, BotError):
                return one
        host = effect.request.host if isinstance(effect, (Send, Aside)) else ""
        given = self._transport.sessions.given is not None
        sent = not _before_sending(error) if given else self._sending is not None and self._sending.connected
        sent = sent or type(effect) is not Send
        meaning = _meaning(error, self._platform, host, self._out_of_all_time(), sent, self._transport.timeouts)
        meaning.__cause__ = faults.without_frames(error)
        return meaning


class _Sending:
    """A request under way. A large body may outlive its turn and holds this, so it must not hold the run."""

    def __init__(self, clock: asyncio.Timeout, silence_s: float | None, ends_at: float | None) -> None:
        self.connected = False
        self._clock = clock
        self._silence_s = silence_s
        self._ends_at = ends_at

    def has_connected(self) -> None:
        """Note that the connection is there, and go over from its clock to that of the response's head."""
        self.connected = True
        ends = [self._ends_at, None if self._silence_s is None else _now() + self._silence_s]
        self._clock.reschedule(min((end for end in ends if end is not None), default=None))


class AiohttpTransport:
    """Opens runs, which share one session per event loop.

    Args:
        timeouts: The three clocks.
        settings: Patience and sizes.
        session: A session of the caller's, used in place of ours and never closed here.
    """

    def __init__(self, timeouts: Timeouts, settings: Settings, session: aiohttp.ClientSession | None = None) -> None:
        self.timeouts = timeouts
        self.settings = settings
        self.sessions = LoopSessions(timeouts.silence_s, settings, session)

    def run(self, flow: Flow[Any], platform: str) -> AiohttpRun:
        """Return the run of `flow`. Nothing is sent before its first event is asked for."""
        return AiohttpRun(flow, platform, self)

    async def aclose(self) -> None:
        """Close this loop's session; turns that are under way in it break."""
        await self.sessions.aclose()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _cancelled(error: BaseException) -> bool:
    return isinstance(error, (asyncio.CancelledError, BotError))


def _before_sending(error: Exception) -> bool:
    """Return whether `error` says of itself that nothing was sent."""
    import aiohttp

    return isinstance(
        error, (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, aiohttp.ConnectionTimeoutError, ValueError)
    )


def _meaning(
    error: Exception, platform: str, host: str, out_of_all_time: bool, sent: bool, timeouts: Timeouts
) -> BotError:
    """Return what an exception of the library means."""
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):
        # It shows the request's headers, and so the key.
        error.request_info, error.history, error.args = None, (), (error.message,)  # type: ignore[assignment]
    if isinstance(error, TimeoutError):
        if out_of_all_time:
            return faults.out_of_time(platform, "total", timeouts, sent=sent)
        return faults.out_of_time(platform, "silence" if sent else "connect", timeouts)
    if isinstance(error, UnreadableError) or isinstance(error.__cause__, aiohttp.http_exceptions.ContentEncodingError):
        return faults.unreadable(platform)
    if sent:
        return faults.broken(platform)
    if isinstance(error, aiohttp.ClientSSLError):
        return faults.no_trust(platform, host)
    if isinstance(error, ValueError):
        return faults.unusable(platform, host, error)
    return faults.no_connection(platform, host, error)
