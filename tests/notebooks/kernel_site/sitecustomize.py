"""Python imports this at the start of every kernel of these tests: nothing but this machine can be reached from it."""

from __future__ import annotations

import socket
import sys
import weakref
from typing import Any

_OURS = ("127.0.0.1", "::1", "localhost")
_bound: list[weakref.ref[Any]] = []


def _loopback_only(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.bind":
        _bound.append(weakref.ref(args[0]))
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        _check(args[1])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _check((args[0],))


def _check(address: Any) -> None:
    # Sockets of other kinds have addresses of other kinds, and do not leave the machine.
    if not isinstance(address, tuple) or not address[0]:
        return
    host = address[0].decode() if isinstance(address[0], bytes) else address[0]
    if host not in _OURS:
        raise PermissionError(f"notebooks reach nothing but this machine, and not {host}")


def left_open() -> list[Any]:
    """Return the addresses at which a server that this process started still listens."""
    sockets = [bound for reference in _bound if (bound := reference()) is not None and bound.fileno() != -1]
    return [bound.getsockname() for bound in sockets if bound.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]


sys.addaudithook(_loopback_only)
