"""How long to wait, and how much to take: pure values, every duration in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from remote_chatbots.errors import BotUsageError
from remote_chatbots.values import Value

DEFAULT_CONNECT_S = 10.0
DEFAULT_SILENCE_S = 300.0
LONGEST_S = 1e8


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Timeouts(Value):
    """Three clocks. `None` switches a clock off.

    Attributes:
        connect_s: To reach the server, TLS and a proxy's tunnel included. Default 10.
        silence_s: Until the response's head is whole, and then without a single byte. Default 300: a Dify server sends
            no head before the first token or ping (10 s), and a 1.14 chatflow pings once and then never again
            (recorded: 1.14.2/chat-stream-ping-while-waiting, 1.14.2/err-unknown-conversation-chatflow-stream).
        total_s: For the whole turn. Default none.

    Raises:
        BotUsageError: If a value is not a positive number.
    """

    connect_s: float | None = DEFAULT_CONNECT_S
    silence_s: float | None = DEFAULT_SILENCE_S
    total_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("connect_s", "silence_s", "total_s"):
            value = getattr(self, name)
            if value is not None:
                positive_seconds(name, value)

    @classmethod
    def of(cls, value: Any) -> Timeouts:
        """Return the clocks that a `timeout=` argument means.

        Args:
            value: A `Timeouts`; a number (seconds of silence, which also caps `connect_s`); a pair
                (connect, silence) or a triple (connect, silence, total); or None for no limit at all.

        Raises:
            BotUsageError: If `value` is none of these.
        """
        if isinstance(value, Timeouts):
            return value
        if value is None:
            return cls(None, None, None)
        if isinstance(value, (tuple, list)) and len(value) in (2, 3):
            return cls(*value)
        silence_s = positive_seconds("timeout", value)
        return cls(connect_s=min(DEFAULT_CONNECT_S, silence_s), silence_s=silence_s)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Settings(Value):
    """What a client may be told about patience and sizes.

    Attributes:
        end_grace_s: After a turn's last event, how long to wait for the end of the body, so that the connection
            can be used again. Default 0.1.
        speech_wait_s: After the text, how long to wait for the last piece of speech. Default 10.
        probe_after_s: After that much silence at the start of a stream, the server is asked, beside it, whether it
            can answer at all. Default 5.
        stop_wait_s: On leaving a turn early: for the stop call and for the turn's last event. Default 1.5.
        recover_wait_s: With `on_break="recover"`, how long the answer of a turn that broke off is looked for. Default
            60.
        max_event_bytes: The largest event that is taken. Default 16 MiB.
        max_connections: Turns of one async client that have a connection at a time, per event loop; more wait, at
            most `connect_s` and `silence_s` together. Stop calls and the like wait for none. Default 1000.
        idle_s: A connection that was idle for longer is not used for a post. Default 4.
        max_retries: How often an opening that cannot have arrived, or was put off, is tried again. A server that asks
            for more than 30 s is not waited for: its refusal is raised at once. Default 2.

    Raises:
        BotUsageError: If a value is out of range.
    """

    end_grace_s: float = 0.1
    speech_wait_s: float = 10.0
    probe_after_s: float = 5.0
    stop_wait_s: float = 1.5
    recover_wait_s: float = 60.0
    max_event_bytes: int = 16 * 1024 * 1024
    max_connections: int = 1000
    idle_s: float = 4.0
    max_retries: int = 2

    def __post_init__(self) -> None:
        for name in ("end_grace_s", "speech_wait_s", "probe_after_s", "stop_wait_s", "recover_wait_s", "idle_s"):
            positive_seconds(name, getattr(self, name))
        for name, least in (("max_event_bytes", 1024), ("max_connections", 1), ("max_retries", 0)):
            at_least(name, getattr(self, name), least)


def at_least(name: str, value: Any, least: int) -> None:
    """Refuse what is no whole number of at least `least`.

    Raises:
        BotUsageError: With the field's name.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BotUsageError(f"{name} must be a whole number of at least {least}. Give such a number.")


def positive_seconds(name: str, value: Any) -> float:
    """Return `value` as seconds.

    Raises:
        BotUsageError: If it is not a finite number above zero. The message names the field.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= LONGEST_S:
        raise BotUsageError(
            f"{name} must be a number of seconds above 0 and at most {LONGEST_S:.0f}. Give such a number, or None for "
            "no limit."
        )
    return float(value)
