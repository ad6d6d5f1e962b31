"""Runs of a chatflow that have begun: their forms are submitted, their events joined again.

The events of a run come from `GET /workflow/{workflow_run_id}/events` (Dify 1.14). Without a snapshot it tells what
happens from now on, and nothing twice; a run that waits for a person stays silent there until its form is submitted
(recorded: 1.14.2/human-5-events). With a snapshot it first tells how far the run is. Of a run that is over it tells the
last event alone, in either form (recorded: 1.14.2/resume-3-events-after-finish).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from remote_chatbots.errors import BotError, BotReplyError
from remote_chatbots.events import (
    Event,
    Finished,
    InputRequired,
    SourcesFound,
    Started,
    TextDelta,
    TextReplaced,
    UsageReported,
)
from remote_chatbots.flow import Abandoned, Aside, Flow, Sleep, open_reply, read_body
from remote_chatbots.framing import Frame, SSEFramer, parse_json
from remote_chatbots.platforms.dify.errors import FORM_SUBMITTED, NAME, not_allowed, of_another, refusal
from remote_chatbots.platforms.dify.management import PAGE_SIZE, Management
from remote_chatbots.platforms.dify.stream import OF_THE_TURN, DifyTurn
from remote_chatbots.reading import mapping, text
from remote_chatbots.resuming import FilledForm, LostAnswer, events_of
from remote_chatbots.retry import RetryPolicy
from remote_chatbots.stored import StoredMessage
from remote_chatbots.stream_reader import StreamReader
from remote_chatbots.wire import HttpRequest, json_request

_LESS = "its run tells less than had arrived."
_NOT_KEPT = (
    "it is still being made, or the broken connection has lost it for good, as it does in every app but an agent and a "
    "chatflow of Dify 1.14 (whose answers need a workflow_run_id)."
)
LOOKED_UP_AFTER_S = 1.0
# A form's submission wakes a worker, and is answered at once (recorded: 25 ms). Its fate matters.
SUBMIT_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of one app, for one user.

    Attributes:
        calls: The app's small calls.
        user: Who asked.
    """

    calls: Management
    user: str

    def submit(self, form: FilledForm) -> Flow[None]:
        """Return the flow of the rest of a turn that paused for `form`.

        The run's events are opened before the form is sent, so that none is lost between the two.

        Raises:
            BotNotFoundError: If there is no such run or form.
            BotRejectedError: If the form is too old, not filled in as it must be, or was submitted before (code
                `human_input_form_submitted`), unless it says to rejoin then.
            BotError: As of any turn.
        """
        yield from self._open(form.workflow_run_id)
        refused = yield from self._sent(form)
        if refused is None:
            reader = self._reader(self._turn(form.said), form)
        elif refused.code == FORM_SUBMITTED and form.if_submitted == "rejoin":
            yield from self._open(form.workflow_run_id, snapshot=True)
            lost = LostAnswer(form.conversation_id, form.message_id, form.workflow_run_id)
            reader = self._reader(JoinedTurn(self._turn(), self, lost, said=form.said), form)
        else:
            raise refused
        try:
            yield from reader.events()
        except Abandoned:
            yield from reader.leave()

    def recover(self, lost: LostAnswer) -> Flow[None]:
        """Return the flow of a whole answer whose turn broke off: from its run, or else from the history.

        An agent goes on without us, and its answer is waited for: `recover_wait_s` of the settings.

        Raises:
            BotNotFoundError: If the server has no text of it, or less than had arrived.
            BotError: If the run failed.
        """
        if lost.workflow_run_id:
            try:
                yield from self._open(lost.workflow_run_id, snapshot=True)
            except BotReplyError as error:
                # A server that does not know the path: it is older than 1.14.
                if error.http_status not in (404, 405) or error.code:
                    raise
            else:
                yield from self._reader(JoinedTurn(self._turn(), self, lost), lost).events()
                return
        for _ in range(max(1, round(self.calls.settings.recover_wait_s / LOOKED_UP_AFTER_S))):
            kept = yield from self.kept(lost)
            if kept is not None and lost.is_whole(words := kept.text or _words_of_agent(kept)):
                yield from events_of(replace(kept, text=words), *lost.filters())
                return
            if kept is None or kept.text or kept.error or not kept.steps or not (yield Sleep(LOOKED_UP_AFTER_S)):
                break
        raise lost.not_kept(NAME, _NOT_KEPT)

    def kept(self, lost: LostAnswer) -> Flow[StoredMessage | None]:
        """Return the answer as the history has it; None if it is not among the newest turns."""
        if not lost.conversation_id:
            return None
        messages = yield from self.calls.history(lost.conversation_id, self.user, 2 * PAGE_SIZE)
        return lost.among(messages)

    def _reader(self, turn: DifyTurn | JoinedTurn, wanted: FilledForm | LostAnswer) -> StreamReader:
        settings = self.calls.settings
        return StreamReader(
            SSEFramer(settings.max_event_bytes, NAME), turn, wanted, stop_wait_s=settings.stop_wait_s
        )  # fmt: skip

    def _turn(self, said: str = "") -> DifyTurn:
        stop_request = partial(self.calls.stop_request, user=self.user)
        return DifyTurn(self.calls.settings, stop_request, self.calls.hidden, said)

    def _open(self, run_id: str, *, snapshot: bool = False) -> Flow[None]:
        query = {"user": self.user} | ({"include_state_snapshot": "true"} if snapshot else {})
        path = f"/workflow/{quote(run_id, safe='')}/events?{urlencode(query)}"
        head = yield from open_reply(
            HttpRequest("GET", self.calls.base_url + path, self.calls.headers),
            error_of=lambda head, body: refusal(head, body, self.calls.hidden),
            policy=RetryPolicy(max_retries=self.calls.settings.max_retries),
        )
        if head.content_type != "text/event-stream":
            body = yield from read_body(self.calls.settings.max_event_bytes, NAME)
            raise not_allowed(f"the reply is {head.content_type}, not a stream of events", body, self.calls.hidden)

    def _sent(self, form: FilledForm) -> Flow[BotReplyError | None]:
        """Submit the form, once; return the refusal, if there is one."""
        payload = {"inputs": dict(form.inputs), "action": form.action, "user": self.user}
        url = f"{self.calls.base_url}/form/human_input/{quote(form.form_token, safe='')}"
        request = json_request("POST", url, self.calls.headers, payload)
        head, body = yield Aside(request, SUBMIT_WAIT_S)
        return refusal(head, body, self.calls.hidden) if head.status >= 300 else None


class JoinedTurn:
    """A turn that is joined in its midst: its text is told once, as a whole, when the turn is over.

    What was said before the joining cannot be had from the stream, and a snapshot has nothing of a text that is still
    being said (recorded: 1.14.2/resume-5-events-with-snapshot). The last event has all of it.

    Args:
        turn: Interprets the events.
        runs: Where the history is read.
        lost: Which answer it is.
        said: What the caller has of it already, and is not told again.
    """

    def __init__(self, turn: DifyTurn, runs: Runs, lost: LostAnswer, *, said: str = "") -> None:
        self._turn = turn
        self._runs = runs
        self._lost = lost
        self._said = said
        self._heard = ""  # as far as the stream told it
        self._whole = ""  # as the run's last event has it
        self._seen: set[type[Event]] = set()
        self._first = Started(lost.conversation_id, lost.message_id, workflow_run_id=lost.workflow_run_id)

    def take(self, frame: Frame, out: list[Event]) -> None:
        """Append to `out` the events that `frame` means, but for its text."""
        told = _object(frame) if _OF_THE_RUN.search(frame.data) else {}
        self._refuse_another(told)
        name, data = told.get("event"), mapping(told.get("data"))
        if name == "message_replace" and not told.get("reason"):
            self._heard = text(told.get("answer"))  # the snapshot's: nothing is withdrawn
            return
        events: list[Event] = []
        self._turn.take(frame, events)
        if name == "workflow_paused" and InputRequired not in self._seen:
            events += [InputRequired(form) for form in data.get("reasons") or () if isinstance(form, dict)]
        elif name == "workflow_finished":
            self._whole = text(mapping(data.get("outputs")).get("answer"))
        for event in events:
            self._seen.add(type(event))
            if isinstance(event, TextDelta):
                self._heard += event.text
            elif isinstance(event, TextReplaced):
                self._heard = event.text
            elif isinstance(event, Started):
                out.append(self._started(event))
            else:
                out.append(event)

    def wait_s(self) -> float | None:
        """Return how much longer to read, in seconds; None as long as the turn is not over."""
        return self._turn.wait_s()

    def stop_request(self) -> HttpRequest | None:
        """Return the request that stops the turn; None before the server gave it an id."""
        return self._turn.stop_request()

    def closing(self) -> Flow[None]:
        """Yield the whole text, and the turn's last events.

        Raises:
            BotError: As of any turn.
        """
        last = list(self._turn.closing())
        # Joined too late for message_end: what it told is in the history.
        kept = None if UsageReported in self._seen else (yield from self._kept())
        whole = self._whole or self._heard
        if kept is not None and replace(self._lost, said=whole or self._lost.said).is_whole(kept.text):
            whole = kept.text
        stopped = isinstance(last[-1], Finished) and last[-1].reason != "stop"
        if self._lost.said and not self._lost.is_whole(whole) and not stopped:
            raise self._lost.not_kept(NAME, _LESS)
        if self._said and not whole.startswith(self._said):
            yield TextReplaced(whole)
        elif rest := whole[len(self._said) :]:
            yield TextDelta(rest)
        if kept is not None and kept.sources:
            yield SourcesFound(kept.sources)
        yield from last

    def _refuse_another(self, ids: Mapping[str, Any]) -> None:
        for name in OF_THE_TURN:
            known = getattr(self._lost, name)
            if known and ids.get(name) not in (None, "", known):
                raise of_another(name)

    def _started(self, event: Started) -> Started:
        """Return what is new in `event`; the ids that the caller knew come with the first."""
        first, self._first = self._first, Started()
        known = self._lost
        self._refuse_another({name: getattr(event, name) for name in OF_THE_TURN})
        # The last event of a run that is over has the run's id for the task's.
        task_id = "" if event.task_id == event.workflow_run_id else event.task_id
        self._lost = replace(
            known,
            conversation_id=known.conversation_id or event.conversation_id,
            message_id=known.message_id or event.message_id,
        )
        return Started(
            conversation_id=first.conversation_id or ("" if known.conversation_id else event.conversation_id),
            message_id=first.message_id or ("" if known.message_id else event.message_id),
            task_id=task_id,
            workflow_run_id=first.workflow_run_id,
            created_at=event.created_at,
        )

    def _kept(self) -> Flow[StoredMessage | None]:
        try:
            return (yield from self._runs.kept(self._lost))
        except BotError:
            return None  # the run's own last word has to do


def _words_of_agent(kept: StoredMessage) -> str:
    """Return what an agent said whose answer was lost with its stream; "" if it is not done, or no agent.

    The server runs it to its end all the same, and keeps the words of its steps (recorded, of both versions:
    disconnect-agent-messages-late), which stand on lines of their own in answers that are not lost.
    """
    steps = kept.steps
    done = bool(steps) and bool(steps[-1].text) and not steps[-1].name and not kept.error
    return "\n".join(step.text for step in steps if step.text) if done else ""


_OF_THE_RUN = re.compile(rb'"workflow_(finished|paused)"|"message_replace"')


def _object(frame: Frame) -> dict[str, Any]:
    try:
        return mapping(parse_json(frame.data))
    except ValueError:
        return {}
