"""When an opening is tried again. Pure: it decides, a flow sleeps."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from remote_chatbots.errors import BotError, BotReplyError


class RetryPolicy(NamedTuple):
    """Tries again only what is safe to post again (`BotError.retryable`), and no more than `max_retries` times.

    Attributes:
        max_retries: Tries after the first. Default 2.
        first_delay_s: The longest wait before the second try; it doubles with each further one. Default 0.5.
        longest_delay_s: No wait is longer, and a server that asks for a longer one is not waited for. Default 30.
        random: Where the jitter comes from. Default: a generator of its own for each wait.
    """

    max_retries: int = 2
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    random: random.Random | None = None

    def delay_s(self, attempt: int, error: BotError) -> float | None:
        """Return how long to wait before trying again, in seconds; None if it is not to be tried again.

        Args:
            attempt: How many retries there were already.
            error: What the last try came to.
        """
        if not error.retryable or attempt >= self.max_retries:
            return None
        asked_s = error.retry_after_s if isinstance(error, BotReplyError) else None
        if asked_s is not None:
            return asked_s if asked_s <= self.longest_delay_s else None
        # Full jitter on the upper half: callers that were put off together do not come back together.
        jitter = (self.random or random.Random()).uniform(0.5, 1.0)  # few turns wait, and to seed one takes a while
        return min(self.longest_delay_s, self.first_delay_s * 2.0**attempt) * jitter


def retry_after_s(value: str, now: datetime | None = None) -> float | None:
    """Return what a `Retry-After` header asks for, in seconds; None if it says nothing that can be read.

    Args:
        value: The header's value: a number of seconds, or an HTTP date.
        now: The moment an HTTP date is compared with. Default: now.
    """
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value)
        except (TypeError, ValueError, OverflowError):
            return None
        if then.tzinfo is None:
            then = then.replace(tzinfo=UTC)
        seconds = (then - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None
