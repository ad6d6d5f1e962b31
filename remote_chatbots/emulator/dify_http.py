"""The HTTP face of the Dify server: routes, keys, bodies and errors. Data lives in `State`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from .apps import App
from .dify_events import Event
from .dify_history import conversations_page, messages_page
from .dify_requests import (
    ANONYMOUS_USER,
    chat_request,
    conversation_page,
    message_page,
    user_of,
)
from .dify_stream import Collector, EventStream, Player, Timing
from .ids import Ids
from .profiles import Profile
from .received import ReceivedRequest, redacted
from .refusals import Refusal, invalid_param, unauthorized
from .state import ChatRequest, State
from .turn import Turn

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MAX_BODY_BYTES = 64 * 1024 * 1024

# recorded: 1.14.2/err-unknown-path
_NOT_FOUND_PAGE = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    "<p>The requested URL was not found on the server. If you entered the URL manually please check your "
    "spelling and try again.</p>\n"
)

# The framework adds a guess at what was meant to every 404 of a known path
# (recorded: 1.14.2/err-chat-other-users-conversation, err-messages-unknown-conversation,
# err-conversations-unknown-last-id).
_SIMILAR_PATHS = {
    "/v1/chat-messages": ("/v1/chat-messages or /api/chat-messages or /v1/chat-messages/<string:task_id>/stop"),
    "/v1/messages": "/v1/messages or /v1/chat-messages or /api/messages",
    "/v1/conversations": (
        "/v1/conversations or /v1/conversations/<uuid:c_id>/variables/<uuid:variable_id> or /api/conversations"
    ),
}


class DifyFace:
    """Answers HTTP requests as Dify does."""

    def __init__(
        self,
        state: State,
        ids: Ids,
        profile: Profile,
        timing: Timing,
        received: list[ReceivedRequest],
    ) -> None:
        """Put a face on a server's data.

        Args:
            state: The data.
            ids: Gives ids to what the history shows.
            profile: Which age of the wire to speak.
            timing: How fast.
            received: Every request is appended to it.
        """
        self._state = state
        self._ids = ids
        self._profile = profile
        self._timing = timing
        self._player = Player(profile, timing)
        self._received = received
        self._at_work: set[asyncio.Task[Any]] = set()

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application(middlewares=[self._record, self._refuse], client_max_size=_MAX_BODY_BYTES)
        application.add_routes(
            [
                web.get("/v1/", self._welcome),
                web.get("/v1/info", self._info),
                web.get("/v1/parameters", self._parameters),
                web.get("/v1/messages", self._messages),
                web.get("/v1/conversations", self._conversations),
                web.post("/v1/chat-messages", self._chat_messages),
                web.post("/v1/chat-messages/{task_id}/stop", self._stop),
            ]
        )
        application.on_response_prepare.append(self._add_headers)
        application.on_shutdown.append(self._leave_work)
        return application

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        app = self._app_of(request)
        self._received.append(
            ReceivedRequest(
                method=request.method,
                path=request.path,
                query=dict(request.query),
                app=app.name if app else None,
                headers=redacted(request.headers),
                body=_json_or_none(await request.read()),
            )
        )
        task = asyncio.current_task()
        assert task is not None
        self._at_work.add(task)
        try:
            return await handler(request)
        finally:
            self._at_work.discard(task)

    @web.middleware
    async def _refuse(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            return _refusal_response(request, refusal)
        except web.HTTPMethodNotAllowed as refused:
            # recorded: 1.14.2/err-get-chat-messages
            message = "The method is not allowed for the requested URL."
            body = {"code": "method_not_allowed", "message": message, "status": refused.status}
            return _json_response(body, status=refused.status)
        except web.HTTPNotFound as refused:
            page = _NOT_FOUND_PAGE
            return web.Response(text=page, status=refused.status, content_type="text/html", charset="utf-8")

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers["Server"] = "gunicorn"
        if request.keep_alive:
            headers["Connection"] = "keep-alive"
        origin = request.headers.get("Origin")
        if request.match_info.http_exception is None:
            headers["Access-Control-Allow-Origin"] = origin or "*"
            headers["Access-Control-Expose-Headers"] = "X-Env, X-Trace-Id, X-Version"
        headers["X-Version"] = self._profile.server_version
        headers["X-Env"] = "PRODUCTION"
        headers["Vary"] = "Origin, Cookie" if origin else "Cookie"

    async def _leave_work(self, _: web.Application) -> None:
        # Some turns have no client any more and would go on for minutes.
        tasks = list(self._at_work)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _welcome(self, _: web.Request) -> web.Response:
        version = self._profile.server_version
        return _json_response({"welcome": "Dify OpenAPI", "api_version": "v1", "server_version": version})

    async def _info(self, request: web.Request) -> web.Response:
        return _json_response(self._authorized_app(request).info())

    async def _parameters(self, request: web.Request) -> web.Response:
        return _json_response(self._authorized_app(request).parameters())

    async def _messages(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        conversation_id, page = message_page(request.query)
        if conversation_id is None:
            return _json_response({"limit": page.limit, "has_more": False, "data": []})
        conversation = self._state.conversation(app, _user_in_query(request), conversation_id)
        return _json_response(messages_page(app, conversation.messages, page, self._ids))

    async def _conversations(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        page = conversation_page(request.query)
        held = self._state.conversations(app, _user_in_query(request))
        return _json_response(conversations_page(held, page))

    async def _stop(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        user = user_of(await _json_body(request))
        self._state.stop(app, user, request.match_info["task_id"])
        return _json_response({"result": "success"})

    async def _chat_messages(self, request: web.Request) -> web.StreamResponse:
        app = self._authorized_app(request)
        asked = chat_request(await _json_body(request))
        if asked.streaming and app.is_chatflow:
            return await self._chatflow_stream(request, app, asked)
        turn = self._state.begin(app, asked)
        if asked.streaming:
            return await self._stream(turn, EventStream(request, self._profile))
        return await self._blocking(turn)

    async def _chatflow_stream(self, request: web.Request, app: App, asked: ChatRequest) -> web.StreamResponse:
        stream = EventStream(request, self._profile)
        await stream.ping()
        try:
            turn = self._state.begin(app, asked)
        except Refusal:
            # The run begins in a worker, and nobody tells the client that it did not begin
            # (recorded: 1.14.2/err-unknown-conversation-chatflow-stream,
            # err-required-input-missing-chatflow-stream).
            await stream.hold_open(self._timing.idle_limit_s)
            return stream.response
        await self._stream(turn, stream)
        await stream.hold_open(self._timing.held_open_s)
        return stream.response

    async def _stream(self, turn: Turn, stream: EventStream) -> web.StreamResponse:
        try:
            await self._player.play(turn, stream)
        finally:
            self._state.end(turn)
        return stream.response

    async def _blocking(self, turn: Turn) -> web.Response:
        collector = Collector()
        try:
            await self._player.play(turn, collector)
        finally:
            self._state.end(turn)
        # Other bodies are compact and end with a line end (recorded: 1.14.2/chat-block-1-first-turn).
        text = json.dumps(_blocking_body(turn, collector.events))
        return web.Response(text=text, content_type="application/json", charset="utf-8")

    def _app_of(self, request: web.Request) -> App | None:
        key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")[2]
        return self._state.app_with_key(key)

    def _authorized_app(self, request: web.Request) -> App:
        scheme, space, _ = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if not space:
            raise unauthorized("Authorization header must be provided and start with 'Bearer'")
        if scheme.lower() != "bearer":
            raise unauthorized("Authorization scheme must be 'Bearer'")
        app = self._app_of(request)
        if app is None:
            raise unauthorized("Access token is invalid")
        return app


def _blocking_body(turn: Turn, events: list[Event]) -> dict[str, Any]:
    """Make one body of a whole turn, or refuse (recorded: 1.14.2/chatflow-block-model-fail500)."""
    for event in events:
        if event["event"] == "error":
            raise Refusal(event["status"], event["code"], event["message"])
        if event["event"] == "workflow_finished" and event["data"]["status"] == "failed":
            raise invalid_param(f"Run failed: {event['data']['error']}")
    metadata = next(event["metadata"] for event in events if event["event"] == "message_end")
    message = turn.message
    return {
        "event": "message",
        "task_id": turn.task_id,
        "id": message.id,
        "message_id": message.id,
        "conversation_id": message.conversation_id,
        "mode": turn.app.mode,
        "answer": message.answer,
        "metadata": metadata,
        "created_at": message.created_at,
    }


def _user_in_query(request: web.Request) -> str:
    return request.query.get("user") or ANONYMOUS_USER


async def _json_body(request: web.Request) -> dict[str, Any]:
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


def _decoder_complaint(error: ValueError) -> str:
    if str(error) == "Expecting value: line 1 column 1 (char 0)":
        return "Invalid JSON payload received or JSON payload is empty."
    return f"Failed to decode JSON object: {error}"


def _json_or_none(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _refusal_response(request: web.Request, refusal: Refusal) -> web.Response:
    message = refusal.message
    if refusal.status == 404:
        guess = _SIMILAR_PATHS[request.path]
        message = f"{message} You have requested this URI [{request.path}] but did you mean {guess} ?"
    response = _json_response(
        {"code": refusal.code, "message": message, "status": refusal.status}, status=refusal.status
    )
    if refusal.status == 401:
        response.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="api"'
    return response


def _json_response(body: dict[str, Any], *, status: int = 200) -> web.Response:
    """Write JSON as Dify's framework does: compact, ASCII, `/` escaped, a line end after it."""
    text = json.dumps(body, separators=(",", ":")).replace("/", "\\/") + "\n"
    return web.Response(body=text.encode(), status=status, headers={"Content-Type": "application/json"})
