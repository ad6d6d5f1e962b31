"""Addresses, keys and headers as users write them, checked and brought to one form."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from remote_chatbots.errors import BotUsageError
from remote_chatbots.user_warnings import warn_user

_NO_HEADER_VALUE = re.compile(r"[^\x21-\x7e\t\x20]")
_NO_KEY = re.compile(r"[^\x21-\x7e]")
_NO_HEADER_NAME = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
_VERSION = re.compile(r"v\d+")


def base_url_of(value: Any, *, default_version: str = "", example: str = "https://api.dify.ai/v1") -> str:
    """Return the API's base, without a trailing slash, and with a version where one belongs to it.

    Args:
        value: The address as a user writes it, with or without slash, version or the path of a call.
        default_version: The path's last part where the address names none; "" for a platform whose calls have each
            a version of their own: the base then has none.
        example: An address of the platform, for the error.

    Warns:
        UserWarning: Once a process, if the key would go unencrypted to a host that is not this machine.

    Raises:
        BotUsageError: If it is no http(s) address, or holds a user, a query or a fragment.
    """
    if not isinstance(value, str):
        raise BotUsageError(f"base_url must be a string, not {type(value).__name__}. Give a string.")
    text = value.strip()
    try:
        parts = urlsplit(text)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        port_is_one = False
    if not port_is_one or parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise BotUsageError(f"base_url is no address. Give one that begins with http:// or https://, like {example}.")
    if parts.username is not None or parts.query or parts.fragment:
        raise BotUsageError("base_url must hold no user, query or fragment. Give the address of the API alone.")
    if parts.scheme == "http" and not on_this_machine(parts.hostname):
        _warn_of_plain_http(parts.netloc.lower())
    path = [part for part in parts.path.rstrip("/").removesuffix("/chat-messages").split("/") if part]
    if not default_version:
        path = path[: next((at for at, part in enumerate(path) if _VERSION.fullmatch(part)), len(path))]
        return "/".join([f"{parts.scheme}://{parts.netloc.lower()}", *path])
    # A path that ends in /api is the API itself on servers of 2023.
    if not path or (not _VERSION.fullmatch(path[-1]) and path[-1] != "api"):
        path.append(default_version)
    return f"{parts.scheme}://{parts.netloc.lower()}/{'/'.join(path)}"


@lru_cache
def on_this_machine(hostname: str) -> bool:
    """Return whether what is sent to this host never leaves the machine."""
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost" or hostname.endswith(".localhost")


def _warn_of_plain_http(host: str) -> None:
    if host not in _WARNED_OF:
        _WARNED_OF.add(host)
        warn_user(
            f"The key goes unencrypted to {host}: whoever is on the way can read it. Use https://, or filter this "
            "warning if that network is your own.",
        )


def bot_id_of(platform: str, base_url: str, api_key: str) -> str:
    """Return what tells a bot from others: equal in every process and framework, different for two of one server.

    Raises:
        BotUsageError: If `base_url` is no http(s) address.
    """
    digest = hashlib.sha256(f"remote-chatbots\0{platform}\0{api_key}".encode()).hexdigest()
    if "://" not in base_url:
        raise BotUsageError.of(platform, "base_url is no address. Give one that begins with http:// or https://.")
    return f"{platform}:{base_url.split('/')[2]}:{digest[:12]}"


class Key(str):
    """A key, or a header that may hold one. A traceback that shows locals does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<key>"


def checked_key(value: Any, name: str) -> Key:
    """Return the key without the white space that copying adds.

    Raises:
        BotUsageError: If there is none, or it holds what no key can. The message never repeats it.
    """
    key = value = Key(value.strip()) if isinstance(value, str) else Key()
    if not key:
        raise BotUsageError(f"{name} is missing. Give {name}=….")
    if _NO_KEY.search(key):
        raise BotUsageError(f"{name} holds a space, a control character or a letter beyond ASCII. Copy it again.")
    return key


def checked_headers(headers: Any) -> dict[str, str]:
    """Return `headers` as a dictionary that a driver can send.

    Raises:
        BotUsageError: If a name or value is none that HTTP allows, or would take the place of our own.
    """
    if not isinstance(headers, Mapping):
        raise BotUsageError("default_headers must be a mapping. Give one of names to values.")
    for name, value in headers.items():
        if not isinstance(name, str) or not name or _NO_HEADER_NAME.search(name):
            raise BotUsageError("default_headers: a name is none that HTTP allows. Use letters, digits and hyphens.")
        if name.lower() in _OURS | _OF_THE_CONNECTION:
            raise BotUsageError(f"default_headers: {name} is set by the client alone. Leave it out.")
        if not isinstance(value, str) or _NO_HEADER_VALUE.search(value):
            raise BotUsageError(f"default_headers: the value of {name} is none that HTTP allows. Give one line.")
    return {name: Key(value.strip()) for name, value in headers.items()}


def sent_headers(api_key: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Return what every request to a bot carries."""
    return {
        "User-Agent": "remote-chatbots",
        **headers,
        "Authorization": Key(f"Bearer {api_key}"),
        "Accept": "text/event-stream, application/json",
        # Compressed, a stream would arrive when the compressor's buffer is full, not when a token is said.
        "Accept-Encoding": "identity",
    }


_WARNED_OF: set[str] = set()  # a bot is made anew wherever it is used
_OURS = frozenset({"authorization", "content-type", "accept", "accept-encoding"})
# What speaks of the connection, or of how a message is cut on it, is the HTTP library's to say.
_OF_THE_CONNECTION = frozenset(
    "connection content-encoding content-length expect host keep-alive proxy-authenticate proxy-authorization "
    "proxy-connection te trailer transfer-encoding upgrade".split()
)
