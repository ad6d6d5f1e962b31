"""How long a signed address opens its file, as far as the address says. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

# Dify's FILES_ACCESS_TIMEOUT, where nobody has set another (Dify, `docker/.env.example`); the address does not tell it.
DIFY_S = 300


def expires_at(url: str) -> int | None:
    """Return the Unix time in seconds until which a signed address is good; None if it is not signed, or does not say.

    Args:
        url: An address of Dify (`timestamp`, `nonce`, `sign`: good for 300 s unless the server is set up otherwise), or
            one of an object store (`X-Amz-Date` and `X-Amz-Expires`, or `Expires` with a `Signature`).
    """
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    try:
        if {"timestamp", "nonce", "sign"} <= query.keys():
            return int(query["timestamp"]) + DIFY_S
        if "X-Amz-Date" in query:
            signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return int((signed + timedelta(seconds=int(query["X-Amz-Expires"]))).timestamp())
        return int(query["Expires"]) if "Signature" in query else None
    except (KeyError, ValueError, OverflowError):
        return None
