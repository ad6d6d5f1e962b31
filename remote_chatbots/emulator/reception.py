"""What every request passes first, whichever platform it is for: it is written down, and suffers what waits for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

from aiohttp import web

from remote_chatbots.printable import on_a_line

from .bodies import json_or_none
from .fault_registry import Faults, FaultSet
from .received import ReceivedRequest, redacted
from .wire import send_whole

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOG = logging.getLogger("remote_chatbots.emulator")
_MAX_BODY_BYTES = 64 * 1024 * 1024
_FAULTS: ContextVar[FaultSet] = ContextVar("faults")
_AT_WORK: ContextVar[set[asyncio.Task[Any]]] = ContextVar("at work")


class Face(Protocol):
    """One platform on this server."""

    @property
    def prefix(self) -> str:
        """What the paths of the platform begin with."""

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the platform's endpoints."""

    def name_of_app(self, request: web.Request) -> str | None:
        """Return whose key came with a request."""

    def user_in(self, received: ReceivedRequest) -> str | None:
        """Return the end user for whom a request is made."""

    def instead(self, request: web.Request, faults: FaultSet) -> web.Response | None:
        """Return what comes in the place of the platform's answer, `None` if nothing does."""

    def refused(self, request: web.Request, error: Exception) -> web.Response | None:
        """Return what a refused client reads, `None` if the error is no refusal."""

    def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers that all the platform's answers carry."""


class Reception:
    """Receives all requests and hands each to the face whose prefix its path has."""

    def __init__(self, faces: Sequence[Face], faults: Faults, received: list[ReceivedRequest]) -> None:
        """Open the reception.

        Args:
            faces: The platforms; the first whose prefix fits is asked.
            faults: What goes wrong.
            received: Every request is appended to it.
        """
        self._faces = faces
        self._faults = faults
        self._received = received
        self._at_work: set[asyncio.Task[Any]] = set()

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application(
            middlewares=[self._record, self._spoil, self._refuse], client_max_size=_MAX_BODY_BYTES
        )
        for face in self._faces:
            application.add_routes(face.routes())
        application.on_response_prepare.append(self._add_headers)
        application.on_shutdown.append(self._leave_work)
        return application

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        face = self._face_of(request)
        received = ReceivedRequest(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            app=face.name_of_app(request),
            headers=redacted(request.headers),
            body=None if _is_form(request) else json_or_none(await request.read()),
        )
        self._received.append(received)
        user, begun_at = face.user_in(received), time.monotonic()
        _FAULTS.set(self._faults.take(received.path, user))
        _AT_WORK.set(self._at_work)
        task = asyncio.current_task()
        assert task is not None
        self._at_work.add(task)
        outcome = "left"  # by the client, or by a server that stops
        try:
            response = await handler(request)
            outcome = str(response.status)
        finally:
            self._at_work.discard(task)
            _log(received, user, outcome, time.monotonic() - begun_at)
        return response

    @web.middleware
    async def _spoil(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        faults = faults_here()
        response: web.StreamResponse | None = self._face_of(request).instead(request, faults)
        if response is None:
            response = await handler(request)
        # A stream is spoilt while it is sent.
        return await send_whole(request, response, faults) if isinstance(response, web.Response) else response

    @web.middleware
    async def _refuse(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Exception as error:
            answer = self._face_of(request).refused(request, error)
            if answer is None:
                raise
            return answer

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        self._face_of(request).add_headers(request, response)

    async def _leave_work(self, _: web.Application) -> None:
        # Some turns have no client any more and would go on for minutes.
        tasks = list(self._at_work)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _face_of(self, request: web.Request) -> Face:
        return next(face for face in self._faces if request.path.startswith(face.prefix))


def _log(received: ReceivedRequest, user: str | None, outcome: str, took_s: float) -> None:
    """Tell of a request that is over, without its key and its contents."""
    if not _LOG.isEnabledFor(logging.INFO):
        return
    who = " ".join(filter(None, (received.app or "no app", user)))
    suffered = " ".join(type(fault).__name__ for fault in faults_here().faults)
    line = f"{received.method} {on_a_line(received.path, 200)} {who} {outcome} {took_s * 1000:.0f} ms {suffered}"
    _LOG.info("%s", on_a_line(line))


def _is_form(request: web.Request) -> bool:
    # A form is read part by part, and only once.
    return request.content_type.startswith("multipart/")


def work_on(work: Coroutine[Any, Any, None]) -> None:
    """Do something apart from the request that is being answered here; it is left when the server stops."""
    at_work = _AT_WORK.get()
    task = asyncio.get_running_loop().create_task(work)
    at_work.add(task)
    task.add_done_callback(at_work.discard)


def faults_here() -> FaultSet:
    """Return what the request suffers that is being answered here."""
    return _FAULTS.get()
