"""HTTP as data: what a platform asks a driver to send, and what a driver reports back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from remote_chatbots.address import on_this_machine
from remote_chatbots.values import Value

if TYPE_CHECKING:
    from remote_chatbots.contents import Content


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class HttpRequest(Value):
    """One request, complete to the byte: both drivers send the same octets.

    Attributes:
        method: "GET", "POST", …
        url: The absolute URL, query included.
        headers: Header names and values. Not in `repr`: they hold the key.
        body: The bytes to send; a `Content` where files are in it, which are sent slice by slice. Not in `repr`: they
            hold what a user wrote.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | Content = field(default=b"", repr=False)

    @property
    def host(self) -> str:
        """The host and port, as error messages name a server."""
        return urlsplit(self.url).netloc

    @property
    def hostname(self) -> str:
        """The host without the port."""
        return _hostname_of(self.host)

    @property
    def loopback(self) -> bool:
        """Whether the server is on this machine: then no proxy stands between."""
        return on_this_machine(self.hostname)


class ResponseHead(NamedTuple):
    """Status and headers of a response whose body is still to be read.

    Attributes:
        status: The HTTP status.
        headers: Header names in lower case, and their values. Not in `repr`: a server may send back what it got.
    """

    status: int
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"ResponseHead({self.status})"

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; "" if the server named none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@lru_cache  # each turn asks for the same one, twice
def _hostname_of(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


def json_request(method: str, url: str, headers: Mapping[str, str], payload: object) -> HttpRequest:
    """Return a request with a JSON body.

    Args:
        method: The HTTP method.
        url: The absolute URL.
        headers: Headers beside the content type.
        payload: What JSON can hold.

    Raises:
        TypeError: If `payload` holds something that JSON has no form for.
    """
    return HttpRequest(method, url, {**headers, "Content-Type": "application/json"}, json_bytes(payload))


def json_bytes(payload: object) -> bytes:
    """Return `payload` as JSON.

    Raises:
        TypeError: If it holds something that JSON has no form for.
    """
    return _dumps(payload)


def _dumps(payload: object) -> bytes:
    """Bring the writer in at its first use, in place of this: a face imports what its framework does, and no more."""
    global _dumps  # noqa: PLW0603
    from orjson import dumps as _dumps

    return _dumps(payload)
