"""What every platform's refusal has in common: how it is read from a response, and how it is worded."""

from __future__ import annotations

from math import ceil
from typing import Any

from remote_chatbots.errors import BotReplyError, BotServerError
from remote_chatbots.framing import parse_json
from remote_chatbots.redaction import on_one_line, shown, without_secrets
from remote_chatbots.retry import retry_after_s
from remote_chatbots.wire import ResponseHead


def said_in(body: bytes) -> dict[str, Any] | None:
    """Return the object that a body holds; None if it holds none."""
    try:
        told = parse_json(body)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def said_instead(head: ResponseHead, body: bytes, hidden: tuple[str, ...]) -> dict[str, Any] | None:
    """Return what stands for the platform's own words: where a redirect leads, what is no JSON; None if they are there.

    Args:
        head: The response's head.
        body: Its body.
        hidden: What a message must not repeat: the key, the question.
    """
    if 300 <= head.status < 400 and "location" in head.headers:
        return {"message": f"it redirects to {head.headers['location'].partition('?')[0]}"}
    if said_in(body) is None:
        return {"message": f"no JSON: {shown(body, hidden)}"} if body else {}
    return None


def known_of(head: ResponseHead, hidden: tuple[str, ...]) -> dict[str, Any]:
    """Return the attributes of an error that stand in the response's head."""
    wait_s = retry_after_s(head.headers.get("retry-after", ""))
    request_id = head.headers.get("x-trace-id", "") or head.headers.get("x-request-id", "")
    return {
        "request_id": without_secrets(request_id, hidden),
        "retry_after_s": wait_s,
        "retryable": _retryable(head.status, wait_s),
    }


def refused(
    kind: type[BotReplyError], cure: str, *, platform: str, status: int, code: str, message: str, **known: Any
) -> BotReplyError:
    """Return the error.

    Args:
        kind: Its class.
        cure: What to do, as the message ends.
        platform: With which it begins.
        status: The HTTP status; 0 if there was none.
        code: The platform's code; "" if there was none.
        message: The platform's sentence; "" if there was none.
        **known: More attributes of the error.
    """
    head = on_one_line(f"{status or ''} {code}") or "error"
    if kind is not BotServerError and known.get("retryable"):
        known["retryable"] = None  # by its nature
    wait_s = known.get("retry_after_s")
    asked = f"It asks to wait for {ceil(wait_s)} s. " if wait_s else ""
    told = f"{head}: {message or 'no reason given.'} {asked}{cure}"
    return kind.of(platform, told, http_status=status, code=code, **known)


def _retryable(status: int, wait_s: float | None) -> bool | None:
    """Return whether an answer's status says that nothing was done with the message; None: its class says so."""
    if status == 503 and wait_s is not None:
        return True  # given before anything was done; one that names no time may be a proxy's word of a lost answer
    # Whatever the body of another 5xx calls itself: the server may have failed over an answer that it began.
    return False if status >= 500 and status != 503 else None
