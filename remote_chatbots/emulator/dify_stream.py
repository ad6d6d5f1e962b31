"""How a turn reaches the client: paced, as a stream or as one body, whether or not the client stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from .dialect import Event
from .dify_events import TEXT_EVENTS
from .encoding import PING
from .fault_events import framed, spoiled
from .fault_registry import NO_FAULTS, FaultSet
from .faults import WireFault
from .profiles import Profile
from .turn import Turn
from .wire import POLL_S, Wire

# A real server looks now and then whether it was told to stop, and takes its time to obey
# (recorded: 1.14.2/chat-stream-stopped).
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
        ping_s: The silence after which an app that gives signs of life sends a ping.
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

    def __init__(self, request: web.Request, profile: Profile, faults: FaultSet) -> None:
        """Prepare, but send nothing: a chat app's response header comes with its first event."""
        self.response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        self._wire = Wire(request, self.response, faults)
        self._bytes_of = framed(faults, profile.event_bytes)
        self._unsent: list[bytes] = []

    @property
    def is_gone(self) -> bool:
        """Whether the connection is closed."""
        return self._wire.is_gone

    def take(self, event: Event) -> None:
        """Write the event into the buffer."""
        self._unsent.append(self._bytes_of(event))

    async def flush(self) -> None:
        """Send the buffer in one write."""
        chunk = b"".join(self._unsent)
        self._unsent.clear()
        if chunk:
            await self._send(chunk)

    async def ping(self) -> None:
        """Send a ping at once."""
        await self._send(PING)

    async def say(self, chunk: bytes) -> None:
        """Send what is written already."""
        await self._send(chunk)

    async def finish(self, held_open_s: float) -> None:
        """Send what is left, then leave the body open for so long, or until the client has left."""
        await self._wire.finish()
        await self._wire.hold_open(held_open_s)

    async def _send(self, chunk: bytes) -> None:
        await self._wire.send(chunk)


class Player:
    """Plays turns at the pace of their model."""

    def __init__(self, profile: Profile, timing: Timing) -> None:
        self._profile = profile
        self._timing = timing

    async def play(
        self, turn: Turn, reader: Reader, faults: FaultSet = NO_FAULTS, *, events: Iterator[Event] | None = None
    ) -> None:
        """Play a turn to its end. The model goes on when the reader leaves, as on a real server.

        Args:
            turn: The turn.
            reader: Whoever it is played to.
            faults: What goes wrong.
            events: What the turn is on the wire. Default: as the profile has it.
        """
        events = spoiled(faults, turn, events or self._profile.turn_events[turn.app.mode](turn))
        # What a broken connection loses must not depend on how many events wait for one write.
        events_a_write = 1 if faults.all(WireFault) else _EVENTS_A_WRITE
        waiting = 0
        for event in events:
            reader.take(event)
            waiting += 1
            if event["event"] in TEXT_EVENTS and self._token_s(turn) > 0:
                await self._wait_for_token(turn, reader)
                waiting = 0
            elif waiting == events_a_write:
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
            step = min(left, POLL_S)
            await asyncio.sleep(step)
            left -= step
            silent += step
            if silent >= self._timing.ping_s and turn.app.mode in self._profile.pinging:
                await reader.ping()
                silent = 0.0
        if turn.stopped:
            await asyncio.sleep(_OBEY_S)
