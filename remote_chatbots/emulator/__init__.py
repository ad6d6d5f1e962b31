"""A local Dify and GPTBots server for tests and demonstrations.

Example:
    >>> from remote_chatbots.emulator import Emulator
    >>> with Emulator(token_delay_s=0) as emulator:
    ...     print(emulator.dify_url, emulator.key("agent-chat"))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .fault_registry import Faults
from .faults import (
    CommentLines,
    CrLf,
    Cut,
    DuplicateEnd,
    EndEarly,
    ErrorAt200,
    ErrorEvent,
    ExtraPings,
    Fault,
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
    TextAfterEnd,
    TooManyRequests,
    Trickle,
    Unavailable,
    UnknownEvents,
    WrongCharset,
)
from .gptbots_faults import (
    EmptyOutput,
    ErrorsAt200,
    FlowDuplicate,
    FlowOnly,
    Framing,
    GPTBotsFault,
    LateAnswer,
    LateCitations,
    NumbersAsText,
    OldestFirst,
    RateLimit,
    SingleObjectMedia,
    Stall,
    StringContent,
    V2Missing,
    WrappedError,
)

if TYPE_CHECKING:
    from .received import ReceivedRequest
    from .server import Emulator

__all__ = [
    "CommentLines",
    "CrLf",
    "Cut",
    "DuplicateEnd",
    "EmptyOutput",
    "Emulator",
    "EndEarly",
    "ErrorAt200",
    "ErrorEvent",
    "ErrorsAt200",
    "ExtraPings",
    "Fault",
    "Faults",
    "FlowDuplicate",
    "FlowOnly",
    "Framing",
    "GPTBotsFault",
    "Glue",
    "Gzip",
    "Hang",
    "HtmlPage",
    "HugeEvent",
    "JsonAnswer",
    "LateAnswer",
    "LateCitations",
    "NumbersAsText",
    "OldestFirst",
    "OneByteWrites",
    "RateLimit",
    "ReceivedRequest",
    "ReducedErrorEvent",
    "Reset",
    "SingleObjectMedia",
    "SplitCharacters",
    "Stall",
    "StringContent",
    "TextAfterEnd",
    "TooManyRequests",
    "Trickle",
    "Unavailable",
    "UnknownEvents",
    "V2Missing",
    "WrappedError",
    "WrongCharset",
]

_HOMES = {"Emulator": ".server", "ReceivedRequest": ".received"}


def __getattr__(name: str) -> object:
    # The server's HTTP library is slow to import and not needed before a server is.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
