"""What a browser asks before a page of another origin may call (recorded: cors-preflight of both ages)."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web


def preflight_response(request: web.Request, methods: set[str], headers: Iterable[tuple[str, str]]) -> web.Response:
    """Return that any origin may, with the methods of the whole server.

    Args:
        request: The request.
        methods: What its path takes.
        headers: What the server shows to any origin beside.
    """
    asked = request.headers.get("Access-Control-Request-Headers", "")
    told = {
        "Allow": ", ".join(sorted({"OPTIONS", *methods})),
        "Access-Control-Allow-Origin": request.headers.get("Origin", "*"),
        "Access-Control-Allow-Methods": "DELETE, GET, OPTIONS, PATCH, POST, PUT",
        **({"Access-Control-Allow-Headers": ", ".join(one.strip() for one in asked.split(","))} if asked else {}),
    }
    return web.Response(headers=[*told.items(), *headers], content_type="text/html", charset="utf-8")
