"""How many requests a key has made lately."""

from __future__ import annotations

from collections import deque
from time import monotonic

from .gptbots_faults import RateLimit


class Limiter:
    """Counts the requests that a `RateLimit` strikes, each key for itself."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._taken: dict[str | None, deque[float]] = {}

    def wait_s(self, limit: RateLimit, agent: str | None) -> float:
        """Count a request, or return after how many seconds it may come again; those put off are not counted."""
        now = monotonic()
        taken = self._taken.setdefault(agent, deque())
        while taken and taken[0] <= now - limit.window_s:
            taken.popleft()
        if len(taken) < limit.per_minute:
            taken.append(now)
            return 0.0
        return taken[0] + limit.window_s - now if taken else limit.window_s
