"""GPTBots' refusals, as errors of ours: one table from the platform's code to class.

Codes: GPTBots API reference, "Send message" (both versions), "Create conversation", "Get correlated dataset",
"Speech". Which HTTP status goes with a code is documented nowhere, and a refusal may come under HTTP 200.
"""

from __future__ import annotations

from typing import Any

from remote_chatbots.errors import (
    BotAuthError,
    BotNotFoundError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
)
from remote_chatbots.platforms.gptbots.values import count
from remote_chatbots.reading import mapping
from remote_chatbots.redaction import plain, shown, without_secrets
from remote_chatbots.refusals import known_of, refused, said_in, said_instead
from remote_chatbots.wire import ResponseHead

NAME = "gptbots"
# The frames of a stream have codes below this; from here on a code is an error's.
FIRST_ERROR_CODE = 20000
WRAPPED_ERROR = "-50000"
_FINE = ("0", "200")

_KEY = "Check api_key, and that base_url is the region that the key belongs to."
_SETTINGS = "Change the agent's settings in GPTBots."
_CREDITS = "Buy credits, or wait for the plan's next period."
_AGENT = "Use the key of an agent that is there."
_FILE = "Send a file of a type and size that the agent takes."
_VERSIONS = "Look at the agent's versions in GPTBots."

ERROR_TABLE: dict[str, tuple[type[BotReplyError], str]] = {
    "40000": (BotRejectedError, "Correct the request: text, files, options, or the form of user."),
    "40001": (BotRateLimitError, "Wait and ask again."),
    "40005": (BotRejectedError, "Ask for an earlier page."),
    "40107": (BotAuthError, "The key has expired: make a new one."),
    "40113": (BotAuthError, "The key has no access to this agent: use the agent's own."),
    "40127": (BotAuthError, _KEY),
    "20055": (BotAuthError, "Switch the agent's API on in GPTBots, under Integration."),
    "40353": (BotQuotaError, "The plan does not include this: change the plan."),
    "20022": (BotQuotaError, _CREDITS),
    "40379": (BotQuotaError, _CREDITS),
    "COIN_NOT_ENOUGH": (BotQuotaError, _CREDITS),
    "40356": (BotNotFoundError, "Begin a new conversation: the agent remembers nothing of this one."),
    "40358": (BotNotFoundError, "Use the key of the agent, and the user, that the conversation was begun with."),
    "20059": (BotNotFoundError, _AGENT),
    "40378": (BotNotFoundError, _AGENT),
    "AGENT_WORKFLOW_PUBLISHED_NOT_EXIST": (BotRejectedError, "Publish the agent in GPTBots."),
    "40364": (BotRejectedError, "Leave the pictures out, or give the agent a model that takes them."),
    "20040": (BotRejectedError, "Shorten the question, or raise the agent's limit."),
    "40325": (BotRejectedError, _FILE),
    "40326": (BotRejectedError, _FILE),
    "40332": (BotRejectedError, "Name fewer documents: at most 10 in one call."),
    "40371": (BotRejectedError, "There is nothing to speak: choose an answer with text."),
    "200116": (BotRejectedError, _SETTINGS),
    "200222": (BotRejectedError, _SETTINGS),
    "50101": (BotRejectedError, "Give the agent a model whose credentials are set."),
    "40343": (BotRejectedError, _VERSIONS),
    **dict.fromkeys(("403200", "403201", "403202", "403203", "403204", "403215"), (BotRejectedError, _VERSIONS)),
    "50000": (BotServerError, "Look at the conversation's history before you ask again: the question may be there."),
}
# Without a code that is known: by HTTP status alone (gateways, newer servers).
STATUS_TABLE: dict[int, tuple[type[BotReplyError], str]] = {
    401: (BotAuthError, _KEY),
    402: (BotQuotaError, _CREDITS),
    403: (BotAuthError, "Check api_key, and whether a proxy before the server refuses."),
    404: (BotNotFoundError, "Check base_url: the address of a region, without a version."),
    405: (BotRejectedError, "Check base_url: the address of a region, without a version."),
    408: (BotServerError, "Ask again later."),
    413: (BotRejectedError, "Send less."),
    429: (BotRateLimitError, "Wait and ask again."),
}
_REDIRECT = (BotReplyError, "Give the address it redirects to as base_url: a key never follows a redirect.")
_OTHER_4XX = (BotRejectedError, "Correct the request.")
_OTHER = (BotServerError, "The server, or a proxy before it, failed: look at the conversation's history, ask later.")


def code_of(told: dict[str, Any]) -> str:
    """Return the platform's code of a refusal, as text; "" for what is none.

    Args:
        told: A body, or a frame of a stream. A refusal has `code` and `message` (or `msg`), or both inside `error`.
    """
    code = _code(mapping(told.get("error")).get("code", told.get("code")))
    if code == WRAPPED_ERROR:
        code = _code(mapping(told.get("payload") or told.get("data")).get("originalCode")) or code
    return code


def refusal(head: ResponseHead, body: bytes, hidden: tuple[str, ...] = ()) -> BotReplyError | BotProtocolError:
    """Return the error that a response means: its status says no, its body does, or it is nothing that was asked for.

    Args:
        head: The response's head.
        body: Its body, as far as it could be read.
        hidden: What the message must not repeat: the key, the question.
    """
    told = said_in(body)
    if head.status < 300 and not (told and (code_of(told) or told.get("error"))):
        return not_allowed("the reply is not what was asked for", body, hidden)
    told = said_instead(head, body, hidden) or told or {}
    return error_from(told, head.status, hidden=hidden, **known_of(head, hidden))


def error_from(told: dict[str, Any], status: int, *, hidden: tuple[str, ...] = (), **known: Any) -> BotReplyError:
    """Return the error that a refusal means, in a body or in a frame.

    Args:
        told: The body or the frame.
        status: The HTTP status; 0 for a frame.
        hidden: What the message must not repeat: the key, the question.
        **known: More attributes of the error.
    """
    code = without_secrets(code_of(told), hidden)
    places = (mapping(told.get("error")), mapping(told.get("payload")), mapping(told.get("data")), told)
    words = [place.get(key) for place in places for key in ("message", "msg", "detail")]
    message = next(filter(None, (plain(word, hidden) for word in (*words, told.get("error")))), "")
    kind, cure = ERROR_TABLE.get(code) or _by_status(status if status >= 300 else _status_in(told, code))
    return refused(kind, cure, platform=NAME, status=status, code=code, message=message, **known)


def not_allowed(what: str, data: bytes, hidden: tuple[str, ...] = ()) -> BotProtocolError:
    """Return the error of a reply that no GPTBots server makes."""
    return BotProtocolError.of(
        NAME,
        f"{what}: {shown(data, hidden)}. Check that base_url is the address of a GPTBots region, and not a web "
        "page or another service.",
    )


def of_another() -> BotProtocolError:
    """Return the error of a frame that names another answer than its turn's.

    GPTBots API reference, "Send message v2": a message has one answer, also of several components, and one id.
    """
    return BotProtocolError.of(
        NAME,
        "a frame of the stream is another answer's: its message_id is not this one's. It was not taken. Check "
        "the proxy before the server: it may mix replies.",
    )


def _code(value: Any) -> str:
    code = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return "" if code in _FINE else code


def _status_in(told: dict[str, Any], code: str) -> int:
    """Return the HTTP status that a refusal speaks of, where its response had none of the kind."""
    named = (mapping(told.get("error")).get("status"), told.get("status"), code)
    return next((status for one in named if 400 <= (status := count(one) or 0) < 600), 0)


def _by_status(status: int) -> tuple[type[BotReplyError], str]:
    if 300 <= status < 400:
        return _REDIRECT
    return STATUS_TABLE.get(status) or (_OTHER_4XX if 400 <= status < 500 else _OTHER)
