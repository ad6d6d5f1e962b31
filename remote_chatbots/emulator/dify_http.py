"""The HTTP face of the Dify server: routes, keys and answers. Data lives in `State`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import hdrs, web

from .apps import App
from .bodies import (
    PROXY,
    answer_response,
    json_body,
    json_response,
    not_found_response,
    other_response,
    refusal_response,
)
from .checks import ANONYMOUS_USER, is_uuid, normal_uuid, user_of
from .checks_1_14 import variable_page, variable_value
from .dialect import Event
from .dify_files_http import FileCalls, check_addresses
from .dify_forms import Form
from .dify_history import conversations_page, messages_page, variables_page
from .dify_runs import Run, Runs
from .dify_speech import SpeechCalls
from .dify_stream import Collector, EventStream, Player, Timing
from .encoding import spaced_event
from .fault_registry import FaultSet
from .faults import JsonAnswer, ReducedErrorEvent
from .ids import Ids
from .preflight import preflight_response
from .profiles import Profile
from .received import ReceivedRequest
from .reception import faults_here, work_on
from .records import paused_answer
from .refusals import Refusal, invalid_param, not_found, unauthorized
from .state import ChatRequest, State
from .turn import Turn


class DifyFace:
    """Answers HTTP requests as Dify does; whatever is no other platform's is Dify's."""

    prefix = "/"

    def __init__(
        self,
        state: State,
        ids: Ids,
        profile: Profile,
        timing: Timing,
    ) -> None:
        """Put a face on a server's data.

        Args:
            state: The data.
            ids: Gives ids to what the history shows.
            profile: Which age of the wire to speak.
            timing: How fast.
        """
        self._state = state
        self._ids = ids
        self._profile = profile
        self._timing = timing
        self._player = Player(profile, timing)
        self._runs = Runs()

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints of the profile's age."""
        routes = [
            web.get("/v1/", self._welcome),
            web.get("/v1/info", self._info),
            web.get("/v1/parameters", self._parameters),
            web.get("/v1/meta", self._meta),
            web.get("/v1/site", self._site),
            web.get("/v1/messages", self._messages),
            web.get("/v1/conversations", self._conversations),
            web.post("/v1/chat-messages", self._chat_messages),
            web.post("/v1/chat-messages/{task_id}/stop", self._stop),
            web.post("/v1/messages/{message_id}/feedbacks", self._feedback),
            web.get("/v1/messages/{message_id}/suggested", self._suggested),
            web.post("/v1/conversations/{conversation_id}/name", self._rename),
            web.delete("/v1/conversations/{conversation_id}", self._delete),
            web.get("/v1/conversations/{conversation_id}/variables", self._variables),
            web.put("/v1/conversations/{conversation_id}/variables/{variable_id}", self._set_variable),
            web.get("/v1/form/human_input/{token}", self._form),
            web.post("/v1/form/human_input/{token}", self._submit_form),
            web.get("/v1/workflow/{run_id}/events", self._run_events),
            *SpeechCalls(self._state, self._profile, self._authorized_app).routes(),
            *FileCalls(self._state, self._profile, self._authorized_app).routes(),
        ]
        return [route for route in routes if route.path not in self._profile.not_offered]

    def name_of_app(self, request: web.Request) -> str | None:
        """Return whose key came with a request."""
        app = self._app_of(request)
        return app.name if app else None

    def user_in(self, received: ReceivedRequest) -> str | None:
        """Return the end user that a request names."""
        named = received.body.get("user") if isinstance(received.body, dict) else None
        return str(named) if named else received.query.get("user")

    def instead(self, _: web.Request, faults: FaultSet) -> web.Response | None:
        """Return what comes in the place of the app's answer."""
        return other_response(self._profile, faults)

    def refused(self, request: web.Request, error: Exception) -> web.Response | None:
        """Return what a refused client reads."""
        if isinstance(error, Refusal):
            return refusal_response(self._profile, request.path, error)
        if isinstance(error, web.HTTPMethodNotAllowed):
            if request.method == hdrs.METH_OPTIONS:
                return preflight_response(request, error.allowed_methods, self._profile.headers)
            # recorded: 1.14.2/err-get-chat-messages
            message = "The method is not allowed for the requested URL."
            not_allowed = Refusal(error.status, "method_not_allowed", message)
            return refusal_response(self._profile, request.path, not_allowed)
        return not_found_response() if isinstance(error, web.HTTPNotFound) else None

    def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the profile's headers."""
        headers = response.headers
        if request.keep_alive:
            headers["Connection"] = "keep-alive"
        if headers.get(hdrs.SERVER) == PROXY:
            # A proxy's page: nothing in it is of the server behind.
            return
        headers[hdrs.SERVER] = "gunicorn"
        origin = request.headers.get("Origin")
        if request.match_info.http_exception is None:
            headers["Access-Control-Allow-Origin"] = origin or "*"
            headers.update(self._profile.headers)
        headers["X-Version"] = self._profile.server_version
        headers["X-Env"] = "PRODUCTION"
        varies = [*(["Origin"] if origin else []), *(["Cookie"] if self._profile.varies_by_cookie else [])]
        if varies:
            headers["Vary"] = ", ".join(varies)

    async def _welcome(self, _: web.Request) -> web.Response:
        version = self._profile.server_version
        return self._json({"welcome": "Dify OpenAPI", "api_version": "v1", "server_version": version})

    async def _info(self, request: web.Request) -> web.Response:
        return self._json(self._profile.records.info(self._authorized_app(request)))

    async def _parameters(self, request: web.Request) -> web.Response:
        return self._json(self._profile.records.parameters(self._authorized_app(request)))

    async def _meta(self, request: web.Request) -> web.Response:
        return self._json(self._authorized_app(request).meta(str(request.url.origin())))

    async def _site(self, request: web.Request) -> web.Response:
        return self._json(self._authorized_app(request).site())

    async def _messages(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        conversation_id, page = self._profile.checks.message_page(request.query)
        held = []
        if conversation_id is not None:
            held = self._state.conversation(app, _user_in_query(request), conversation_id).messages
        return self._json(messages_page(self._profile.records, app, held, page, self._ids))

    async def _conversations(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        page = self._profile.checks.conversation_page(request.query)
        held = self._state.conversations(app, _user_in_query(request))
        return self._json(conversations_page(self._profile.records, held, page))

    async def _stop(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        user = user_of(await json_body(request))
        self._state.stop(app, user, request.match_info["task_id"])
        return self._json({"result": "success"})

    async def _feedback(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        message_id = id_in_path(request, "message_id")
        body = await json_body(request)
        self._state.rate(app, user_of(body), message_id, self._profile.checks.rating(body))
        return self._json({"result": "success"})

    async def _suggested(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        message_id = id_in_path(request, "message_id")
        questions = self._state.suggestions(app, _user_in_query(request), message_id)
        return self._json({"result": "success", "data": questions})

    async def _rename(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        conversation_id = id_in_path(request, "conversation_id")
        body = await json_body(request)
        name = self._profile.checks.new_name(body)
        renamed = self._state.rename(app, _user_in_body(body), conversation_id, name)
        return self._json(self._profile.records.renamed(renamed))

    async def _delete(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        conversation_id = id_in_path(request, "conversation_id")
        self._state.delete(app, _user_in_body(await json_body(request)), conversation_id)
        return web.Response(status=204) if self._profile.deletes_in_silence else self._json({"result": "success"})

    async def _variables(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        conversation_id = id_in_path(request, "conversation_id")
        page = variable_page(request.query)
        held = self._state.conversation(app, _user_in_query(request), conversation_id)
        return self._json(variables_page(held.variables, page, request.query.get("variable_name")))

    async def _set_variable(self, request: web.Request) -> web.Response:
        app = self._authorized_app(request)
        ids = id_in_path(request, "conversation_id"), id_in_path(request, "variable_id")
        body = await json_body(request)
        value = variable_value(body)
        return self._json(self._state.set_variable(app, _user_in_body(body), *ids, value).told())

    async def _form(self, request: web.Request) -> web.Response:
        _, form = self._runs.waiting_with(self._authorized_app(request), request.match_info["token"])
        return web.Response(text=json.dumps(form.body(), ensure_ascii=False), content_type="application/json")

    async def _submit_form(self, request: web.Request) -> web.Response:
        run, form = self._runs.waiting_with(self._authorized_app(request), request.match_info["token"])
        body = await json_body(request)
        user_of(body)
        form.submit(body)
        work_on(self._go_on(run, form))
        return self._json({})

    async def _go_on(self, run: Run, form: Form) -> None:
        assert self._profile.resumed_events is not None
        self._state.resume(run.turn)
        try:
            events = run.noting(self._profile.resumed_events(run.turn, form))
            await self._player.play(run.turn, Collector(), events=events)
        finally:
            self._state.end(run.turn)

    async def _run_events(self, request: web.Request) -> web.StreamResponse:
        app = self._authorized_app(request)
        if not app.is_chatflow:
            # recorded: 1.14.2/err-resume-basic-chat-app
            raise Refusal(400, "not_workflow_app", "Please check if your app mode matches the right API route.")
        run = self._runs.of(app, _user_in_query(request), request.match_info["run_id"])
        stream = EventStream(request, self._profile, faults_here())
        stream.response.headers["Cache-Control"] = "no-cache"
        if run.is_over:
            await stream.say(spaced_event(run.whole()))
            await stream.finish(0.0)
        else:
            with_snapshot = request.query.get("include_state_snapshot") == "true"
            await run.tell(stream, with_snapshot=with_snapshot, idle_limit_s=self._timing.idle_limit_s)
            await stream.finish(self._timing.held_open_s)
        return stream.response

    async def _chat_messages(self, request: web.Request) -> web.StreamResponse:
        app = self._authorized_app(request)
        asked = self._profile.checks.chat_request(await json_body(request))
        faults = faults_here()
        if not asked.streaming or faults.one(JsonAnswer):
            return await self._blocking(await self._begin(app, asked))
        if app.is_chatflow and self._profile.rules.chatflows_in_worker:
            return await self._chatflow_in_worker(request, app, asked)
        turn = await self._begin(app, asked)
        return await self._stream(turn, EventStream(request, self._profile, faults), faults)

    async def _begin(self, app: App, asked: ChatRequest) -> Turn:
        await check_addresses(app, asked.files)
        return self._state.begin(app, asked)

    async def _chatflow_in_worker(self, request: web.Request, app: App, asked: ChatRequest) -> web.StreamResponse:
        faults = faults_here()
        stream = EventStream(request, self._profile, faults)
        await stream.ping()
        try:
            turn = await self._begin(app, asked)
        except Refusal:
            # The run begins in a worker, and nobody tells the client that it did not begin
            # (recorded: 1.14.2/err-unknown-conversation-chatflow-stream,
            # err-required-input-missing-chatflow-stream).
            await stream.finish(self._timing.idle_limit_s)
            return stream.response
        # The end of the run ends the stream; without a run, nothing does (Dify API reference, "Annotation reply").
        begun = turn.script.preset is None
        held_open_s = self._timing.held_open_s if begun else self._timing.idle_limit_s
        return await self._stream(turn, stream, faults, held_open_s)

    async def _stream(
        self, turn: Turn, stream: EventStream, faults: FaultSet, held_open_s: float = 0.0
    ) -> web.StreamResponse:
        try:
            await self._player.play(turn, stream, faults, events=self._noted(turn))
        finally:
            self._state.end(turn)
        left_open = faults.one(ReducedErrorEvent)
        await stream.finish(left_open.open_s if left_open else held_open_s)
        return stream.response

    def _noted(self, turn: Turn) -> Iterator[Event]:
        """Return what a turn is on the wire; what a run tells can be heard again."""
        events = self._profile.turn_events[turn.app.mode](turn)
        has_run = turn.app.is_chatflow and self._profile.rules.asks_people and turn.script.preset is None
        return self._runs.begin(turn).noting(events) if has_run else events

    async def _blocking(self, turn: Turn) -> web.Response:
        collector = Collector()
        try:
            await self._player.play(turn, collector, events=self._noted(turn))
        finally:
            self._state.end(turn)
        answer = self._profile.records.answer(turn, _metadata(collector.events))
        last = collector.events[-1]
        return answer_response(
            self._profile, paused_answer(answer, last) if last["event"] == "workflow_paused" else answer
        )

    def _json(self, body: Mapping[str, Any]) -> web.Response:
        return json_response(self._profile, body)

    def _app_of(self, request: web.Request) -> App | None:
        key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")[2]
        return self._state.app_with_key(key)

    def _authorized_app(self, request: web.Request) -> App:
        key_in(request)
        app = self._app_of(request)
        if app is None:
            raise unauthorized("Access token is invalid")
        if app.mode not in self._profile.turn_events:
            # Where such apps are not known, the key opens an app that is gone, and that was 404, not 403
            # (Dify, source of 2023).
            raise not_found("The requested URL was not found on the server. If you entered the URL manually please "
                            "check your spelling and try again.")  # fmt: skip
        return app


def _metadata(events: list[Event]) -> dict[str, Any]:
    """Return the metadata of a whole turn, or refuse (recorded: chatflow-block-model-fail500 of both ages)."""
    for event in events:
        if event["event"] == "error":
            raise Refusal(event["status"], event["code"], event["message"])
        if event["event"] == "workflow_finished" and event["data"]["status"] == "failed":
            raise invalid_param(f"Run failed: {event['data']['error']}")
    return next((event["metadata"] for event in events if event["event"] == "message_end"), {})


def key_in(request: web.Request) -> str:
    """Return the key that came with a request.

    Raises:
        Refusal: 401 if none did.
    """
    scheme, space, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if not space:
        raise unauthorized("Authorization header must be provided and start with 'Bearer'")
    if scheme.lower() != "bearer":
        raise unauthorized("Authorization scheme must be 'Bearer'")
    return key


def id_in_path(request: web.Request, name: str) -> str:
    """Return an id of the path; a path with something else in its place is not there."""
    found = normal_uuid(request.match_info[name]) if is_uuid(request.match_info[name]) else None
    if found is None:
        raise web.HTTPNotFound
    return found


def _user_in_body(body: Mapping[str, Any]) -> str:
    return str(body.get("user") or ANONYMOUS_USER)


def _user_in_query(request: web.Request) -> str:
    return request.query.get("user") or ANONYMOUS_USER
