"""What comes out of a turn: a closed set of events, and the values they carry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from remote_chatbots.signed_urls import expires_at
from remote_chatbots.values import Value

# The ids of a turn, as `Started`, answers, errors and metadata name them.
IDS = ("conversation_id", "message_id", "task_id", "workflow_run_id")
FinishReason = Literal["stop", "stopped", "paused", "content_filter", "handoff"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Source(Value):
    """One passage that the bot names as a source of its answer. What the server did not give is None or "".

    Attributes:
        content: The passage's text.
        title: Name of the document it stands in.
        document_id: The server's id of that document.
        segment_id: The server's id of the passage.
        dataset_id: The server's id of the knowledge base.
        score: The server's score, on the scale of its search method; None if it gave none.
        position: The server's numbering, from 1; None if it gave none.
        spans: The parts of the answer's text that rest on it, each from one character to before another, where the
            platform marks them.
        raw: All the server's keys, as sent.
    """

    content: str = ""
    title: str = ""
    document_id: str = ""
    segment_id: str = ""
    dataset_id: str = ""
    score: float | None = None
    position: int | None = None
    spans: tuple[tuple[int, int], ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Usage(Value):
    """What a turn cost, as the server counts it.

    Attributes:
        prompt_tokens: Tokens that went in.
        completion_tokens: Tokens that came out.
        total_tokens: The server's own sum (recorded: agents of Dify 0.15.3 say 0 beside parts that are not).
        total_price: The price, None if the server gave none.
        currency: Currency of the price, e.g. "USD"; "" if the server gave none.
        latency_s: How long the server says the turn took; None if it does not.
        time_to_first_token_s: How long it says the first token took; None if it does not.
        raw: All the server's keys, as sent.
        prompt_price: What of the price is that of `prompt_tokens`; None if the server does not say.
        completion_price: The same of `completion_tokens`.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    total_price: Decimal | None = None
    currency: str = ""
    latency_s: float | None = None
    time_to_first_token_s: float | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    prompt_price: Decimal | None = None
    completion_price: Decimal | None = None


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Started(Value):
    """Ids that became known. Each id is reported once, at the first moment it is known; the others are "".

    Attributes:
        conversation_id: The server's id of the conversation.
        message_id: The server's id of the answer.
        task_id: The id that the stop call takes.
        workflow_run_id: The id of the workflow's run.
        created_at: Unix time in seconds at which the server made the message; None if not (or not again) said.
        begun_anew: Why the conversation is another than the one that was asked in, where that was chosen: the server
            has "forgotten" that one, or the history "forked" from it; else "".
        asked_in: The conversation that was asked in, where the answer stands in another; else "".
    """

    conversation_id: str = ""
    message_id: str = ""
    task_id: str = ""
    workflow_run_id: str = ""
    created_at: int | None = None
    begun_anew: str = ""
    asked_in: str = ""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TextDelta(Value):
    """More of the answer; append it.

    Attributes:
        text: The piece.
    """

    text: str


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TextReplaced(Value):
    """All of the answer so far is withdrawn; `text` stands in its place.

    Attributes:
        text: The whole answer as of now.
        reason: The server's word for why, e.g. "output_moderation"; "" if it gives none.
    """

    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Reasoning(Value):
    """More of what the model thinks, apart from the answer; append it.

    Attributes:
        text: The piece.
    """

    text: str


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Step(Value):
    """Something the bot does on the way: a thought with its tool calls, a node, an iteration, a log entry.

    The same `id` may come again with more known, each time with all that is known by then: keep the newest. A state
    that the server tells twice comes once.

    Attributes:
        id: The server's id of the step.
        kind: "thought", "node", "iteration", "loop", "log", "branch", "form" or "tool".
        name: Title, for people; of a thought the tools it calls, joined by ";". "" if the server gave none.
        status: "running", or the server's word for how it ended.
        parent_id: The `id` of the step in which it happens: a child's of its iteration or loop, a log entry's of its
            node. "" if of none.
        text: What the bot says it thinks in it; "" if nothing.
        input: What went in, None if not (yet) known. Of a thought the tools' arguments, by their names.
        output: What came out, None if not (yet) known. Of a thought the tools' results, by their names.
        error: What went wrong; "" if nothing.
        started_at: Unix time in seconds at which it began; None if the server did not say.
        elapsed_s: How long it took, in seconds; None if not (yet) known.
        raw: All the server's keys, as sent.
    """

    id: str
    kind: str
    name: str = ""
    status: str = "running"
    parent_id: str = ""
    text: str = ""
    input: Any = None
    output: Any = None
    error: str = ""
    started_at: int | None = None
    elapsed_s: float | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class MediaProduced(Value):
    """A file the bot made, or a piece of its speech.

    Attributes:
        kind: "image", "audio", "video", "document", …, the server's word.
        url: Where the file is; signed, and good for a few minutes only. "" if `data` is given.
        data: The bytes of a piece of speech; pieces concatenate. b"" if `url` is given.
        mime_type: The media type; "" if the server gave none.
        id: The server's id of the file; "" if it gave none.
        raw: All the server's keys, as sent; empty for speech, whose bytes are in `data`.
    """

    kind: str
    url: str = ""
    data: bytes = field(default=b"", repr=False)
    mime_type: str = ""
    id: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name; "" if the server gave none."""
        return next((name for key in ("filename", "name") if isinstance(name := self.raw.get(key), str)), "")

    @property
    def expires_at(self) -> int | None:
        """The Unix time in seconds until which `url` is good; None if it does not say (see `signed_urls`)."""
        return expires_at(self.url)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SourcesFound(Value):
    """The passages behind the answer.

    Attributes:
        sources: The passages, in the server's order.
    """

    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class UsageReported(Value):
    """What the turn cost. At most once in a turn.

    Attributes:
        usage: Tokens, price and times, as the server counts them.
    """

    usage: Usage


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class InputRequired(Value):
    """The bot waits for a person to fill in a form.

    Attributes:
        form: The form as the server describes it, with its `form_token`.
    """

    form: Mapping[str, Any]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Finished(Value):
    """The turn is over. Exactly once, last, in a turn that did not fail.

    Attributes:
        reason: "stop"; "stopped" (somebody stopped it); "paused" (for a form); "content_filter" (the platform
            replaced or withheld text); "handoff" (to a human).
        metadata: The server's closing metadata as sent, apart from usage and sources.
    """

    reason: FinishReason = "stop"
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Unrecognized(Value):
    """Something this version does not know; it is handed on, never an error.

    Attributes:
        name: The server's name for it; "" if it has none.
        raw: The frame as parsed.
    """

    name: str
    raw: Any


Event: TypeAlias = (
    Started | TextDelta | TextReplaced | Reasoning | Step | MediaProduced | SourcesFound | UsageReported
    | InputRequired | Finished | Unrecognized
)  # fmt: skip
