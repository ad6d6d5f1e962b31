"""Runs of chatflows as `GET /workflow/{workflow_run_id}/events` tells them: again, and to whoever comes later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from .apps import App
from .dialect import Event, run_id
from .dify_forms import Form
from .dify_stream import Reader
from .refusals import not_found
from .turn import Turn
from .wire import POLL_S

_LAST = ("workflow_finished", "workflow_paused")
_OF_NODES = ("node_started", "node_finished")
# recorded: 1.14.2/resume-5-events-with-snapshot
_NOT_IN_A_SNAPSHOT = ("inputs_truncated", "process_data_truncated", "outputs_truncated", "agent_strategy")
_EMPTY_IN_A_SNAPSHOT = ("inputs", "process_data", "outputs", "execution_metadata")


class Run:
    """One run: what it has told so far, and who listens."""

    def __init__(self, turn: Turn) -> None:
        """Prepare the run that answers a turn."""
        self.turn = turn
        self._told: list[Event] = []
        self._listeners: set[asyncio.Queue[Event]] = set()

    def noting(self, events: Iterator[Event]) -> Iterator[Event]:
        """Pass on the events of the run, and tell them to those who listen."""
        for event in events:
            self._told.append(event)
            for listener in self._listeners:
                listener.put_nowait(event)
            yield event

    @property
    def last(self) -> Event | None:
        """The event with which the run ended or paused; `None` while it goes on."""
        return self._told[-1] if self._told and self._told[-1]["event"] in _LAST else None

    @property
    def is_over(self) -> bool:
        """Whether nothing can come any more."""
        return self.last is not None and self.last["event"] == "workflow_finished"

    def whole(self) -> Event:
        """Return all that a run tells that is over (recorded: 1.14.2/resume-3-events-after-finish)."""
        run = run_id(self.turn)
        data = self._told[-1]["data"]
        return {"event": "workflow_finished", "task_id": run, "workflow_run_id": run, "data": data}

    def snapshot(self) -> list[Event]:
        """Return how far the run is: its nodes, the text that is stored, and the pause if it waits."""
        begun = next((event for event in self._told if event["event"] == "workflow_started"), None)
        if begun is None:
            return []
        stored = {**begun, "event": "message_replace", "answer": self.turn.message.answer, "reason": ""}
        del stored["workflow_run_id"], stored["data"]
        nodes = [event for event in self._told if event["event"] in _OF_NODES]
        places = list(dict.fromkeys(event["data"]["id"] for event in nodes))
        told = [_restated(event, places.index(event["data"]["id"]) + 1) for event in nodes]
        return [_ids_last(begun), _ids_last(stored), *told, *([] if self.last is None else [self.last])]

    async def tell(self, reader: Reader, *, with_snapshot: bool, idle_limit_s: float) -> None:
        """Tell a reader what the run tells from now on, up to its end, its next pause, or so long a silence."""
        mine: asyncio.Queue[Event] = asyncio.Queue()
        self._listeners.add(mine)
        # Before anything is sent: what happens meanwhile must be neither lost nor told twice.
        told, waits = (self.snapshot(), self.last is not None) if with_snapshot else ([], False)
        try:
            await reader.ping()
            for event in told:
                reader.take(event)
            await reader.flush()
            silent_s = 0.0
            while not (waits or reader.is_gone or silent_s >= idle_limit_s):
                try:
                    event = await asyncio.wait_for(mine.get(), POLL_S)
                except TimeoutError:
                    silent_s += POLL_S
                    continue
                silent_s, waits = 0.0, event["event"] in _LAST
                reader.take(event)
                await reader.flush()
        finally:
            self._listeners.discard(mine)


class Runs:
    """All runs of a server."""

    def __init__(self) -> None:
        """Start without any."""
        self._runs: dict[str, Run] = {}

    def begin(self, turn: Turn) -> Run:
        """Return the new run that answers a turn."""
        run = self._runs[run_id(turn)] = Run(turn)
        return run

    def of(self, app: App, user: str, id_: str) -> Run:
        """Return a run of this user.

        Raises:
            Refusal: 404; another user's run looks the same as none.
        """
        run = self._runs.get(id_)
        if run is None or (run.turn.app, run.turn.user) != (app, user):
            raise not_found("Workflow run not found")
        return run

    def waiting_with(self, app: App, token: str) -> tuple[Run, Form]:
        """Return the run of the app that a form belongs to, and the form.

        Raises:
            Refusal: 404.
        """
        for run in self._runs.values():
            form = run.turn.message.form
            if form is not None and (run.turn.app, form.token) == (app, token):
                return run, form
        raise not_found("Form not found")


def _restated(event: Event, place: int) -> Event:
    data: dict[str, Any] = {key: value for key, value in event["data"].items() if key not in _NOT_IN_A_SNAPSHOT}
    data |= {key: None for key in _EMPTY_IN_A_SNAPSHOT if key in data}
    return _ids_last({**event, "data": {**data, "index": place}})


def _ids_last(event: Event) -> Event:
    """Return an event of a snapshot: what all have in common stands at its end."""
    ids = ("conversation_id", "message_id", "created_at")
    return {key: value for key, value in event.items() if key not in ids} | {key: event[key] for key in ids}
