"""What the unit tests share: a driver that reads from a script instead of a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from remote_chatbots import Answer, BotError, DifyApp, Event, GPTBotsAgent, Question, Settings
from remote_chatbots.flow import EFFECTS, Abandoned, Aside, Effect, Flow, Read, Send, Sleep, Turn
from remote_chatbots.wire import HttpRequest, ResponseHead

JSON = ResponseHead(200, {"content-type": "application/json;charset=UTF-8"})
STREAM = ResponseHead(200, {"content-type": "text/event-stream; charset=utf-8"})
STOPPED = (ResponseHead(200, {"content-type": "application/json"}), b'{"result":"success"}')
ENVELOPE = {"conversation_id": "c-1", "message_id": "m-1", "created_at": 1767225600, "task_id": "t-1"}


@dataclass
class Played:
    """What came of a flow."""

    events: list[Event] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    effects_after_leaving: list[Effect] = field(default_factory=list)
    answer: Answer = field(default_factory=Answer)
    error: BotError | None = None
    over: bool = False

    def _each(self, kind: type) -> list[Any]:
        return [effect for effect in self.effects if type(effect) is kind]

    @property
    def requests(self) -> list[HttpRequest]:
        """The requests that were sent, in order."""
        return [effect.request for effect in self._each(Send)]

    @property
    def posted(self) -> list[dict[str, Any]]:
        """The bodies of those of them that submit."""
        return [orjson.loads(octets_of(request)) for request in self.requests if request.body]

    @property
    def paths(self) -> list[str]:
        """The paths of all of them, and of the small calls between them."""
        return [urlsplit(effect.request.url).path for effect in self.effects if isinstance(effect, (Send, Aside))]

    @property
    def asides(self) -> list[HttpRequest]:
        """The small calls beside an open response."""
        return [effect.request for effect in self._each(Aside)]

    @property
    def slept(self) -> list[float]:
        """The waits between two tries, in seconds."""
        return [effect.seconds for effect in self._each(Sleep)]

    @property
    def reads(self) -> list[Read]:
        """The reads, in order."""
        return self._each(Read)

    @property
    def waits(self) -> list[float | None]:
        """For each read: how long it may wait; None without a deadline of its own."""
        return [read.deadline.seconds if read.deadline else None for read in self.reads]


def _drive(
    flow: Flow[Any], *replies: Any, asides: Iterable[Any] = (), leave_after: int | None = None
) -> Played:  # fmt: skip
    """Perform a flow's effects from a script.

    Args:
        flow: The flow.
        *replies: For each Send: the chunks of a stream, or a pair (head, chunks), or the error it comes to.
        asides: For each Aside: a pair (head, body), or an error. Default: the stop call succeeds.
        leave_after: After how many events the caller leaves. A chunk (or reply) may also be `Abandoned` itself:
            then the caller leaves while the flow waits for it.
    """
    played, turn = Played(), Turn(flow)
    sends, calls = iter(replies), iter(asides)
    chunks: Any = iter(())
    left = False
    step: Any

    def outcome(effect: Effect) -> Any:
        nonlocal chunks
        if type(effect) is Send:
            reply = next(sends, None)
            assert reply is not None, "the flow sends more often than the script foresees"
            if isinstance(reply, BotError) or reply is Abandoned:
                return reply
            head, parts = reply if isinstance(reply, tuple) else (STREAM, reply)
            chunks = iter([parts] if isinstance(parts, bytes) else parts)
            return head
        if type(effect) is Aside:
            return next(calls, STOPPED)
        return next(chunks, b"") if type(effect) is Read else True

    def leave() -> Any:
        nonlocal left
        left = True
        return turn.abandon()

    try:
        step = turn.resume()
        while step is not None:
            if type(step) in EFFECTS:
                (played.effects_after_leaving if left else played.effects).append(step)
                told = outcome(step)
                step = leave() if told is Abandoned else turn.resume(told)
            else:
                played.events.append(step)
                step = leave() if len(played.events) == leave_after and not left else turn.resume()
    except BotError as error:
        played.error = error
    played.answer, played.over = turn.answer, turn.over
    return played


def _framed(*events: Any) -> bytes:
    """Return events or frames as a server's bytes.

    Dify's named events get the envelope, in which `...` as a value leaves a key out. Bytes stay as they are.
    """
    body = b""
    for event in events:
        if isinstance(event, dict) and "event" in event:
            event = {key: value for key, value in {**ENVELOPE, **event}.items() if value is not ...}
        body += event if isinstance(event, bytes) else b"data: " + orjson.dumps(event) + b"\n\n"
    return body


@pytest.fixture
def app() -> DifyApp:
    return DifyApp("app-secret-key-123", "https://dify.example.com/v1")


@pytest.fixture
def agent() -> GPTBotsAgent:
    return GPTBotsAgent("app-secret-key-123", "https://bots.example.com")


@pytest.fixture
def drive() -> Callable[..., Played]:
    """`drive(flow, *replies)` performs a flow from a script; see `_drive`."""
    return _drive


@pytest.fixture
def framed() -> Callable[..., bytes]:
    """`framed(*events)` is a server's bytes for these events; see `_framed`."""
    return _framed


@pytest.fixture
def told(app: DifyApp) -> Callable[..., Played]:
    """`told(*events)` asks an app that answers with these events, each in a read of its own."""

    def told(*events: Any, settings: Settings | None = None, leave_after: int | None = None, **question: Any) -> Played:
        asked = Question(**{"text": "Will it rain?", "user": "ann", **question})
        flow = replace(app, settings=settings or Settings()).ask(asked)
        return _drive(flow, [_framed(event) for event in events], leave_after=leave_after)

    return told


@pytest.fixture
def heard(agent: GPTBotsAgent) -> Callable[..., Played]:
    """`heard(*frames)` asks an agent, which answers in conversation c-1 with these frames, each in a read of its own.

    With `blocking=True` the only frame is the body, as JSON. `then` are the replies to what is asked after it.
    """

    def heard(*frames: Any, settings: Settings | None = None, then: Iterable[Any] = (), **question: Any) -> Played:
        asked = Question(**{"text": "Will it rain?", "conversation_id": "c-1", **question})
        flow = replace(agent, settings=settings or Settings()).ask(asked)
        whole = (JSON, orjson.dumps(frames[0])) if asked.blocking else None
        return _drive(flow, whole or [_framed(frame) for frame in frames], *then)

    return heard


def octets_of(request: HttpRequest) -> bytes:
    """Return a request's body as it is sent."""
    return request.body if isinstance(request.body, bytes) else b"".join(request.body)
