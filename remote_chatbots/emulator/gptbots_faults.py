"""What GPTBots servers are known, or feared, to do otherwise, as values. Dify's answers are never changed by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from .faults import FOR_EVER_S, EventFault, Fault, at_least

Form = Literal["sse", "sse-nospace", "ndjson", "glued", "crlf"]


class GPTBotsFault(Fault):
    """Another habit of the server."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Framing(GPTBotsFault):
    """Frames written another way: the pages show bare lines, one page two objects on a line, clients met `data:`.

    Attributes:
        form: "sse" (`data: {…}` and a blank line), "sse-nospace" (`data:{…}`, as without this fault), "ndjson" (a bare
            object a line), "glued" (bare objects with nothing between them) or "crlf" ("sse" with CR LF).
    """

    form: Form = "ndjson"

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise ValueError(f"form must be one of {', '.join(get_args(Form))}, not {self.form!r}")


@dataclass(frozen=True, slots=True)
class WrappedError(EventFault):
    """A frame -50000 with the code inside, after so many frames; then the body ends. Without effect on Dify."""

    after_frames: int = 1
    code: int = 50000
    message: str = "Internal server error"

    def __post_init__(self) -> None:
        at_least("after_frames", self.after_frames, 0)


@dataclass(frozen=True, slots=True)
class Stall(EventFault):
    """Silence after so many frames; then they go on. Without effect on Dify.

    Attributes:
        for_s: How long it lasts, in seconds.
    """

    after_frames: int = 1
    for_s: float = FOR_EVER_S

    def __post_init__(self) -> None:
        at_least("after_frames", self.after_frames, 0)
        at_least("for_s", self.for_s, 0)


@dataclass(frozen=True, slots=True)
class FlowOnly(GPTBotsFault):
    """The text comes in `FlowOutput` and nowhere else."""


@dataclass(frozen=True, slots=True)
class FlowDuplicate(GPTBotsFault):
    """`FlowOutput` repeats the text."""


@dataclass(frozen=True, slots=True)
class EmptyOutput(GPTBotsFault):
    """A blocking answer of v2 with `output: []`; the history has the text."""


@dataclass(frozen=True, slots=True)
class StringContent(GPTBotsFault):
    """A blocking answer of v2 whose `content` is a plain string."""


@dataclass(frozen=True, slots=True)
class SingleObjectMedia(GPTBotsFault):
    """A history of v2 in which a file is one object and not an array of one; as a question either is accepted."""


@dataclass(frozen=True, slots=True)
class LateCitations(GPTBotsFault):
    """The chunks behind an answer are not there yet: an empty list. Once, and the next call finds them."""


@dataclass(frozen=True, slots=True)
class LateAnswer(GPTBotsFault):
    """A history whose newest question has no answer yet. Once, and the next call finds it."""


@dataclass(frozen=True, slots=True)
class NumbersAsText(GPTBotsFault):
    """`total` of a history and `score` of the chunks behind an answer are strings, as some tables of the pages say."""


@dataclass(frozen=True, slots=True)
class OldestFirst(GPTBotsFault):
    """A history that begins with the oldest message, not with the newest."""


@dataclass(frozen=True, slots=True)
class ErrorsAt200(GPTBotsFault):
    """Whatever is refused is refused with HTTP 200."""


@dataclass(frozen=True, slots=True)
class RateLimit(GPTBotsFault):
    """So many requests a minute with one key, of those that suffer this; the others get 429 and the code 40001.

    Attributes:
        tells_when: Whether `Retry-After` says when to come again.
        window_s: How long the minute is, in seconds.
    """

    per_minute: int = 3
    tells_when: bool = True
    window_s: float = 60.0

    def __post_init__(self) -> None:
        at_least("per_minute", self.per_minute, 0)
        at_least("window_s", self.window_s, 0)


@dataclass(frozen=True, slots=True)
class V2Missing(GPTBotsFault):
    """A server that does not know v2: 404 or 405 for these paths, without a code of the platform."""

    status: int = 404

    def __post_init__(self) -> None:
        if self.status not in (404, 405):
            raise ValueError(f"status must be 404 or 405, not {self.status!r}")
