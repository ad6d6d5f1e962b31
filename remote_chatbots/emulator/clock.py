"""The emulator's clock: time passes only when something is stored, so runs can be repeated."""

from __future__ import annotations

from datetime import UTC, datetime

_START = int(datetime(2026, 1, 1, 9, 0, 0, tzinfo=UTC).timestamp())


class Clock:
    """Whole seconds that pass one by one, as Dify's `created_at` counts them."""

    def __init__(self) -> None:
        self._now = _START

    def tick(self, seconds: int = 1) -> int:
        """Let so many seconds pass.

        Every message gets a second of its own, unless its query is tagged to share one: a real server cuts pages of
        history by `created_at` and loses messages that share a second (recorded: 1.14.2/messages-same-second-page-1).

        Returns:
            The Unix time in seconds after the tick.
        """
        self._now += seconds
        return self._now


def local_time(created_at: int) -> str:
    """Write a Unix time the way Dify's built-in `current_time` tool does.

    Args:
        created_at: Unix time in seconds.

    Returns:
        For example `2026-01-01 09:00:01`.
    """
    return datetime.fromtimestamp(created_at, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
