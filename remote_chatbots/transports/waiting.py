"""How long a thread may wait for the sockets of its calls: one moment that bounds every byte.

A socket's own time-out begins anew with each byte, and most of a reply's bytes are read inside a library: lines of the
head, lengths of chunks, trailers. So the moment is looked at where bytes leave the socket.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import threading
import time
from typing import Any


class Waiting(threading.local):
    """What the call that this thread is performing may take, and how far it is.

    Attributes:
        ends_at: No byte is waited for beyond this moment of the monotonic clock; None: no bound.
        head_ends_at, head_within_s: What bounds the reply's head, which is waited for from the connection on.
        connected: Whether there is a connection, so that something may have been sent.
    """

    ends_at: float | None = None
    head_ends_at: float | None = None
    head_within_s: float | None = None
    connected: bool = False

    def has_connected(self) -> None:
        """Note that the connection is there: from now on something may be sent."""
        self.connected = True
        self.ends_at = self.head_ends_at
        if self.head_within_s is not None:
            within = time.monotonic() + self.head_within_s
            self.ends_at = within if self.ends_at is None else min(self.ends_at, within)

    def left_s(self) -> float | None:
        """Return how much longer may be waited; None without a bound."""
        return None if self.ends_at is None else max(self.ends_at - time.monotonic(), 0.001)


WAITING = Waiting()


class ClockedSocket(io.RawIOBase):
    """A socket's bytes as a file, none of which is waited for longer than its thread may.

    Unlike the standard library's it can be read again after a wait that was in vain.

    Args:
        sock: The socket.
        held: The file that the library made of it: closing it lets go of the socket.
        begun: Bytes of the socket that had been read before.
    """

    def __init__(self, sock: socket.socket, held: io.BufferedIOBase | io.RawIOBase, begun: bytes = b"") -> None:
        self.sock = sock
        self.ended = False
        self._held = held
        self._begun = begun

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what has arrived; None if the socket does not wait and nothing has.

        Raises:
            TimeoutError: If nothing came in time.
        """
        if self._begun:
            there, self._begun = self._begun[: len(buffer)], self._begun[len(buffer) :]
            buffer[: len(there)] = there
            return len(there)
        ends_at, usual_s = WAITING.ends_at, self.sock.gettimeout()
        if ends_at is None or usual_s == 0:
            return self._received(buffer)
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self.sock.settimeout(left_s if usual_s is None else min(left_s, usual_s))
        try:
            return self._received(buffer)
        finally:
            with contextlib.suppress(OSError):  # closed meanwhile
                self.sock.settimeout(usual_s)

    def close(self) -> None:
        """Let go of the socket."""
        if not self.closed:
            super().close()
            self._held.close()

    def _received(self, buffer: Any) -> int | None:
        try:
            count = self.sock.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        self.ended = count == 0
        return count
