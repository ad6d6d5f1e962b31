"""The proxy of an address, as the usual variables say."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_of(url: str) -> str | None:
    """Return the proxy that the usual variables name. Not by trust_env, which brings netrc along."""
    parts = urlsplit(url)
    proxies = getproxies()
    if not proxies or (parts.hostname and proxy_bypass(parts.hostname)):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")
