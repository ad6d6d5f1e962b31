"""What the drivers say when no complete reply arrived: one wording for both."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator

from remote_chatbots.errors import (
    BotConnectError,
    BotProtocolError,
    BotTimeoutError,
    BotTruncatedError,
    BotUsageError,
    Phase,
)
from remote_chatbots.timeouts import Timeouts

ASIDE_BYTES = 64 * 1024

_MAYBE = (
    "A question may have arrived: fetch its answer by a client's recover(error), or look at the conversation's "
    "history, before you ask again."
)


def no_connection(platform: str, host: str, error: Exception) -> BotConnectError:
    """Return the error of a connection that did not come about: nothing was sent."""
    origins = list(origins_of(error))
    if any(isinstance(one, OSError) and one.errno in (errno.EMFILE, errno.ENFILE) for one in origins):
        return BotConnectError.of(
            platform,
            "no connection: this process has no files left to open. Nothing was sent. Raise `ulimit -n`, or lower "
            "max_connections.",
        )
    name = host.partition(":")[0]
    whose = {getattr(one, "host", name) for one in origins}  # aiohttp tells by it alone that a proxy's name is meant
    if any(isinstance(one, socket.gaierror) for one in origins) and whose == {name} and not through_proxy(origins):
        return BotConnectError.of(
            platform,
            f"no connection to {host}: this name is not known. Nothing was sent. Check how base_url is spelt, and "
            "that this machine's DNS works.",
        )
    return BotConnectError.of(
        platform, f"no connection to {host}. Nothing was sent. Check base_url, the network and the proxy settings."
    )


def no_trust(platform: str, host: str) -> BotConnectError:
    """Return the error of a TLS handshake that failed: nothing was sent, and trying again would not help."""
    return BotConnectError.of(
        platform,
        f"{host} could not prove by TLS who it is. Nothing was sent. Check base_url (does the server speak "
        "https:// at all?), or make its certificate authority known: REQUESTS_CA_BUNDLE for sync calls, SSL_CERT_FILE "
        "for async ones.",
        retryable=False,
    )


def unusable(platform: str, host: str, error: Exception) -> BotUsageError:
    """Return the error of an address or setting that no connection can be made with: nothing was sent."""
    return BotUsageError.of(
        platform,
        f"no connection to {host} can be made with these settings ({type(error).__name__}). Nothing was "
        "sent. Check base_url's host name; HTTPS_PROXY and its like (a socks:// one works in sync calls only, with the "
        "package PySocks); and REQUESTS_CA_BUNDLE.",
    )


def out_of_time(platform: str, phase: Phase, timeouts: Timeouts, *, sent: bool = True) -> BotTimeoutError:
    """Return the error of a clock that ran out."""
    fate = _MAYBE if sent else "Nothing was sent."
    told = {
        "connect": f"no connection within connect_s={timeouts.connect_s}. Nothing was sent. "
        "Check base_url and the network, or raise connect_s.",
        "silence": f"not a byte for silence_s={timeouts.silence_s}. {_MAYBE} Raise silence_s for a slow bot.",
        "total": f"the turn took longer than total_s={timeouts.total_s}. {fate} Raise total_s for a slow bot.",
    }[phase]
    return BotTimeoutError.of(platform, told, phase=phase, retryable=None if sent else True)


def no_slot(platform: str, max_connections: int) -> BotTimeoutError:
    """Return the error of a turn that waited in vain for others to end: nothing was sent."""
    return BotTimeoutError.of(
        platform,
        f"all max_connections={max_connections} connections were in use for too long. Nothing was sent. "
        "Raise max_connections, or ask less at once.",
        phase="connect",
    )


def origins_of(error: BaseException) -> Iterator[BaseException]:
    """Yield what an error came of, through the ways in which HTTP libraries wrap one error in another."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        further = [
            one.__cause__,
            one.__context__,
            getattr(one, "reason", None),
            getattr(one, "os_error", None),
            *one.args,
        ]
        waiting += [each for each in further if isinstance(each, BaseException)]


def through_proxy(origins: Iterable[BaseException]) -> bool:
    """Return whether it was the proxy that could not be reached."""
    return any(type(one).__name__ in ("ProxyError", "ClientProxyConnectionError") for one in origins)


def without_frames(error: BaseException) -> BaseException:
    """Return an HTTP library's `error` without the frames it arose in: their locals hold the key and the question."""
    chain: list[BaseException] = [error]
    for one in chain:
        one.__traceback__ = None
        chain += [origin for origin in (one.__cause__, one.__context__) if origin is not None and origin not in chain]
    return error


def broken(platform: str) -> BotTruncatedError:
    """Return the error of a connection that broke after something was sent."""
    return BotTruncatedError.of(platform, f"the connection broke before the reply was whole. {_MAYBE}")


def unreadable(platform: str) -> BotProtocolError:
    """Return the error of a body that is not compressed the way its head says."""
    return BotProtocolError.of(
        platform, "the reply is compressed in a way that its head does not tell. Check the proxy before the server."
    )
