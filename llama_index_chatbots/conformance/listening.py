"""What the suites listen with: to instrumentation, to callbacks, and to whether an event loop is free."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent


class Listener(BaseEventHandler):
    """Keeps every event of LlamaIndex's instrumentation."""

    events: list[Any] = []

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the handler."""
        return "Listener"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        """Keep the event."""
        self.events.append(event)

    def of(self, kind: type[BaseEvent]) -> list[Any]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def count(self, *kinds: type[BaseEvent]) -> int:
        """Return how many events of these kinds there were."""
        return sum(isinstance(event, kinds) for event in self.events)


@contextmanager
def listening() -> Iterator[Listener]:
    """Hear every event while the block runs."""
    root, listener = get_dispatcher(), Listener(events=[])
    root.add_event_handler(listener)
    try:
        yield listener
    finally:
        root.event_handlers.remove(listener)


class CallbackListener(BaseCallbackHandler):
    """Counts starts and ends of callback events."""

    def __init__(self) -> None:
        super().__init__([], [])
        self.starts: Counter[CBEventType] = Counter()
        self.ends: Counter[CBEventType] = Counter()
        self.payloads: list[dict[str, Any]] = []

    def on_event_start(self, event_type: CBEventType, *_: Any, event_id: str = "", **__: Any) -> str:
        """Count a start."""
        self.starts[event_type] += 1
        return event_id

    def on_event_end(self, event_type: CBEventType, payload: dict[str, Any] | None = None, *_: Any, **__: Any) -> None:
        """Count an end, and keep what came."""
        self.ends[event_type] += 1
        self.payloads.append(payload or {})

    def start_trace(self, trace_id: str | None = None) -> None:
        """Do nothing."""

    def end_trace(self, trace_id: str | None = None, trace_map: dict[str, list[str]] | None = None) -> None:
        """Do nothing."""

    @property
    def responses(self) -> list[Any]:
        """What came of the calls of an LLM."""
        names = (EventPayload.RESPONSE, EventPayload.COMPLETION)
        return [payload[name] for payload in self.payloads for name in names if name in payload]


def callback_listener() -> tuple[CallbackListener, CallbackManager]:
    """Return a listener, and a manager that tells it."""
    listener = CallbackListener()
    return listener, CallbackManager([listener])


@asynccontextmanager
async def heartbeat() -> AsyncIterator[list[float]]:
    """Give the times at which the loop was free while the block ran, on the loop's clock."""
    loop = asyncio.get_running_loop()
    beats: list[float] = []

    async def beat() -> None:
        while True:
            beats.append(loop.time())
            await asyncio.sleep(0)  # at every turn of the loop: an answer may take less than any time to sleep

    beating = asyncio.create_task(beat())
    await asyncio.sleep(0)
    beats.clear()
    try:
        yield beats
    finally:
        beating.cancel()
