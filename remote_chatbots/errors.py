"""Every error this package raises.

BotError                               a turn or a call did not succeed
├── BotUsageError (ValueError)         the caller's mistake; nothing was sent
│   └── ToolsRefusedError              (NotImplementedError) a bot calls its own tools
├── BotTransportError                  no complete reply arrived
│   ├── BotConnectError                nothing reached the server: retryable
│   ├── BotTimeoutError (TimeoutError) phase: connect (nothing sent: retryable) | silence | total
│   └── BotTruncatedError              bytes stopped, or the last event never came
├── BotProtocolError                   a reply the protocol does not allow; shows the first 200 bytes
│   └── BotFormatError                 the bot's answer is not in the form that the caller asked for
└── BotReplyError                      the platform said no: by status, by a body at 200, or in mid-stream
    ├── BotAuthError                   the key is missing, wrong, or lacks the right
    ├── BotNotFoundError               conversation, message, app or path unknown (or another user's)
    ├── BotRejectedError               the request is not acceptable as it is
    ├── BotRateLimitError              not now: retryable
    ├── BotQuotaError                  money or plan: waiting does not help
    └── BotServerError                 the platform, or the model behind it, failed

A message begins with the platform and ends with what to do. It never holds a key, a header or what a user
wrote. The HTTP library's own exception is `__cause__`, never what a caller must catch. Errors pickle.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

Phase = Literal["connect", "silence", "total"]


class BotError(Exception):
    """A turn or a call did not succeed.

    Attributes:
        message: The whole sentence, also `str(error)`.
        platform: "dify" or "gptbots"; "" for a mistake found before a platform was involved.
        retryable: Whether the same message may be posted again without the risk of posting it twice.
        partial_text: What the bot had said before it broke off; "" if nothing.
        conversation_id: The server's id of the conversation, as far as known; else "".
        message_id: The server's id of the answer, as far as known; else "".
        task_id: The id that the platform's stop call takes, as far as known; else "".
        workflow_run_id: The id of the workflow's run, as far as known; else "".
    """

    retryable_by_nature: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        platform: str = "",
        retryable: bool | None = None,
        partial_text: str = "",
        conversation_id: str = "",
        message_id: str = "",
        task_id: str = "",
        workflow_run_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.platform = platform
        self.retryable = self.retryable_by_nature if retryable is None else retryable
        self.partial_text = partial_text
        self.conversation_id = conversation_id
        self.message_id = message_id
        self.task_id = task_id
        self.workflow_run_id = workflow_run_id

    @classmethod
    def of(cls, platform: str, told: str, **known: Any) -> Self:
        """Return an error whose message begins with the platform.

        Args:
            platform: "dify" or "gptbots"; "" where none is involved.
            told: What the message says behind that.
            **known: The other attributes.
        """
        return cls(f"{platform}: {told}" if platform else told, platform=platform, **known)

    def __str__(self) -> str:
        # OSError, a base of TimeoutError, would print its own way.
        return self.message

    def details(self) -> dict[str, Any]:
        """Return everything the error knows, the message apart, and whatever others have set on it."""
        return {name: value for name, value in vars(self).items() if name != "message"}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message,), vars(self)


class BotUsageError(BotError, ValueError):
    """The caller's mistake, found before anything was sent. The message names the field and what it takes."""


class ToolsRefusedError(BotUsageError, NotImplementedError):
    """A bot calls its own tools; it takes none from a caller."""


class BotTransportError(BotError):
    """No complete reply arrived."""


class BotConnectError(BotTransportError):
    """Nothing reached the server: no address, no connection, no TLS. The same message may be posted again."""

    retryable_by_nature = True


class BotTimeoutError(BotTransportError, TimeoutError):
    """A clock ran out.

    Attributes:
        phase: "connect" (nothing was sent: retryable), "silence" (no byte for `silence_s`), or "total"
            (the whole turn took longer than `total_s`).
    """

    def __init__(self, message: str, *, phase: Phase = "silence", **known: Any) -> None:
        known["retryable"] = phase == "connect" if known.get("retryable") is None else known["retryable"]
        super().__init__(message, **known)
        self.phase: Phase = phase


class BotTruncatedError(BotTransportError):
    """The bytes stopped, or the event that ends a turn never came. The message may well have arrived."""


class BotProtocolError(BotError):
    """A reply that the platform's protocol does not allow. The message shows its first 200 bytes, or who read it."""


class BotFormatError(BotProtocolError):
    """The bot answered, and not in the form that was asked for, after a repair turn if one made sense.

    What it said is in `partial_text`, and nowhere in the message.
    """


class BotReplyError(BotError):
    """The platform said no: by its HTTP status, by a body at 200, or by an event in mid-stream.

    Attributes:
        http_status: Status of the HTTP response, or the one an error event names; 0 if it names none.
        code: The platform's own code, as text, just as it wrote it; "" if it gave none.
        request_id: The platform's id of the request (for its support), "" if it gave none.
        retry_after_s: How long the platform asks to wait, in seconds; None if it does not say.
        in_stream: True if the refusal came as an event, after HTTP 200.
    """

    def __init__(
        self,
        message: str,
        *,
        http_status: int = 0,
        code: str = "",
        request_id: str = "",
        retry_after_s: float | None = None,
        in_stream: bool = False,
        **known: Any,
    ) -> None:
        super().__init__(message, **known)
        self.http_status = http_status
        self.code = code
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.in_stream = in_stream


class BotAuthError(BotReplyError):
    """The key is missing, unknown, of the wrong kind, or lacks the right (HTTP 401, 403)."""


class BotNotFoundError(BotReplyError):
    """The conversation, message, app or path is unknown to the server, or belongs to another user."""


class BotRejectedError(BotReplyError):
    """The platform does not accept the request as it is: an input, a file, the kind of app."""


class BotRateLimitError(BotReplyError):
    """Too much at once; the message was not taken and may be posted again later."""

    retryable_by_nature = True


class BotQuotaError(BotReplyError):
    """Money or plan is used up; waiting does not help."""


class BotServerError(BotReplyError):
    """The platform failed, or the model or workflow behind it did."""


def copy_of(error: BotError, kind: type[BotError] | None = None, **known: Any) -> BotError:
    """Return `error` as another class or with more known about it, its cause and traceback kept."""
    twin = (kind or type(error))(error.message)
    vars(twin).update(vars(error) | known)
    twin.__cause__ = error.__cause__
    return twin.with_traceback(error.__traceback__)
