"""A session of requests whose waits are bounded, and that says whether anything was sent.

Imported with the first sync call, because it imports the library.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from email.errors import MissingHeaderBodySeparatorDefect
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool

from remote_chatbots.transports.waiting import WAITING, ClockedSocket


def new_session(idle_s: float) -> requests.Session:
    """Return a session whose connections are not used again after lying idle for longer than `idle_s`."""
    session = requests.Session()
    session.headers.clear()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(idle_s))
    return session


class _Response(http.client.HTTPResponse):
    """Reads as its thread may wait, skips every interim head, and takes no head that was cut off or is broken."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._clocked = ClockedSocket(sock, self.fp)
        self.fp = io.BufferedReader(self._clocked)

    def begin(self) -> None:
        super().begin()
        # Behind a line that is no header the library loses all others.
        if self._clocked.ended or any(isinstance(one, MissingHeaderBodySeparatorDefect) for one in self.msg.defects):
            self.close()
            raise http.client.IncompleteRead(b"")

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            self._close_conn()  # type: ignore[attr-defined]
            raise ValueError("a chunk of less than nothing")
        return size

    def _read_and_discard_trailer(self) -> None:
        super()._read_and_discard_trailer()  # type: ignore[misc]
        if self._clocked.ended:
            self._close_conn()  # type: ignore[attr-defined]
            raise http.client.IncompleteRead(b"")

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            told: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 < told[1] < 200 or told[1] == http.client.SWITCHING_PROTOCOLS:
                return told
            http.client.parse_headers(self.fp)


class _Adapter(HTTPAdapter):
    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._ours(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return self._ours(super().proxy_manager_for(proxy, **kwargs))

    def _ours(self, manager: Any) -> Any:
        manager.pool_classes_by_scheme = {
            scheme: _pool_like(kind, self._idle_s) for scheme, kind in manager.pool_classes_by_scheme.items()
        }
        return manager


@cache
def _pool_like(kind: type[HTTPConnectionPool], idle_s: float) -> type[HTTPConnectionPool]:
    """Return a pool as `kind` (plain, TLS, SOCKS) whose connections are ours."""
    if issubclass(kind, _OfOurs):
        return kind

    class Pool(_OfOurs, kind):  # type: ignore[misc, valid-type]
        longest_idle_s = idle_s

    return Pool


class _OfOurs:
    longest_idle_s: float

    def _new_conn(self) -> Any:
        connection = super()._new_conn()  # type: ignore[misc]
        connection.response_class = _Response
        return connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        if time.monotonic() - getattr(connection, "idle_since", time.monotonic()) > self.longest_idle_s:
            # The server may just be closing it, and a post that meets that has an unknown fate.
            connection.close()
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.idle_since = time.monotonic()
        super()._put_conn(connection)  # type: ignore[misc]

    def _validate_conn(self, connection: Any) -> None:
        # The last moment at which nothing has been sent: plain connections would be made with the first byte.
        super()._validate_conn(connection)  # type: ignore[misc]
        if connection.is_closed:
            connection.connect()
        WAITING.has_connected()
        connection.timeout = WAITING.left_s()  # the library would bound what is sent by the time to connect
