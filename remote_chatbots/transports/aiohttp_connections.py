"""The connections of aiohttp: which are used again, and how long one may be silent."""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

# What is called when the request that a task makes has a connection. The library's own signals say it too, and cost a
# tenth of a turn; a context variable would live on in all callbacks of the connection's.
HAS_CONNECTED: dict[asyncio.Task[Any] | None, Callable[[], None]] = {}


def connector_of(library: Any) -> Any:
    """Return a connector of aiohttp's that tells of each connection, and uses none again that has ended.

    One on which bytes came that nobody asked for has ended as well: what follows would be read as the next answer.
    """
    protocol = _protocol_of(library.client_proto.ResponseHandler)

    class Connector(library.TCPConnector):  # type: ignore[misc]
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self._factory = partial(protocol, loop=self._loop)

        async def connect(self, *args: Any, **kwargs: Any) -> Any:
            while (connection := await super().connect(*args, **kwargs)).protocol.used:
                if not await _has_ended(connection.protocol):
                    break
                connection.close()
            connection.protocol.used = True
            HAS_CONNECTED[asyncio.current_task()]()
            return connection

    return Connector


async def _has_ended(protocol: Any) -> bool:
    if _has_news(protocol.transport.get_extra_info("socket")):
        # What it is shows once the loop has looked, and has then told the protocol.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return not protocol.is_connected() or protocol.should_close


def _has_news(socket: Any) -> bool:
    """Return whether bytes, or the server's farewell, wait in a socket."""
    if sys.platform == "win32":
        return bool(select.select([socket], [], [], 0)[0])
    poll = select.poll()  # without the other's limit of 1,024 files
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


def _protocol_of(handler: Any) -> Any:
    """Return a protocol that, where a reply breaks HTTP's rules, hands on what came before, and then says so at once.

    The library's own loses a head whose body begins with a fault, and leaves whoever reads the body waiting for good.
    """

    class Patient(handler):  # type: ignore[misc]
        used = False
        _heard_at = 0.0

        def data_received(self, data: bytes) -> None:
            if self._payload is None or self._payload.is_eof():
                # The parser gives nothing at all of a read in which it finds a fault.
                head, blank, rest = data.partition(b"\r\n\r\n")
                if rest:
                    super().data_received(head + blank)
                    data = rest
            super().data_received(data)

        def resume_reading(self, *args: Any, **kwargs: Any) -> None:
            # The library asks for it with each chunk that is taken. Where nothing was paused, that costs a fifth of all
            # that is done for an event.
            if self._reading_paused:
                super().resume_reading(*args, **kwargs)

        def _reschedule_timeout(self) -> None:
            # The library sets a new clock with each read. This one is set once, and goes on for as long as something
            # was heard meanwhile.
            self._heard_at = self._loop.time()
            if self._read_timeout and self._read_timeout_handle is None:
                self._listen(self._read_timeout)

        def _listen(self, seconds: float) -> None:
            self._read_timeout_handle = self._loop.call_later(seconds, self._on_read_timeout)

        def _on_read_timeout(self) -> None:
            left_s = self._heard_at + self._read_timeout - self._loop.time()
            if left_s > 0:
                self._listen(left_s)
            else:
                super()._on_read_timeout()

        def set_exception(self, exc: BaseException, *cause: Any) -> None:
            super().set_exception(exc, *cause)
            body = self._payload
            if body is not None and not body.is_eof() and body.exception() is None:
                body.set_exception(exc)

    return Patient
