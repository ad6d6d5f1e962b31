"""The HTTP face of the GPTBots server: routes, keys and answers. Data lives in `AgentState`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from math import ceil
from mimetypes import guess_type
from pathlib import PurePosixPath
from typing import Any

from aiohttp import hdrs, web

from .bodies import other_page, put_off
from .fault_registry import FaultSet
from .faults import ErrorAt200, JsonAnswer, TooManyRequests
from .gptbots_agents import Agent
from .gptbots_call import Call, Endpoint
from .gptbots_checks import asked_v1, asked_v2, text, user_id
from .gptbots_faults import ErrorsAt200, FlowDuplicate, FlowOnly, RateLimit, V2Missing
from .gptbots_forms import Origin, Record, answer_v1, answer_v2
from .gptbots_frames import frames_v1, frames_v2
from .gptbots_history import conversations, messages_v1, messages_v2, qa_records
from .gptbots_limiter import Limiter
from .gptbots_media import media_named
from .gptbots_ratings import detail, grade, rate, suggest, verify
from .gptbots_refusals import (
    API_OFF,
    DELETED,
    DELETED_OLDER,
    INTERNAL,
    KEY_REFUSED,
    MEDIA_SIZE,
    MEDIA_TYPE,
    NO_CREDITS,
    NO_CREDITS_TO_SEND,
    NOTHING_TO_SPEAK,
    THROTTLED,
    AgentRefusal,
    bad_parameters,
)
from .gptbots_search import bases, correlated, documents, match, references
from .gptbots_speech import heard, spoken
from .gptbots_spoiled import other_form
from .gptbots_state import AgentState
from .gptbots_stream import stream
from .gptbots_turn import AgentTurn, Asked
from .received import ReceivedRequest
from .reception import Handler, faults_here

PREFIX = "/gptbots"

_WAV = "audio/wav"
_SOUNDS = frozenset({".m4a", ".mp3", ".webm", ".mp4", ".mpga", ".wav", ".mpeg"})
_MAX_SOUND_BYTES = 25 * 1024 * 1024

# Each with the code by which it tells that the agent is gone.
_ENDPOINTS: tuple[tuple[str, str, int, Endpoint], ...] = (
    ("GET", "/v1/messages", DELETED_OLDER, messages_v1),
    ("GET", "/v2/messages", DELETED_OLDER, messages_v2),
    ("GET", "/v1/bot/conversation/page", DELETED_OLDER, conversations),
    ("GET", "/v1/message/qa/record/page", DELETED_OLDER, qa_records),
    ("POST", "/v1/message/feedback", DELETED_OLDER, rate),
    ("POST", "/v1/message/quality", DELETED_OLDER, grade),
    ("GET", "/v1/next/question", DELETED, suggest),
    ("GET", "/v1/correlate/dataset", DELETED, correlated),
    ("POST", "/v1/bot/data/references", DELETED, references),
    ("POST", "/v1/vector/match", DELETED_OLDER, match),
    ("GET", "/v1/bot/knowledge/base/page", DELETED, bases),
    ("GET", "/v1/bot/doc/query/page", DELETED, documents),
    ("GET", "/v1/api-key/verify", DELETED, verify),
    ("GET", "/v1/bot/detail", DELETED, detail),
)


class GPTBotsFace:
    """Answers HTTP requests as GPTBots does, below a prefix: Dify has paths of the same names."""

    prefix = PREFIX + "/"

    def __init__(self, state: AgentState, token_delay_s: float) -> None:
        """Put a face on a server's data.

        Args:
            state: The data.
            token_delay_s: Seconds between two pieces of text.
        """
        self._state = state
        self._token_delay_s = token_delay_s
        self._limiter = Limiter()

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        return [
            web.post(f"{PREFIX}/v1/conversation", self._create),
            web.post(f"{PREFIX}/v1/conversation/message", self._send_v1),
            web.post(f"{PREFIX}/v2/conversation/message", self._send_v2),
            web.post(f"{PREFIX}/v1/text-to-audio", self._speak),
            web.post(f"{PREFIX}/v1/audio-to-text", self._transcribe),
            web.get(f"{PREFIX}/media/{{name}}", self._media),
            *(web.route(verb, PREFIX + path, self._handler(gone, asked)) for verb, path, gone, asked in _ENDPOINTS),
        ]

    def name_of_app(self, request: web.Request) -> str | None:
        """Return whose key came with a request."""
        agent = self._agent_of(request)
        return agent.name if agent else None

    def user_in(self, received: ReceivedRequest) -> str | None:
        """Return the user that a request names, or else the one whose conversation it names."""
        body = received.body if isinstance(received.body, dict) else {}
        named = body.get("user_id") or received.query.get("user_id")
        if named:
            return str(named)
        held = body.get("conversation_id") or received.query.get("conversation_id")
        conversation = self._state.conversations.get(held) if isinstance(held, str) else None
        return conversation.user_id if conversation else None

    def instead(self, request: web.Request, faults: FaultSet) -> web.Response | None:
        """Return what comes in the place of the agent's answer."""
        missing = faults.one(V2Missing)
        if missing and request.path.startswith(f"{PREFIX}/v2/"):
            return _unknown_path(missing.status)
        if error := faults.one(ErrorAt200):
            code = error.code if isinstance(error.code, int) else INTERNAL
            return _json({"code": code, "message": error.message})
        if busy := faults.one(TooManyRequests):
            return put_off(_refusal(AgentRefusal(THROTTLED)), busy)
        limit = faults.one(RateLimit)
        if limit and (wait_s := self._limiter.wait_s(limit, self.name_of_app(request))):
            busy = TooManyRequests(retry_after_s=ceil(wait_s) if limit.tells_when else None)
            return put_off(_refusal(AgentRefusal(THROTTLED)), busy)
        return other_page(faults)

    def refused(self, _: web.Request, error: Exception) -> web.Response | None:
        """Return what a refused client reads."""
        if isinstance(error, AgentRefusal):
            return _refusal(error)
        if isinstance(error, web.HTTPMethodNotAllowed | web.HTTPNotFound):
            return _unknown_path(error.status)
        return None

    def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add nothing: no header of the platform is documented."""

    async def _create(self, request: web.Request) -> web.Response:
        agent = self._authorized(request, DELETED)
        conversation = self._state.create(agent, user_id(await _body(request)))
        return _json({"conversation_id": conversation.id})

    async def _send_v1(self, request: web.Request) -> web.StreamResponse:
        agent = self._authorized(request, DELETED_OLDER)
        turn = self._begin(agent, asked_v1(await _body(request)))
        if self._is_streamed(turn):
            return await stream(request, frames_v1(turn), faults_here(), self._token_s(turn))
        return await self._whole(turn, answer_v1(turn))

    async def _send_v2(self, request: web.Request) -> web.StreamResponse:
        agent = self._authorized(request, DELETED_OLDER)
        turn = self._begin(agent, asked_v2(await _body(request)))
        origin = Origin(self._state.agent_id(agent), self._state.library, _media_url(request))
        if self._is_streamed(turn):
            return await stream(request, frames_v2(turn, origin), faults_here(), self._token_s(turn))
        return await self._whole(turn, other_form(faults_here(), answer_v2(turn, origin)))

    async def _speak(self, request: web.Request) -> web.Response:
        agent = self._authorized(request, DELETED_OLDER)
        self._state.require_credits(agent, NO_CREDITS)
        call = self._call(request, agent, await _body(request))
        _, turn = call.turn_of(text(call.values, "id"))
        if not turn.text:
            raise AgentRefusal(NOTHING_TO_SPEAK)
        return web.Response(body=spoken(turn.text), content_type=_WAV)

    async def _transcribe(self, request: web.Request) -> web.Response:
        agent = self._authorized(request, DELETED_OLDER)
        self._state.require_credits(agent, NO_CREDITS_TO_SEND)
        file = (await request.post()).get("file")
        if not isinstance(file, web.FileField):
            raise bad_parameters("the form has no file")
        if PurePosixPath(file.filename).suffix.lower() not in _SOUNDS:
            raise AgentRefusal(MEDIA_TYPE)
        sound = file.file.read()
        if len(sound) > _MAX_SOUND_BYTES:
            raise AgentRefusal(MEDIA_SIZE)
        return _json({"text": heard(sound)})

    async def _media(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        content = media_named(self._state, name)
        if content is None:
            raise web.HTTPNotFound
        # What a system calls this type differs from one to the next.
        kind = _WAV if name.endswith(".wav") else guess_type(name)[0] or "application/octet-stream"
        return web.Response(body=content, content_type=kind)

    def _handler(self, deleted: int, endpoint: Endpoint) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            agent = self._authorized(request, deleted)
            values = await _body(request) if request.method == "POST" else request.query
            return _json(endpoint(self._call(request, agent, values)))

        return handle

    def _call(self, request: web.Request, agent: Agent, values: Mapping[str, Any]) -> Call:
        return Call(self._state, agent, values, faults_here(), _media_url(request))

    def _begin(self, agent: Agent, asked: Asked) -> AgentTurn:
        turn = self._state.begin(agent, asked)
        faults = faults_here()
        turn.output_form = "only" if faults.one(FlowOnly) else "too" if faults.one(FlowDuplicate) else "usual"
        failure = turn.script.failure
        if failure is not None and failure.after_tokens == 0:
            raise AgentRefusal(INTERNAL)
        return turn

    async def _whole(self, turn: AgentTurn, answer: Record) -> web.Response:
        if turn.asked.mode == "webhook":
            # The answer goes to an address that is set in the console, and none is. What stands here is not documented.
            return _json({"code": 0, "message": "OK"})
        await asyncio.sleep(self._token_s(turn) * len(turn.said))
        if turn.script.failure is not None:
            raise AgentRefusal(INTERNAL)
        return _json(answer)

    def _is_streamed(self, turn: AgentTurn) -> bool:
        return turn.asked.mode == "streaming" and not faults_here().one(JsonAnswer)

    def _token_s(self, turn: AgentTurn) -> float:
        return max(self._token_delay_s, turn.script.token_s)

    def _agent_of(self, request: web.Request) -> Agent | None:
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        return self._state.agent_with_key(key) if scheme.lower() == "bearer" else None

    def _authorized(self, request: web.Request, deleted: int) -> Agent:
        """Return whose key it is.

        Args:
            request: What came.
            deleted: The code by which this endpoint tells that the agent is gone.
        """
        agent = self._agent_of(request)
        if agent is None:
            raise AgentRefusal(KEY_REFUSED)
        if agent.is_deleted:
            raise AgentRefusal(deleted)
        if not agent.api_is_on:
            raise AgentRefusal(API_OFF)
        return agent


def _media_url(request: web.Request) -> str:
    return f"{request.url.origin()}{PREFIX}/media"


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
        # A lone surrogate is legal JSON but no text.
        json.dumps(body, ensure_ascii=False).encode()
    except ValueError as error:
        raise bad_parameters("the body is not JSON") from error
    if not isinstance(body, dict):
        raise bad_parameters("the body must be an object")
    return body


def _json(body: Mapping[str, Any] | list[Any], status: int = 200) -> web.Response:
    raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(body=raw, status=status, headers={"Content-Type": "application/json;charset=UTF-8"})


def _refusal(refusal: AgentRefusal) -> web.Response:
    return _json(refusal.body(), 200 if faults_here().one(ErrorsAt200) else refusal.status)


def _unknown_path(status: int) -> web.Response:
    # No page tells of a code for these.
    return web.Response(text={404: "Not Found", 405: "Method Not Allowed"}[status], status=status)
