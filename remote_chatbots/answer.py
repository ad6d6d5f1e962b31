"""The whole answer of a turn, and the builder that folds events into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from remote_chatbots.events import (
    IDS,
    Event,
    Finished,
    FinishReason,
    InputRequired,
    MediaProduced,
    Reasoning,
    Source,
    SourcesFound,
    Started,
    Step,
    TextDelta,
    TextReplaced,
    Unrecognized,
    Usage,
    UsageReported,
)
from remote_chatbots.steps import StepsSoFar
from remote_chatbots.values import Value


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Answer(Value):
    """What a bot answered.

    Attributes:
        text: The answer.
        conversation_id: The server's id of the conversation; give it with the next question.
        message_id: The server's id of this answer.
        task_id: The id that the stop call takes.
        workflow_run_id: The id of the workflow's run; "" if there was none.
        created_at: Unix time in seconds at which the server made the message; None if it did not say.
        finish_reason: How the turn ended (see `events.Finished`); None while it has not.
        usage: What it cost; None if the server did not say.
        sources: The passages behind the answer, in the server's order; () where there are none.
        reasoning: What the model thought apart from the answer; "" if nothing.
        steps: What the bot did on the way, the newest state of each, in order of first appearance.
        media: Files and speech the bot made.
        input_required: Forms the bot waits for.
        replaced: True if text that had been streamed was withdrawn.
        metadata: The server's closing metadata as sent, apart from usage and sources.
        unrecognized: What this version does not know.
    """

    text: str = ""
    conversation_id: str = ""
    message_id: str = ""
    task_id: str = ""
    workflow_run_id: str = ""
    created_at: int | None = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    sources: tuple[Source, ...] = ()
    reasoning: str = ""
    steps: tuple[Step, ...] = ()
    media: tuple[MediaProduced, ...] = ()
    input_required: tuple[Mapping[str, Any], ...] = ()
    replaced: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    unrecognized: tuple[Unrecognized, ...] = ()

    @classmethod
    def of(cls, events: Iterable[Event]) -> Answer:
        """Return the answer that `events` add up to."""
        builder = AnswerBuilder()
        for event in events:
            builder.add(event)
        return builder.build()


class AnswerBuilder:
    """Folds events into an answer, one at a time; may be asked at any moment for the answer so far."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._lists: dict[str, list[Any]] = {}  # by the answer's fields; most turns have none
        self._steps: StepsSoFar | None = None
        self._known: dict[str, Any] = {}

    @property
    def text(self) -> str:
        """The answer's text so far."""
        return "".join(self._pieces)

    def ids(self) -> dict[str, str]:
        """Return the ids known so far, by the names of `Started`."""
        return {name: self._known[name] for name in IDS if name in self._known}

    def add(self, event: Event) -> None:
        """Take one more event."""
        if type(event) is TextDelta:  # before the rest: it comes by the thousand
            self._pieces.append(event.text)
            return
        match event:
            case TextReplaced(text):
                self._pieces = [text]
                self._known["replaced"] = True
            case Reasoning(text):
                self._append("reasoning", text)
            case Started():
                for name in _OF_STARTED:
                    if value := getattr(event, name):
                        self._known[name] = value
            case Step():
                self._steps = self._steps or StepsSoFar()
                self._steps.add(event)
            case MediaProduced():
                self._append("media", event)
            case SourcesFound(sources):
                self._known["sources"] = sources
            case UsageReported(usage):
                self._known["usage"] = usage
            case InputRequired(form):
                self._append("input_required", form)
            case Finished(reason, metadata):
                self._known |= {"finish_reason": reason, "metadata": metadata}
            case Unrecognized():
                self._append("unrecognized", event)

    def build(self) -> Answer:
        """Return the answer so far."""
        lists: dict[str, Any] = {name: tuple(items) for name, items in self._lists.items()}
        reasoning = "".join(lists.pop("reasoning", ()))
        return Answer(text=self.text, reasoning=reasoning, steps=tuple(self._steps or ()), **lists, **self._known)

    def _append(self, name: str, item: Any) -> None:
        self._lists.setdefault(name, []).append(item)


_OF_STARTED = (*IDS, "created_at")
