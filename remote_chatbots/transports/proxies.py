"""The proxy of an address, as the usual variables say."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_of(url: str) -> str | None:
    """Return the proxy that the usual variables name. Not by trust_env, which brings netrc along.

    Raises:
        ValueError: If it is none that speaks HTTP. The library would speak HTTP to it all the same.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    if not proxies or (parts.hostname and proxy_bypass(parts.hostname)):
        return None
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):
        raise ValueError("not a proxy that speaks HTTP")
    return proxy
