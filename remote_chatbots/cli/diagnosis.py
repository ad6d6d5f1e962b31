"""What an error means to whoever set the bot up: its cause and its cure, in words.

The refusals: recorded err-* and *-model-fail* files of 0.15.3 and 1.14.2; GPTBots' codes as in its API reference.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import NamedTuple

from remote_chatbots.cli.ends import (
    APP_NOT_READY,
    AT_A_LIMIT,
    NO_CONNECTION,
    REFUSED_KEY,
    SERVER_FAILED,
    WRONG_ADDRESS,
    WRONG_USE,
)
from remote_chatbots.errors import (
    BotAuthError,
    BotConnectError,
    BotError,
    BotNotFoundError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
    BotTimeoutError,
    BotTruncatedError,
    BotUsageError,
)
from remote_chatbots.printable import on_a_line
from remote_chatbots.transports.faults import origins_of, through_proxy


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a bot, or on the way to it.

    Attributes:
        kind: A word for programs, e.g. "wrong_address".
        cause: What is wrong.
        cure: What to do.
        told: The error in full.
        exit_code: How the command ends.
    """

    kind: str
    cause: str
    cure: str
    told: str
    exit_code: int


class _Row(NamedTuple):
    kind: str
    exit_code: int
    error: type[BotError]
    code: str
    words: str
    cause: str
    cure: str


_STUDIO = "Open the app in Dify's studio"
_KEYS = "in Dify's studio, the app's page \"API Access\""

# The first row that fits: the error's class; the platform's code and words of the message, if the row has any.
_ROWS = tuple(_Row(*row) for row in (
    ("inputs", WRONG_USE, BotUsageError, "", "inputs:", "The app's form asks for more than was given.",
     "Give each required input by --input NAME=VALUE; they are listed above."),
    ("wrong_use", WRONG_USE, BotUsageError, "", "", "", "Correct what the message names."),
    ("redirect", WRONG_ADDRESS, BotReplyError, "", "it redirects to",
     "The address leads elsewhere, and a key never follows a redirect.",
     "Give the address that it redirects to, up to and with /v1, as --base-url."),
    ("plain_http", WRONG_ADDRESS, BotReplyError, "", "HTTP request was sent to HTTPS port",
     "The server speaks https:// at this port, and http:// was given.", "Begin --base-url with https://."),
    ("login_lost", REFUSED_KEY, BotAuthError, "unauthorized", "Authorization header must be provided",
     "The key did not arrive: something before the server takes the Authorization header away.",
     "Let the proxy pass `Authorization` on (nginx: no `proxy_set_header Authorization`)."),
    ("key", REFUSED_KEY, BotAuthError, "unauthorized", "", "The server does not know this key.",
     f"Copy the key again: {_KEYS}. A key opens the app, and the server, that made it."),
    ("api_disabled", APP_NOT_READY, BotAuthError, "forbidden", "API service has been disabled",
     "The app's API is switched off.", f"{_STUDIO}, page \"Overview\" (Monitoring), and switch \"Service API\" on."),
    ("app_gone", APP_NOT_READY, BotAuthError, "forbidden", "", "The app cannot be used by its API.",
     f"{_STUDIO}: see whether it is there, and its API is on; the message says more."),
    ("unpublished", APP_NOT_READY, BotRejectedError, "", "Workflow not published",
     "The chatflow was never published: only its draft exists.", f"{_STUDIO} and choose Publish."),
    ("unpublished", APP_NOT_READY, BotRejectedError, "app_unavailable", "",
     "The app is not published, or its settings are not complete.",
     f"{_STUDIO}, complete its settings and choose Publish."),
    ("unpublished", APP_NOT_READY, BotRejectedError, "agent_not_published", "", "The agent was never published.",
     f"{_STUDIO} and choose Publish."),
    ("no_model", APP_NOT_READY, BotRejectedError, "provider_not_initialize", "",
     "The app's model is gone, or has no credentials.",
     "In Dify, Settings > Model Provider: add the model's credentials, or choose another model for the app."),
    ("no_model", APP_NOT_READY, BotRejectedError, "model_currently_not_support", "",
     "The app's model cannot be used.", "Choose another model for the app."),
    *(("wrong_kind", APP_NOT_READY, BotRejectedError, code, "",
       "The key opens an app of another kind: one that does not chat, or lacks this call.",
       "Use the key of a chatbot, an agent or a chatflow; text generators and workflows do not chat.")
      for code in ("not_chat_app", "not_completion_app", "not_workflow_app")),
    ("too_many_requests", AT_A_LIMIT, BotRateLimitError, "", "Too many requests",
     "The app answers as many questions at once as it may.",
     "Wait and ask again; or raise the app's limit of concurrent requests in Dify (APP_MAX_ACTIVE_REQUESTS)."),
    ("too_many_requests", AT_A_LIMIT, BotRateLimitError, "", "", "The server, or a gateway, is asked too often.",
     "Wait and ask again, more slowly."),
    ("model_quota", AT_A_LIMIT, BotQuotaError, "provider_quota_exceeded", "",
     "The credit for the app's model is used up.", "Give Dify a model key of your own, or buy credit."),
    ("quota", AT_A_LIMIT, BotQuotaError, "", "", "The plan or its credit is used up; waiting a minute does not help.",
     "Change the plan, buy credit, or wait for its next period."),
    *(("model_key", SERVER_FAILED, BotServerError, "", words,
       "The model behind the app refuses Dify's key for it; your own key is fine.",
       "In Dify, Settings > Model Provider: give the model's key anew.")
      for words in ("status code 401", "Incorrect API key provided")),
    ("model_limit", SERVER_FAILED, BotServerError, "", "status code 429",
     "The model behind the app is asked too often; your own key is fine.",
     "Ask later, or raise the limit at the model's provider."),
    ("model_failed", SERVER_FAILED, BotServerError, "completion_request_error", "", "The model behind the app failed.",
     "See the model's words; ask later, or look at the model's own status page."),
    ("run_failed", SERVER_FAILED, BotServerError, "", "Run failed", "A node of the chatflow failed.",
     f"{_STUDIO}, page \"Logs\": the run says which node, and why."),
    ("run_failed", SERVER_FAILED, BotServerError, "", "the workflow failed", "A node of the chatflow failed.",
     f"{_STUDIO}, page \"Logs\": the run says which node, and why."),
    ("inputs", WRONG_USE, BotRejectedError, "invalid_param", "in input form",
     "The app's form takes other inputs than were given.", "Give them by --input NAME=VALUE, as the form has them."),
    ("request_changed", NO_CONNECTION, BotRejectedError, "unsupported_media_type", "",
     "Something before the server changed the request: it left as application/json.",
     "Let the proxy pass `Content-Type` and the body on as they are."),
    ("wrong_address", WRONG_ADDRESS, BotRejectedError, "method_not_allowed", "",
     "The address is that of another call, or the server is too old for this one.",
     "Give the API's base as --base-url: it usually ends in /v1."),
    # GPTBots.
    ("key", REFUSED_KEY, BotAuthError, "40127", "",
     "The key is unknown in this region: it is wrong, or belongs to another region.",
     "Give the region of the agent as --base-url: sg, th, jp or cn. Or copy the key again: Integration > API."),
    ("key", REFUSED_KEY, BotAuthError, "40107", "", "The key has expired.", "Make a new one: Integration > API."),
    ("key", REFUSED_KEY, BotAuthError, "40113", "", "The key is another agent's.",
     "Use the agent's own key: Integration > API."),
    ("api_disabled", APP_NOT_READY, BotAuthError, "20055", "", "The agent's API is switched off.",
     "Switch it on in GPTBots: Integration > API."),
    *(("app_gone", APP_NOT_READY, BotNotFoundError, code, "", "The agent is not there any more.",
       "Use the key of an agent that is there.") for code in ("20059", "40378")),
    ("unpublished", APP_NOT_READY, BotRejectedError, "AGENT_WORKFLOW_PUBLISHED_NOT_EXIST", "",
     "The agent was never published.", "Publish it in GPTBots."),
    ("no_model", APP_NOT_READY, BotRejectedError, "50101", "", "The agent's model has no credentials.",
     "Choose another model in GPTBots, or give its credentials."),
    # What no code tells: pages of proxies, other servers.
    ("not_an_api", WRONG_ADDRESS, BotProtocolError, "", "", "What answers there is no bot's API, but a web page.",
     "Give the API's base as --base-url (for Dify it usually ends in /v1), not the address of a page."),
    ("compression", NO_CONNECTION, BotProtocolError, "", "compressed", "A proxy compresses what it should not.",
     "Switch its compression off for this server."),
    ("proxy_refuses", NO_CONNECTION, BotAuthError, "", "no JSON", "A proxy or a firewall before the server refuses.",
     "Ask whoever runs it to let this machine through; the page below is its word."),
    *(("wrong_address", WRONG_ADDRESS, BotReplyError, "", f"{status} without a code",
       "There is no such API at this address.",
       "Give the API's base as --base-url: for Dify it usually ends in /v1, for GPTBots it is a region.")
      for status in (404, 405)),
    ("proxy_gave_up", SERVER_FAILED, BotServerError, "", "504 without a code",
     "A proxy before the server waited too short a time: a bot may be silent for minutes.",
     "Raise its time-out (nginx: proxy_read_timeout 3600s; proxy_buffering off)."),
    ("server_down", SERVER_FAILED, BotServerError, "", "502 without a code",
     "A proxy answers, and the server behind it does not.",
     "See whether the server runs, and whether the proxy knows its address."),
    ("server_down", SERVER_FAILED, BotServerError, "", "503 without a code", "The server is down, or starts just now.",
     "Wait a little; then see whether the server runs."),
    ("silence", NO_CONNECTION, BotTimeoutError, "", "silence_s", "The server takes connections and says nothing.",
     "See whether it runs and is not overloaded; --timeout gives it more time."),
    ("no_answer", NO_CONNECTION, BotTimeoutError, "", "", "No connection came about in time.",
     "Check the address and port, and whether a firewall drops what goes there."),
    ("broken", NO_CONNECTION, BotTruncatedError, "", "", "The connection broke before the reply was whole.",
     "See whether a proxy cuts it, the server restarts, or https:// is spoken there and http:// was given."),
    # What is left, by its class.
    ("key", REFUSED_KEY, BotAuthError, "", "", "The key is refused.",
     "Check the key, and what stands before the server."),
    ("not_found", APP_NOT_READY, BotNotFoundError, "", "", "What was asked for is not there, or is another user's.",
     "Check the ids; and --base-url, if this is not the server you meant."),
    ("request_refused", APP_NOT_READY, BotRejectedError, "", "", "The server does not take the request as it is.",
     "Correct what the message names."),
    ("server_failed", SERVER_FAILED, BotServerError, "", "", "The server failed.",
     "Look at the server's log; the same may work later."),
    ("refused", SERVER_FAILED, BotError, "", "", "It did not work.", "See the message."),
))  # fmt: skip

_DATASET_KEY = _Row(
    "dataset_key", REFUSED_KEY, BotAuthError, "", "", "This is the key of a knowledge base, and an app was asked.",
    f"Use the app's key (\"app-…\"): {_KEYS}. To search knowledge bases with this key, give it with a dataset_id to "
    "DifyKnowledgeRetriever or DifyKnowledge.",
)  # fmt: skip


def diagnosed(error: BotError, api_key: str = "") -> Problem:
    """Return what an error means.

    Args:
        error: What came of a call.
        api_key: The key that was used; only its kind is looked at, and nothing of it is told.
    """
    message = on_a_line(error.message)
    if isinstance(error, BotConnectError):
        kind, cause, cure = _of_connection(error)
        return Problem(kind, cause, cure, message, NO_CONNECTION)
    if isinstance(error, BotAuthError) and error.code == "unauthorized" and api_key.startswith("dataset-"):
        row = _DATASET_KEY
    else:
        code = error.code if isinstance(error, BotReplyError) else ""
        words = _worded(error, message)
        row = next(
            row for row in _ROWS
            if isinstance(error, row.error) and row.code in ("", code) and row.words in words
        )  # fmt: skip
    return Problem(row.kind, row.cause or message, row.cure, message, row.exit_code)


def _worded(error: BotError, message: str) -> str:
    """Return the message as rows look for it: of what comes from no platform, with the status in one form."""
    if isinstance(error, BotReplyError) and not error.code:
        return f"{error.http_status} without a code: {message}"
    return message


def _of_connection(error: BotConnectError) -> tuple[str, str, str]:
    """Return what is known of a connection that did not come about, by what the HTTP library was told."""
    origins = list(origins_of(error))
    if through_proxy(origins):
        return "proxy", "The proxy that the environment names does not answer.", (
            "Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the server in NO_PROXY."
        )  # fmt: skip
    if any(isinstance(one, socket.gaierror) for one in origins):
        return (
            "dns",
            "The name of the server is not known.",
            "Check how --base-url is spelt, and that this machine's DNS works.",
        )
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in origins):
        return "tls_certificate", "The server's certificate is not trusted here.", (
            "Let REQUESTS_CA_BUNDLE name a file with its certificate authority (and SSL_CERT_FILE, for async code); or "
            "give the name that stands in the certificate."
        )  # fmt: skip
    if any(isinstance(one, ssl.SSLError) for one in origins):
        return (
            "no_tls",
            "What answers at this port speaks no TLS.",
            "Begin --base-url with http://, or give the right port.",
        )
    if any(isinstance(one, ConnectionRefusedError) for one in origins):
        return "refused", "Nothing listens at this address and port.", (
            "See whether the server runs, and whether the port is right."
        )  # fmt: skip
    return "unreachable", "The server cannot be reached.", "Check the network, the address, and the proxy settings."
