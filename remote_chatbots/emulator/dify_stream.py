"""How a turn reaches the client: paced, as a stream or as one body, whether or not the client stays."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from .dify_events import TEXT_EVENTS, Event
from .profiles import Profile
from .turn import Turn

# An event without data (recorded: 1.14.2/chat-stream-ping-while-waiting).
PING = b"event: ping\n\n"

# A real server looks now and then whether it was told to stop, and takes its time to obey
# (recorded: 1.14.2/chat-stream-stopped).
_POLL_S = 0.1
_OBEY_S = 0.1

# A model that does not wait between tokens still lets other turns have the loop.
_EVENTS_A_WRITE = 16


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take, in seconds.

    Attributes:
        token_delay_s: Between two pieces of text.
        held_open_s: How long a chatflow's body stays open after its last event.
        idle_limit_s: How long a chatflow's body stays open when the run never began.
        ping_s: The silence after which a chat or agent app sends a ping.
    """

    token_delay_s: float
    held_open_s: float
    idle_limit_s: float
    ping_s: float = 10.0


class Reader(Protocol):
    """Whoever a turn is played to."""

    @property
    def is_gone(self) -> bool:
        """Whether nobody reads any more."""

    def take(self, event: Event) -> None:
        """Accept the next event."""

    async def flush(self) -> None:
        """Deliver what was accepted."""

    async def ping(self) -> None:
        """Give a sign of life."""


class Collector:
    """Reads a turn for a blocking request: keeps the events."""

    is_gone = False

    def __init__(self) -> None:
        self.events: list[Event] = []

    def take(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)

    async def flush(self) -> None:
        """Do nothing: all is delivered at the end."""

    async def ping(self) -> None:
        """Do nothing: a blocking answer has no signs of life."""


class EventStream:
    """Writes a turn to the client as server-sent events."""

    def __init__(self, request: web.Request, profile: Profile) -> None:
        """Prepare, but send nothing: a chat app's response header comes with its first event."""
        self.response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        self._request = request
        self._profile = profile
        self._unsent: list[bytes] = []
        self._broken = False

    @property
    def is_gone(self) -> bool:
        """Whether the client has closed the connection."""
        transport = self._request.transport
        return self._broken or transport is None or transport.is_closing()

    def take(self, event: Event) -> None:
        """Write the event into the buffer."""
        self._unsent.append(self._profile.event_bytes(event))

    async def flush(self) -> None:
        """Send the buffer in one write."""
        chunk = b"".join(self._unsent)
        self._unsent.clear()
        if chunk:
            await self._send(chunk)

    async def ping(self) -> None:
        """Send a ping at once."""
        await self._send(PING)

    async def hold_open(self, seconds: float) -> None:
        """Leave the body open for so long, or until the client has left."""
        while seconds > 0 and not self.is_gone:
            await asyncio.sleep(min(seconds, _POLL_S))
            seconds -= _POLL_S

    async def _send(self, chunk: bytes) -> None:
        if self.is_gone:
            return
        try:
            if not self.response.prepared:
                await self.response.prepare(self._request)
            await self.response.write(chunk)
        except ConnectionError:
            self._broken = True


class Player:
    """Plays turns at the pace of their model."""

    def __init__(self, profile: Profile, timing: Timing) -> None:
        self._profile = profile
        self._timing = timing

    async def play(self, turn: Turn, reader: Reader) -> None:
        """Play a turn to its end. The model goes on when the reader leaves, as on a real server."""
        waiting = 0
        for event in self._profile.turn_events[turn.app.mode](turn):
            reader.take(event)
            waiting += 1
            if event["event"] in TEXT_EVENTS and self._token_s(turn) > 0:
                await self._wait_for_token(turn, reader)
                waiting = 0
            elif waiting == _EVENTS_A_WRITE:
                await reader.flush()
                await asyncio.sleep(0)
                waiting = 0
            # The generator stores the answer before its last event, so it must know now who still reads.
            turn.abandoned = turn.abandoned or reader.is_gone
        await reader.flush()

    def _token_s(self, turn: Turn) -> float:
        return max(self._timing.token_delay_s, turn.script.token_s)

    async def _wait_for_token(self, turn: Turn, reader: Reader) -> None:
        await reader.flush()
        left, silent = self._token_s(turn), 0.0
        while left > 0 and not turn.stopped:
            step = min(left, _POLL_S)
            await asyncio.sleep(step)
            left -= step
            silent += step
            if silent >= self._timing.ping_s and not turn.app.is_chatflow:
                await reader.ping()
                silent = 0.0
        if turn.stopped:
            await asyncio.sleep(_OBEY_S)
