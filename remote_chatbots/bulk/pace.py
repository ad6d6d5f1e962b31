"""How fast questions may be posted. Pure: it is told the time, and sleeps for nobody."""

from __future__ import annotations

import math

DOUBLED_IN_S = 30.0
SLOWEST_PER_S = 1 / 60


class Pace:
    """One pace for all who ask: no faster than was said, and as slow as the server's refusals ask for.

    A refusal holds all back for as long as the server says. Then they go on at the rate at which it took questions,
    the wait included: a server that takes sixty a minute is asked once a second. From there the pace doubles
    every `DOUBLED_IN_S`, until the next refusal.

    Args:
        per_second: The most posts a second; None for no limit but the server's.
        now: The time, in seconds of any clock.
    """

    def __init__(self, per_second: float | None, now: float) -> None:
        self._most = per_second or float("inf")
        self._left = float("inf")  # the rate that the last refusals left
        self._begun = now  # since when `_taken` counts
        self._taken = 0
        self._held = False  # whether a refusal holds all back
        self._free_at = now

    def wait_s(self, now: float) -> float:
        """Return how long the next post has to wait; 0 if it may go."""
        return max(0.0, self._free_at - now)

    def posted(self, now: float) -> None:
        """Note a post."""
        if self._held:
            self._held, self._begun, self._taken = False, now, 0
        self._taken += 1
        self._free_at = max(self._free_at, now + 1 / self.per_second(now))

    def per_second(self, now: float) -> float:
        """Return how many posts a second there may be now."""
        doubled = min(max(0.0, now - self._begun) / DOUBLED_IN_S, 64.0)
        return min(self._most, self._left * math.exp2(doubled))

    def hold(self, now: float, wait_s: float) -> None:
        """Hold all back for so long."""
        self._free_at = max(self._free_at, now + wait_s)

    def put_off(self, posted_at: float, now: float, wait_s: float) -> None:
        """Note that the server put a post off: all are held back, and slower from then on.

        Args:
            posted_at: When it was posted.
            now: The time.
            wait_s: For how long it was put off.
        """
        self.hold(now, wait_s)
        if posted_at >= self._begun:  # one of before the last wait has slowed the pace down already
            self._taken = max(0, self._taken - 1)
            self._left = max(SLOWEST_PER_S, max(self._taken, 1) / max(self._free_at - self._begun, 0.001))
            self._held = True
