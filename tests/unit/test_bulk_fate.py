"""What an error says of the question that met it."""

from __future__ import annotations

import pytest

from remote_chatbots import (
    BotAuthError,
    BotConnectError,
    BotError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
    BotTimeoutError,
    BotTruncatedError,
    BotUsageError,
)
from remote_chatbots.bulk.fate import fate_of


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (BotRateLimitError("", http_status=429), "again"),
        (BotServerError("", http_status=503, retryable=True), "again"),
        (BotConnectError(""), "again"),
        (BotTimeoutError("", phase="connect"), "again"),
        (BotUsageError(""), "refused"),
        (BotConnectError("", retryable=False), "refused"),
        (BotAuthError("", http_status=401), "refused"),
        (BotQuotaError("", http_status=400), "refused"),
        (BotRejectedError("", http_status=400), "refused"),
        (BotReplyError("", http_status=302), "refused"),
        (BotServerError("", http_status=400), "failed"),
        (BotServerError("", in_stream=True), "failed"),
        (BotRejectedError("", http_status=400, in_stream=True), "failed"),
        (BotRateLimitError("", in_stream=True, retryable=False), "failed"),
        (BotServerError("", http_status=500), "unknown"),
        (BotServerError("", http_status=504), "unknown"),
        (BotServerError("", http_status=408), "unknown"),
        (BotTruncatedError(""), "unknown"),
        (BotTimeoutError("", phase="silence"), "unknown"),
        (BotTimeoutError("", phase="total"), "unknown"),
        (BotProtocolError(""), "unknown"),
        (BotError(""), "unknown"),
    ],
)
def test_a_question_is_posted_again_only_if_its_error_says_that_it_was_not_taken(error: BotError, fate: str) -> None:
    assert fate_of(error) == fate
