"""Bodies that come in and go out as a whole: JSON read and written, refusals, web pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import formatdate
from time import time
from typing import Any

from aiohttp import hdrs, web

from .fault_registry import FaultSet
from .faults import ErrorAt200, HtmlPage, TooManyRequests, Unavailable
from .profiles import Profile
from .refusals import Refusal, invalid_param

# recorded: 1.14.2/err-unknown-path
_NOT_FOUND_PAGE = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    "<p>The requested URL was not found on the server. If you entered the URL manually please check your "
    "spelling and try again.</p>\n"
)

# recorded: 1.14.2/err-nginx-504-stream
PROXY = "nginx/1.22.1"
_PROXY_PAGE = (
    "<html>\r\n<head><title>{told}</title></head>\r\n<body>\r\n<center><h1>{told}</h1></center>\r\n"
    f"<hr><center>{PROXY}</center>\r\n</body>\r\n</html>\r\n"
)
_LOGIN_PAGE = "<!doctype html>\n<html lang=en>\n<title>Sign in</title>\n<h1>Sign in to the network</h1>\n"
_REASONS = {200: "OK", 502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}

# The newer framework adds a guess at what was meant to every 404 of a known path
# (recorded: 1.14.2/err-chat-other-users-conversation, err-messages-unknown-conversation,
# err-conversations-unknown-last-id).
_SIMILAR_PATHS = {
    "/v1/chat-messages": ("/v1/chat-messages or /api/chat-messages or /v1/chat-messages/<string:task_id>/stop"),
    "/v1/messages": "/v1/messages or /v1/chat-messages or /api/messages",
    "/v1/conversations": (
        "/v1/conversations or /v1/conversations/<uuid:c_id>/variables/<uuid:variable_id> or /api/conversations"
    ),
}


async def json_body(request: web.Request) -> dict[str, Any]:
    """Return the body's JSON object.

    Raises:
        Refusal: 415 (recorded: 1.14.2/err-body-wrong-type) or 400.
    """
    if request.content_type != "application/json":
        complaint = "the request Content-Type was not 'application/json'."
        raise Refusal(415, "unsupported_media_type", f"Did not attempt to load JSON data because {complaint}")
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise Refusal(400, "bad_request", _decoder_complaint(error)) from error
    try:
        # A lone surrogate is legal JSON but no text; the database refuses it.
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise invalid_param(str(error)) from error
    return body if isinstance(body, dict) else {}


def json_or_none(raw: bytes) -> Any:
    """Return what a body says if it is JSON."""
    try:
        return json.loads(raw)
    except ValueError:
        return None


def json_response(profile: Profile, body: Mapping[str, Any] | None, *, status: int = 200) -> web.Response:
    """Return a body as the profile's server writes it."""
    content = b"null\n" if body is None else profile.json_bytes(body)
    return web.Response(body=content, status=status, headers={"Content-Type": "application/json"})


def answer_response(profile: Profile, body: Mapping[str, Any]) -> web.Response:
    """Return a whole answer, which is written another way (recorded: chat-block-1-first-turn of both ages)."""
    return web.Response(body=json.dumps(body).encode(), headers={"Content-Type": profile.answer_type})


def refusal_response(profile: Profile, path: str, refusal: Refusal) -> web.Response:
    """Return what a refused client reads."""
    body = refusal.body()
    guess = _SIMILAR_PATHS.get(path)
    if refusal.status == 404 and profile.hints_at_paths and guess:
        body["message"] += f" You have requested this URI [{path}] but did you mean {guess} ?"
    response = json_response(profile, body, status=refusal.status)
    if refusal.status == 401 and profile.challenges:
        response.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="api"'
    return response


def not_found_response() -> web.Response:
    """Return the page for a path that is not there."""
    return web.Response(text=_NOT_FOUND_PAGE, status=404, content_type="text/html", charset="utf-8")


def other_response(profile: Profile, faults: FaultSet) -> web.Response | None:
    """Return what comes in the place of the app's answer, `None` if nothing does."""
    if error := faults.one(ErrorAt200):
        return json_response(profile, {"code": error.code, "message": error.message, "status": error.status})
    if busy := faults.one(TooManyRequests):
        refusal = Refusal(429, "too_many_requests", "Too many requests. Please try again later.")
        return put_off(refusal_response(profile, "", refusal), busy)
    return other_page(faults)


def other_page(faults: FaultSet) -> web.Response | None:
    """Return the web page of whoever stands before the server, `None` if nobody does."""
    if page := faults.one(HtmlPage):
        return _page_response(page.status)
    if away := faults.one(Unavailable):
        return put_off(_page_response(503), away)
    return None


def put_off(response: web.Response, fault: TooManyRequests | Unavailable) -> web.Response:
    """Return the response with the time after which to come again."""
    if fault.retry_after_s is not None:
        moment = formatdate(time() + fault.retry_after_s, usegmt=True)
        response.headers[hdrs.RETRY_AFTER] = moment if fault.as_date else str(fault.retry_after_s)
    return response


def _page_response(status: int) -> web.Response:
    reason = _REASONS.get(status, "Error")
    text = _LOGIN_PAGE if status < 300 else _PROXY_PAGE.format(told=f"{status} {reason}")
    headers = {"Server": PROXY, "Content-Type": "text/html"}
    return web.Response(body=text.encode(), status=status, reason=reason, headers=headers)


def _decoder_complaint(error: ValueError) -> str:
    if str(error) == "Expecting value: line 1 column 1 (char 0)":
        return "Invalid JSON payload received or JSON payload is empty."
    return f"Failed to decode JSON object: {error}"
