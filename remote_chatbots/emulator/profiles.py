"""The ages of Dify's wire that the emulator can speak."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import orjson

from .apps import Mode
from .dify_chatflow import chatflow_events
from .dify_events import Event, agent_events, chat_events
from .turn import Turn


@dataclass(frozen=True, slots=True)
class Profile:
    """What differs from one age to another.

    Attributes:
        name: What users ask for.
        server_version: What the server says it is.
        turn_events: For each app mode, what a turn is on the wire.
        event_bytes: How an event is written into a stream.
    """

    name: str
    server_version: str
    turn_events: Mapping[Mode, Callable[[Turn], Iterator[Event]]]
    event_bytes: Callable[[Event], bytes]


def compact_event(event: Event) -> bytes:
    """Write an event as compact JSON in raw UTF-8, as servers do since about 2025."""
    return b"data: " + orjson.dumps(event) + b"\n\n"


_PROFILES = (
    Profile(
        name="1.14",
        server_version="1.14.2",
        turn_events=MappingProxyType(
            {"chat": chat_events, "agent-chat": agent_events, "advanced-chat": chatflow_events}
        ),
        event_bytes=compact_event,
    ),
)


def profile_named(name: str) -> Profile:
    """Return the profile of that name.

    Raises:
        ValueError: There is none; the message names those there are.
    """
    for profile in _PROFILES:
        if profile.name == name:
            return profile
    known = ", ".join(repr(profile.name) for profile in _PROFILES)
    raise ValueError(f"no profile {name!r}; there is {known}")
