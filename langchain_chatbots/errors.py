"""Our errors as LangChain knows errors: each class here is one of ours and one of LangChain's at once.

`except BotRateLimitError` and `except ModelRateLimitError` both catch. `is_retryable`, which LangChain's retry
middleware asks, is the single error's `retryable`: whether the same message may be posted again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from langchain_core.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
    OutputParserException,
)

from remote_chatbots import errors


# A RuntimeError, because LangGraph's RetryPolicy tries again by default whatever is none of Python's own errors.
class _Twin(errors.BotError, ModelError, RuntimeError):
    # LangChain's own classes say it of all of a kind; here it is asked of the single error.
    is_retryable = cast("bool", property(lambda self: self.retryable))


class ChatbotUsageError(_Twin, errors.BotUsageError, ModelInvalidRequestError):
    """The caller's mistake; nothing was sent."""


class ToolsRefusedError(ChatbotUsageError, errors.ToolsRefusedError):
    """A bot calls its own tools; it takes none from a caller."""


class ChatbotConnectionError(_Twin, errors.BotConnectError, ModelConnectionError):
    """Nothing reached the server."""


class ChatbotTimeoutError(_Twin, errors.BotTimeoutError, ModelTimeoutError):
    """A clock ran out."""


class ChatbotTruncatedError(_Twin, errors.BotTruncatedError, ModelAPIError):
    """The bytes stopped, or the event that ends a turn never came."""


class ChatbotProtocolError(_Twin, errors.BotProtocolError, ModelAPIError):
    """A reply that the platform's protocol does not allow."""


class ChatbotFormatError(_Twin, errors.BotFormatError, ModelAPIError, OutputParserException):
    """The bot's answer is not in the form that was asked for: what LangChain's output parsers raise, too."""

    # LangChain's constructor sets it, before the text is known.
    llm_output = cast("str | None", property(lambda self: self.partial_text, lambda *_: None))


class ChatbotAuthenticationError(_Twin, errors.BotAuthError, ModelAuthenticationError):
    """The key is missing or unknown (HTTP 401)."""


class ChatbotPermissionError(_Twin, errors.BotAuthError, ModelPermissionDeniedError):
    """The key lacks the right, or the app does not serve keys (HTTP 403)."""


class ChatbotNotFoundError(_Twin, errors.BotNotFoundError, ModelNotFoundError):
    """The conversation, message, app or path is unknown, or another user's."""


class ChatbotRejectedError(_Twin, errors.BotRejectedError, ModelInvalidRequestError):
    """The platform does not accept the request as it is."""


class ChatbotRateLimitError(_Twin, errors.BotRateLimitError, ModelRateLimitError):
    """Too much at once."""


class ChatbotQuotaError(_Twin, errors.BotQuotaError, ModelInvalidRequestError):
    """Money or plan is used up."""


class ChatbotServerError(_Twin, errors.BotServerError, ModelAPIError):
    """The platform, or the model behind it, failed."""


class ChatbotReplyError(_Twin, errors.BotReplyError, ModelAPIError):
    """The platform said no in a way of its own."""


_TWINS: tuple[tuple[type[errors.BotError], type[_Twin]], ...] = (
    (errors.ToolsRefusedError, ToolsRefusedError),
    (errors.BotUsageError, ChatbotUsageError),
    (errors.BotConnectError, ChatbotConnectionError),
    (errors.BotTimeoutError, ChatbotTimeoutError),
    (errors.BotTruncatedError, ChatbotTruncatedError),
    (errors.BotFormatError, ChatbotFormatError),
    (errors.BotProtocolError, ChatbotProtocolError),
    (errors.BotAuthError, ChatbotAuthenticationError),
    (errors.BotNotFoundError, ChatbotNotFoundError),
    (errors.BotRejectedError, ChatbotRejectedError),
    (errors.BotRateLimitError, ChatbotRateLimitError),
    (errors.BotQuotaError, ChatbotQuotaError),
    (errors.BotServerError, ChatbotServerError),
    (errors.BotReplyError, ChatbotReplyError),
)


# For LangChain's `with_retry`, which asks for classes: in these, nothing arrived, or the server put it off.
SAFE_TO_POST_AGAIN = (ChatbotConnectionError, ChatbotRateLimitError)


def retryable(error: BaseException) -> bool:
    """Return whether the same message may be posted again without the risk of posting it twice.

    For LangGraph's `RetryPolicy(retry_on=retryable)`, whose default tries none of these errors again, not even those
    that are safe; for `with_retry` of a chain, whose default tries all again (from langchain-core 1.7, which takes a
    function there); and for `retry_on=` of the retry middleware of a LangChain before 1.4, which does so too.
    """
    return isinstance(error, errors.BotError) and error.retryable


def twin_of(error: errors.BotError) -> errors.BotError:
    """Return `error` as the class that LangChain's handlers catch as well; itself if it is one already."""
    if isinstance(error, ModelError):
        return error
    if isinstance(error, errors.BotAuthError) and error.http_status == 403:
        return errors.copy_of(error, ChatbotPermissionError)
    kind = next((twin for ours, twin in _TWINS if isinstance(error, ours)), None)
    return errors.copy_of(error, kind) if kind else error


@contextmanager
def as_model_errors() -> Iterator[None]:
    """Raise the twin of whatever error of ours leaves the block, with the same cause."""
    try:
        yield
    except errors.BotError as error:
        raise twin_of(error) from error.__cause__
