"""What an error says of the question that met it. Pure."""

from __future__ import annotations

from typing import Literal

from remote_chatbots.errors import BotConnectError, BotError, BotReplyError, BotServerError, BotUsageError

Fate = Literal["again", "refused", "failed", "unknown"]


def fate_of(error: BotError) -> Fate:
    """Return what became of a question.

    Args:
        error: What its turn came to.

    Returns:
        "again": it was not taken, and may be posted again at once or after a wait. "refused": it was not taken, and
        would not be if it were posted again as it is. "failed": it was taken, and its turn failed at the server.
        "unknown": it may have been taken, and may have been answered.
    """
    if error.retryable:
        return "again"
    if isinstance(error, (BotUsageError, BotConnectError)):
        return "refused"
    if not isinstance(error, BotReplyError):
        return "unknown"
    if error.in_stream:
        return "failed"
    if isinstance(error, BotServerError) or error.http_status >= 500 or error.http_status == 408:
        # A failed run is told with a status of its own (Dify's blocking form: 400); a 5xx may be a gateway's.
        return "failed" if 400 <= error.http_status < 500 and error.http_status != 408 else "unknown"
    return "refused"
