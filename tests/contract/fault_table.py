"""Every fault of the matrix, and what it must come to on every wire, in every way of asking."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from remote_chatbots import (
    BotAuthError,
    BotConnectError,
    BotError,
    BotNotFoundError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotRejectedError,
    BotServerError,
    BotTimeoutError,
    BotTruncatedError,
)
from remote_chatbots.emulator import (
    CommentLines,
    CrLf,
    Cut,
    DuplicateEnd,
    EndEarly,
    ErrorAt200,
    ErrorEvent,
    ExtraPings,
    Fault,
    FlowDuplicate,
    FlowOnly,
    Framing,
    Glue,
    Gzip,
    Hang,
    HtmlPage,
    HugeEvent,
    JsonAnswer,
    OneByteWrites,
    ReducedErrorEvent,
    Reset,
    SplitCharacters,
    Stall,
    TextAfterEnd,
    TooManyRequests,
    Trickle,
    Unavailable,
    UnknownEvents,
    WrappedError,
    WrongCharset,
)

MIDDLE = 1 << 30  # stands for a number of bytes that is behind some text of a wire, and before its end
SILENCE_S = 0.4
Where = Literal["server", "closed port", "no host", "no TLS", "no tunnel"]


@dataclass(frozen=True)
class Case:
    """A fault.

    Attributes:
        faults: What the emulator does.
        error: The class of the error; None if the turn survives.
        known: Attributes of the error.
        text: Whether it has the text so far: True, False, or None where that depends.
        posts: How often the message is posted.
        retryable: Whether the error says that it may be posted again.
        only: The platform that has the fault; "" for both.
        where: What is wrong with the address.
        fields: Fields of the model.
        ends: Whether the fault is in the end of the answer, of which a stream of 2023 has none of its own.
    """

    faults: tuple[Fault, ...] = ()
    error: type[BotError] | None = None
    known: dict[str, Any] = field(default_factory=dict)
    text: bool | None = False
    posts: int = 1
    retryable: bool = False
    only: str = ""
    where: Where = "server"
    fields: dict[str, Any] = field(default_factory=dict)
    ends: bool = False

    def is_on(self, wire: str) -> bool:
        """Return whether a wire has the fault."""
        return (
            wire.startswith("gptbots") == (self.only == "gptbots") if self.only else not (self.ends and "2023" in wire)
        )


_SILENT = {"timeout": (5, SILENCE_S)}
_UNHURRIED = {"timeout": (60, 5), "max_retries": 0}  # who says that there is no such host may take its time
_HURRIED = {"timeout": (5, 5, SILENCE_S)}
_SMALL = {"max_event_bytes": 100_000}
_ONCE = {"max_retries": 0}

SURVIVED: dict[str, Case] = {
    name: Case(faults, posts=2 if name.startswith("put off") else 1, only=only, ends=name.endswith("the end"))
    for only, table in {
        "": {
            "glued writes": (Glue(),),
            "CRLF": (CrLf(),),
            "trickling": (Trickle(size_bytes=7, delay_s=0),),
            "CRLF and trickling": (CrLf(), Trickle(size_bytes=3, delay_s=0)),
            "byte by byte": (OneByteWrites(),),
            "split characters": (SplitCharacters(),),
            "pings": (ExtraPings(),),
            "comments": (CommentLines(),),
            "compressed": (Gzip(),),
            "another charset in the head": (WrongCharset(),),
            "unknown events": (UnknownEvents(),),
            "a duplicate end": (DuplicateEnd(),),
            "text after the end": (TextAfterEnd(),),
            "JSON where a stream was due": (JsonAnswer(),),
            "a head that is late": (Hang(before_head=True, for_s=0.1),),
            "put off once": (TooManyRequests(retry_after_s=0),),
            "put off once by a date": (TooManyRequests(retry_after_s=0, as_date=True),),
            "put off once at 503": (Unavailable(retry_after_s=0),),
        },
        "gptbots": {
            "framed as sse": (Framing("sse"),),
            "framed as bare lines": (Framing("ndjson"),),
            "framed as glued objects": (Framing("glued"),),
            "framed as sse with CRLF": (Framing("crlf"),),
            "glued objects, trickling": (Framing("glued"), Trickle(size_bytes=7, delay_s=0)),
            "bare lines with split characters": (Framing("ndjson"), SplitCharacters()),
            "a short silence": (Stall(for_s=0.05),),
            "the flow's output alone": (FlowOnly(),),
            "the flow's output as well": (FlowDuplicate(),),
        },
    }.items()
    for name, faults in table.items()
}
FATAL: dict[str, Case] = {
    "cut in the middle": Case((Cut(MIDDLE),), BotTruncatedError, text=True),
    "cut before the body": Case((Cut(),), BotTruncatedError),
    "reset in the middle": Case((Reset(MIDDLE),), BotTruncatedError, text=None),
    "a polite end before the end": Case((EndEarly(2),), BotTruncatedError, text=True, ends=True),
    "silence before the head": Case((Hang(before_head=True),), BotTimeoutError, {"phase": "silence"}, fields=_SILENT),
    "silence before the body": Case((Hang(),), BotTimeoutError, {"phase": "silence"}, fields=_SILENT),
    "silence in the middle": Case((Hang(MIDDLE),), BotTimeoutError, {"phase": "silence"}, text=True, fields=_SILENT),
    "a trickle beyond all time": Case(
        (Trickle(size_bytes=1, delay_s=0.05),), BotTimeoutError, {"phase": "total"}, text=None, fields=_HURRIED
    ),
    "an error event": Case((ErrorEvent(30),), BotServerError, {"in_stream": True}, text=True),
    "an error event without code": Case((ReducedErrorEvent(30),), BotServerError, {"in_stream": True}, text=True),
    "an error at 200": Case((ErrorAt200(),), BotServerError, {"in_stream": False}),
    "an event above the limit": Case(
        (HugeEvent(size_bytes=300_000, after_events=20),), BotProtocolError, text=None, fields=_SMALL
    ),
    "a web page": Case((HtmlPage(),), BotProtocolError),
    **{
        str(status): Case((HtmlPage(status),), kind, {"http_status": status, "code": ""})
        for status, kind in {
            401: BotAuthError,
            402: BotQuotaError,
            403: BotAuthError,
            404: BotNotFoundError,
            413: BotRejectedError,
            415: BotRejectedError,
            500: BotServerError,
            502: BotServerError,
            504: BotServerError,
        }.items()
    },
    "503": Case((Unavailable(),), BotServerError, {"http_status": 503}),
    "429": Case((TooManyRequests(),), BotRateLimitError, {"http_status": 429}, retryable=True, fields=_ONCE),
    "429 with a wait": Case(
        (TooManyRequests(retry_after_s=3600),), BotRateLimitError, {"retry_after_s": 3600}, retryable=True
    ),
    "429 with a date": Case((TooManyRequests(retry_after_s=3600, as_date=True),), BotRateLimitError, retryable=True),
    "a wrapped error": Case(
        (WrappedError(30, 20022),), BotQuotaError, {"code": "20022", "in_stream": True}, text=True, only="gptbots"
    ),
    "an error first": Case(
        (ErrorEvent(0, 40001),),
        BotRateLimitError,
        {"code": "40001", "http_status": 200},
        retryable=True,
        only="gptbots",
    ),
    "nobody listens": Case(error=BotConnectError, posts=0, retryable=True, where="closed port", fields=_ONCE),
    "no such host": Case(error=BotConnectError, posts=0, retryable=True, where="no host", fields=_UNHURRIED),
    "no TLS": Case(error=BotConnectError, posts=0, where="no TLS", fields=_ONCE),
    "a proxy that refuses": Case(error=BotConnectError, posts=0, retryable=True, where="no tunnel", fields=_ONCE),
}
CASES = SURVIVED | FATAL
