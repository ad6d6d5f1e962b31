"""The sessions of aiohttp: one per event loop, because a session dies with its loop."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib
import sys
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from remote_chatbots.contents import Content, Octets
from remote_chatbots.timeouts import Settings
from remote_chatbots.transports.aiohttp_connections import HAS_CONNECTED, connector_of
from remote_chatbots.transports.heads import is_sound
from remote_chatbots.transports.proxies import proxy_of
from remote_chatbots.wire import HttpRequest, ResponseHead

if TYPE_CHECKING:
    import aiohttp

LAST_TURNS_S = 2.0  # for which a loop that ends waits for turns that are being left
LARGE_BYTES = 1024 * 1024
MOST_HEADERS = 100  # as in the standard library, which serves sync calls
HEAD_LINE_BYTES = 64 * 1024  # as in the standard library, which serves sync calls


class Leaving(Protocol):
    """A turn that can be told to leave."""

    def leave(self) -> None:
        """Begin to leave, in the background."""


@dataclass(slots=True, eq=False)
class _Kept:
    """One loop's session, the generator that closes it when the loop ends, and the turns that use it."""

    slots: asyncio.Semaphore
    session: aiohttp.ClientSession | None = None
    keeper: AsyncGenerator[None, None] | None = None
    turns: int = 0
    runs: weakref.WeakSet[Leaving] = field(default_factory=weakref.WeakSet)


# Sessions that are open. Held here, so that the garbage collector never meets one before it is closed.
_OPEN: set[_Kept] = set()


class LoopSessions:
    """Keeps a session for each event loop in which turns are under way.

    A session is closed when its loop ends as `asyncio.run` ends it, by `aclose`, or when this object is gone. In a loop
    that was closed in another way it is let go of at the next turn, or at the interpreter's end.

    Args:
        silence_s: Without a byte for so long, a response is broken.
        settings: Patience and sizes.
        given: A session of the caller's, used in place of ours and never closed here.
    """

    def __init__(self, silence_s: float | None, settings: Settings, given: aiohttp.ClientSession | None = None) -> None:
        self._silence_s = silence_s
        self._settings = settings
        self.given = given
        self._kept: dict[asyncio.AbstractEventLoop, _Kept] = {}
        weakref.finalize(self, _let_go, self._kept).atexit = False

    @property
    def loops(self) -> int:
        """In how many loops there is something to close."""
        return len(self._kept)

    def enter(self, loop: asyncio.AbstractEventLoop, run: Leaving) -> None:
        """Note that one more turn of `loop` is under way."""
        for ended in [other for other in list(self._kept) if other.is_closed()]:
            kept = self._kept.pop(ended, None)  # another thread may be here as well
            if kept is not None:
                _forget(kept)
        kept = self._of(loop)
        kept.turns += 1
        kept.runs.add(run)

    def leave(self, loop: asyncio.AbstractEventLoop, run: Leaving) -> None:
        """Note that a turn of `loop` is over."""
        kept = self._kept.get(loop)
        if kept is not None:
            kept.turns -= 1
            kept.runs.discard(run)

    def slots(self) -> asyncio.Semaphore | None:
        """Return what turns of this loop have a connection by; None if that is not ours to count."""
        # A given session's connector has a limit of its own.
        return None if self.given is not None else self._of(asyncio.get_running_loop()).slots

    async def request(self, request: HttpRequest, has_connected: Callable[[], None]) -> aiohttp.ClientResponse:
        """Send `request`; return the response with its body unread.

        Args:
            request: What to send.
            has_connected: Called when there is a connection, before anything is sent on it, and again for each slice
                of a large body that was: silence begins behind it. Not by a given session.
        """
        session = await self._session()
        task = asyncio.current_task()
        HAS_CONNECTED[task] = has_connected
        try:
            return await session.request(
                request.method,
                request.url,
                headers=_with_length(request),
                data=_sent(request.body, None if self.given else has_connected) or None,
                allow_redirects=False,
                proxy=None if request.loopback else proxy_of(request.url),
            )
        finally:
            HAS_CONNECTED.pop(task, None)

    async def aclose(self) -> None:
        """Close this loop's session; turns that are under way in it break."""
        kept = self._kept.pop(asyncio.get_running_loop(), None)
        if kept is not None:
            await _close(kept)

    def _of(self, loop: asyncio.AbstractEventLoop) -> _Kept:
        return self._kept.get(loop) or self._kept.setdefault(
            loop, _Kept(asyncio.Semaphore(self._settings.max_connections))
        )

    async def _session(self) -> aiohttp.ClientSession:
        if self.given is not None:
            return self.given
        kept = self._of(asyncio.get_running_loop())
        if kept.session is None:
            if "aiohttp" not in sys.modules:
                # It takes 0.2 s to import: with the first call, not with the package, and beside the loop.
                await asyncio.to_thread(importlib.import_module, "aiohttp")
            if kept.session is None:
                kept.session = self._new_session(importlib.import_module("aiohttp"))
                _OPEN.add(kept)
                kept.keeper = _until_the_loop_ends(kept, self._kept)
                await kept.keeper.__anext__()
        return kept.session

    def _new_session(self, library: Any) -> aiohttp.ClientSession:
        session: aiohttp.ClientSession = library.ClientSession(
            # Without a limit: turns wait for `slots`, and small calls beside them (a stop!) for nothing.
            connector=connector_of(library)(limit=0, keepalive_timeout=self._settings.idle_s),
            timeout=library.ClientTimeout(total=None, sock_read=self._silence_s),
            skip_auto_headers=("User-Agent", "Accept"),
            cookie_jar=library.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=HEAD_LINE_BYTES,
            max_field_size=HEAD_LINE_BYTES,
        )
        return session


def head_of(response: aiohttp.ClientResponse) -> ResponseHead:
    """Return a response's head.

    Raises:
        ConnectionError: If it is no head of an answer.
    """
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if response.status < 200 or len(response.headers) > MOST_HEADERS or not is_sound(headers):
        raise ConnectionError("no head of an answer")
    return ResponseHead(response.status, headers)


async def up_to(body: aiohttp.StreamReader, limit_bytes: int) -> bytes:
    """Return no more than the first so many bytes of a body."""
    read = bytearray()
    while len(read) < limit_bytes and (chunk := await body.readany()):
        read += chunk
    return bytes(read[:limit_bytes])


def _sent(
    body: bytes | Content, has_sent: Callable[[], None] | None
) -> bytes | AsyncGenerator[bytes | memoryview, None]:
    # The library warns of plain bytes above a megabyte, which it would send in one go.
    if isinstance(body, bytes):
        return body if len(body) <= LARGE_BYTES else _sliced(Octets(body), has_sent)
    return _sliced(body, has_sent)


async def _sliced(content: Content, has_sent: Callable[[], None] | None) -> AsyncGenerator[bytes | memoryview, None]:
    for slice_ in content:
        yield slice_
        # A socket that takes all at once would let nobody else have the loop. Twice, so that an answer that came
        # meanwhile is read: where its server has closed the connection, writing on would lose it.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if has_sent is not None:
            with contextlib.suppress(RuntimeError):  # of a clock that was stopped: the answer came before this
                has_sent()


def _with_length(request: HttpRequest) -> Mapping[str, str]:
    # What is generated has no length that the library knows; it would be sent chunked, which not all servers take.
    return {**request.headers, "Content-Length": str(len(request.body))} if request.body else request.headers


async def _until_the_loop_ends(
    kept: _Kept, kept_by_loop: dict[asyncio.AbstractEventLoop, _Kept]
) -> AsyncGenerator[None, None]:
    """Close the session when `asyncio.run` closes the async generators that are still open in its loop."""
    loop = asyncio.get_running_loop()
    try:
        yield
    finally:
        until = loop.time() + LAST_TURNS_S
        for run in list(kept.runs):
            run.leave()  # somebody still holds it, and can do nothing with it any more
        while kept.turns > 0 and loop.time() < until:
            await asyncio.sleep(0.01)  # turns that are being left: their stop call needs the session
        if kept_by_loop.get(loop) is kept:
            del kept_by_loop[loop]
        await _close(kept)


async def _close(kept: _Kept) -> None:
    _OPEN.discard(kept)
    session, kept.session = kept.session, None
    if session is not None:
        await session.close()


def _let_go(kept_by_loop: dict[asyncio.AbstractEventLoop, _Kept]) -> None:
    """Close the sessions of a transport that is gone, each in its loop if that runs."""
    for loop, kept in list(kept_by_loop.items()):
        if not loop.is_running():
            _forget(kept)
            continue
        with contextlib.suppress(RuntimeError):  # the loop may close at any moment
            loop.call_soon_threadsafe(_forget, kept)


def _forget(kept: _Kept) -> None:
    """Close a session without waiting: that its loop goes on cannot be relied on."""
    _OPEN.discard(kept)
    session, kept.session = kept.session, None
    if session is not None and session.connector is not None:
        with contextlib.suppress(RuntimeError):  # of the loop that is closed
            session.connector._close()
        session.detach()
    kept.turns = 0
    kept.runs.clear()
    if kept.keeper is not None:
        # With no turn to wait for it comes to its end here, and does not leave that to a loop that may never run.
        with contextlib.suppress(StopIteration, RuntimeError):
            kept.keeper.aclose().send(None)


@atexit.register
def _forget_all() -> None:
    for kept in list(_OPEN):
        _forget(kept)
