"""The HTTP face of the GPTBots server: routes, keys and answers. Data lives in `AgentState`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import hdrs, web

from .bodies import other_page, put_off
from .fault_registry import FaultSet
from .faults import ErrorAt200, JsonAnswer, TooManyRequests
from .gptbots_agents import Agent
from .gptbots_checks import asked_v1, asked_v2, user_id
from .gptbots_forms import Record, answer_v1, answer_v2
from .gptbots_frames import frames_v1, frames_v2
from .gptbots_refusals import (
    API_OFF,
    DELETED,
    DELETED_OLDER,
    INTERNAL,
    KEY_REFUSED,
    THROTTLED,
    AgentRefusal,
    bad_parameters,
)
from .gptbots_state import AgentState
from .gptbots_stream import stream
from .gptbots_turn import AgentTurn, Asked
from .received import ReceivedRequest
from .reception import faults_here

PREFIX = "/gptbots"


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

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        return [
            web.post(f"{PREFIX}/v1/conversation", self._create),
            web.post(f"{PREFIX}/v1/conversation/message", self._send_v1),
            web.post(f"{PREFIX}/v2/conversation/message", self._send_v2),
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

    def instead(self, _: web.Request, faults: FaultSet) -> web.Response | None:
        """Return what comes in the place of the agent's answer."""
        if error := faults.one(ErrorAt200):
            code = error.code if isinstance(error.code, int) else INTERNAL
            return _json({"code": code, "message": error.message})
        if busy := faults.one(TooManyRequests):
            return put_off(_refusal(AgentRefusal(THROTTLED)), busy)
        return other_page(faults)

    def refused(self, _: web.Request, error: Exception) -> web.Response | None:
        """Return what a refused client reads."""
        if isinstance(error, AgentRefusal):
            return _refusal(error)
        if isinstance(error, web.HTTPMethodNotAllowed | web.HTTPNotFound):
            # No page tells of a code for these.
            return web.Response(status=error.status, text=error.reason)
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
        return _whole(turn, answer_v1(turn))

    async def _send_v2(self, request: web.Request) -> web.StreamResponse:
        agent = self._authorized(request, DELETED_OLDER)
        turn = self._begin(agent, asked_v2(await _body(request)))
        agent_id, library = self._state.agent_id(agent), self._state.library
        if self._is_streamed(turn):
            return await stream(request, frames_v2(turn, agent_id, library), faults_here(), self._token_s(turn))
        return _whole(turn, answer_v2(turn, agent_id, library, _media_url(request, turn.answer_id)))

    def _begin(self, agent: Agent, asked: Asked) -> AgentTurn:
        turn = self._state.begin(agent, asked)
        failure = turn.script.failure
        if failure is not None and failure.after_tokens == 0:
            raise AgentRefusal(INTERNAL)
        return turn

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


def _media_url(request: web.Request, name: str) -> str:
    return f"{request.url.origin()}{PREFIX}/media/{name}.wav"


def _whole(turn: AgentTurn, answer: Record) -> web.Response:
    if turn.script.failure is not None:
        raise AgentRefusal(INTERNAL)
    if turn.asked.mode == "webhook":
        # The answer goes to an address that is set in the console, and none is. What stands here is not documented.
        return _json({"code": 0, "message": "OK"})
    return _json(answer)


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
    return _json(refusal.body(), refusal.status)
