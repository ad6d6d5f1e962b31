"""A lock for threads and tasks alike: no platform promises anything about two questions in one conversation at once."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from weakref import WeakValueDictionary

from remote_chatbots import BotUsageError

_BY_CONVERSATION: WeakValueDictionary[tuple[str, str], OneAtATime] = WeakValueDictionary()
_GUARD = threading.Lock()


class OneAtATime:
    """Lets one in at a time, in the order of arrival; whoever waits does not hold up an event loop."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[Future[None]] = deque()
        self._taken = False
        self._holder: asyncio.Task[Any] | int | None = None
        self._in_use: Callable[[], bool] = _always

    @classmethod
    def of(cls, bot_id: str, conversation_id: str, own: OneAtATime | None = None) -> OneAtATime:
        """Return the one lock of a conversation; `own` becomes it if there is none."""
        with _GUARD:
            return _BY_CONVERSATION.setdefault((bot_id, conversation_id), own or cls())

    @contextmanager
    def held(self, in_use: Callable[[], bool] | None = None) -> Iterator[None]:
        """Wait, blocking, and hold it for the block.

        Args:
            in_use: Whether the reader of the block's stream is still there. One that is gone is being closed.

        Raises:
            BotUsageError: If this thread or task would wait for itself.
        """
        place = self._queue()
        try:
            place.result()
        except BaseException:
            self._give_up(place)
            raise
        self._hold(in_use)
        try:
            yield
        finally:
            self._pass_on()

    @asynccontextmanager
    async def aheld(self, in_use: Callable[[], bool] | None = None) -> AsyncIterator[None]:
        """Wait, and hold it for the block: as `held`."""
        place = self._queue()
        try:
            if not place.done():
                await asyncio.wrap_future(place)
        except BaseException:
            self._give_up(place)
            raise
        self._hold(in_use)
        try:
            yield
        finally:
            self._pass_on()

    def _queue(self) -> Future[None]:
        place: Future[None] = Future()
        with self._guard:
            if not self._taken:
                self._taken = True
                place.set_result(None)
            elif self._holder == _who() and self._in_use():
                raise BotUsageError(
                    "The answer before this question is still being read, here: no second question can go into the "
                    "conversation. Read it to its end or close its generator first."
                )
            else:
                self._waiting.append(place)
        return place

    def _hold(self, in_use: Callable[[], bool] | None) -> None:
        self._holder, self._in_use = _who(), in_use or _always

    def _give_up(self, place: Future[None]) -> None:
        with self._guard:
            if place in self._waiting:
                self._waiting.remove(place)
                return
        if not place.cancelled():
            self._pass_on()  # its turn had come in the same moment

    def _pass_on(self) -> None:
        with self._guard:
            self._holder = None
            while self._waiting:
                place = self._waiting.popleft()
                if place.set_running_or_notify_cancel():
                    place.set_result(None)
                    return
            self._taken = False


def _always() -> bool:
    return True


def _who() -> asyncio.Task[Any] | int:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return task or threading.get_ident()
