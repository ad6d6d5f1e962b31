"""One small call to a Dify server: its request, and what of its answer is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from remote_chatbots.arguments import as_json
from remote_chatbots.errors import BotError, BotUsageError
from remote_chatbots.flow import Flow, call_json, open_reply, read_body
from remote_chatbots.framing import parse_json
from remote_chatbots.platforms.dify.errors import NAME, error_from, not_allowed, refusal
from remote_chatbots.question import half_a_character_in
from remote_chatbots.retry import RetryPolicy
from remote_chatbots.timeouts import Settings
from remote_chatbots.wire import HttpRequest, ResponseHead, json_request


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes calls with one key.

    Attributes:
        base_url: The server's API, with its version.
        headers: What every request carries. Not in `repr`: it holds the key.
        settings: Patience and sizes.
        hidden: What no error message may repeat.
    """

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    settings: Settings
    hidden: tuple[str, ...] = field(repr=False)

    def _page(self, path: str, query: Mapping[str, Any], size: int) -> Flow[tuple[list[dict[str, Any]], bool]]:
        told = yield from self._call(self.reading(path, {**query, "limit": size}))
        items = told.get("data")
        if not isinstance(items, list):
            raise not_allowed("the reply holds no list", str(told).encode(), self.hidden)
        return [one for one in items if isinstance(one, dict)], bool(told.get("has_more"))

    def read(self, path: str, query: Mapping[str, Any]) -> Flow[tuple[ResponseHead, dict[str, Any]]]:
        """Make a call that reads; return the head of its answer, and the object that it holds."""
        return self._answered(self.reading(path, query))

    def submit(self, method: str, path: str, payload: object) -> Flow[tuple[ResponseHead, dict[str, Any]]]:
        """Make a call that submits; return the head of its answer, and the object that it holds."""
        return self._answered(self._write(method, path, payload))

    def reading(self, path: str, query: Mapping[str, Any]) -> HttpRequest:
        """Return a request that reads."""
        asked = f"?{urlencode(query)}" if query else ""
        return HttpRequest("GET", f"{self.base_url}{path}{asked}", self.headers)

    def _call(self, request: HttpRequest) -> Flow[dict[str, Any]]:
        """Make a call, and return the object that it is answered with."""
        _, told = yield from self._answered(request)
        return told

    def _answered(self, request: HttpRequest) -> Flow[tuple[ResponseHead, dict[str, Any]]]:
        head, body, told = yield from call_json(
            request,
            error_of=self._error_of,
            policy=self._policy(),
            limit_bytes=self.settings.max_event_bytes,
            platform=NAME,
        )
        return head, self._checked(told, head, body)

    def _done(self, request: HttpRequest) -> Flow[dict[str, Any]]:
        """Make a call that only needs to be done, and return what was said of it.

        Recorded: an object mostly, and nothing at all after a deletion in 1.14 (status 204). In 2023, a bare word.
        """
        head = yield from open_reply(request, error_of=self._error_of, policy=self._policy())
        body = yield from read_body(self.settings.max_event_bytes, NAME)
        if not body.strip():
            return {}
        try:
            told = parse_json(body)
        except ValueError:
            raise self._error_of(head, body) from None
        return {"result": told} if isinstance(told, str) else self._checked(told, head, body)

    def _checked(self, told: Any, head: ResponseHead, body: bytes) -> dict[str, Any]:
        if not isinstance(told, dict):
            raise not_allowed("the reply is no object", body, self.hidden)
        if "code" in told and "message" in told:
            raise error_from(told, head.status, hidden=self.hidden)
        return told

    def _error_of(self, head: ResponseHead, body: bytes) -> BotError:
        if head.status < 300:
            return not_allowed("the reply is no JSON", body, self.hidden)
        return refusal(head, body, self.hidden)

    def _write(self, method: str, path: str, payload: object) -> HttpRequest:
        with as_json(NAME):
            return json_request(method, self.base_url + path, self.headers, payload)

    def _policy(self) -> RetryPolicy:
        return RetryPolicy(max_retries=self.settings.max_retries)


def known_id(id_: str) -> str:
    """Return an id.

    Raises:
        BotUsageError: If it is none.
    """
    if not isinstance(id_, str) or not id_ or set(id_) <= {"."}:
        raise BotUsageError.of(NAME, "an id is missing. Give the one that the server gave.")
    if half_a_character_in(id_):
        raise BotUsageError.of(NAME, "an id holds half a character (a lone surrogate). Give the one of the server.")
    return id_


def path_part(id_: str) -> str:
    """Return an id as a part of a path.

    Raises:
        BotUsageError: If it is none.
    """
    return quote(known_id(id_), safe="")
