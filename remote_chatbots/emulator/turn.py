"""One turn while it runs, and the record of it that stays in the history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .apps import App
from .dify_files import Attached
from .dify_forms import Form
from .ids import Ids
from .knowledge import Hit
from .model import Exchange, Script, ToolCall


@dataclass(slots=True)
class Thought:
    """One step of an agent as it is stored: empty at first, filled as the step goes on."""

    id: str
    position: int
    text: str = ""
    call: ToolCall | None = None
    observed: bool = False


@dataclass(slots=True)
class Message:
    """A question and its answer, which stays empty until the turn is over, for good if it is lost.

    Attributes:
        form: What the turn asks a person before it goes on; `None` if nothing.
        files: Those that came with the question, and those that were made for the answer.
    """

    id: str
    conversation_id: str
    inputs: dict[str, Any]
    query: str
    created_at: int
    answer: str = ""
    status: str = "normal"
    error: str | None = None
    rating: str | None = None
    sources: list[Hit] = field(default_factory=list)
    thoughts: list[Thought] = field(default_factory=list)
    form: Form | None = None
    files: list[Attached] = field(default_factory=list)


@dataclass(slots=True)
class Turn:
    """What is needed to answer one question.

    Attributes:
        number: Which turn of the conversation this is, counted from 1.
        history: The earlier turns as the model sees them.
        sources: What the knowledge base has to the question.
        streaming: Whether the client asked for a stream.
        outlives_client: Whether the answer is stored by a worker, even if nobody waits for it any more; otherwise
            the request that streams it stores it (recorded: 1.14.2/disconnect-chatflow-messages-late,
            1.14.2/disconnect-chat-messages-late, 0.15.3/disconnect-chatflow-messages-late).
        run_number: Which run of the app this is, counted from 1.
        stopped: Set when the user has called the stop endpoint.
        abandoned: Set when the client has left.
        drawing: What the app draws before it answers; `None` if nothing.
    """

    app: App
    user: str
    end_user_id: str
    message: Message
    task_id: str
    number: int
    history: list[Exchange]
    sources: list[Hit]
    script: Script
    ids: Ids
    streaming: bool
    outlives_client: bool
    run_number: int
    stopped: bool = False
    abandoned: bool = False
    drawing: Attached | None = None

    def id_of(self, *parts: str | int) -> str:
        """Return the id of a thing that belongs to this turn."""
        return self.ids.uuid(self.message.id, *parts)

    def new_thought(self) -> Thought:
        """Begin an agent's next step; its record exists before the model says anything."""
        position = len(self.message.thoughts) + 1
        thought = Thought(self.id_of("thought", position), position)
        self.message.thoughts.append(thought)
        return thought

    def keep_drawing(self) -> None:
        """Store what the app has drawn."""
        if self.drawing is not None and not self._is_lost:
            self.message.files.append(self.drawing)

    def keep_answer(self, answer: str, sources: list[Hit]) -> None:
        """Store the answer, whole or partial, unless it is lost."""
        if not self._is_lost:
            self.message.answer = answer
            self.message.sources = sources
            self.message.status = "normal"

    def keep_pause(self, answer: str) -> None:
        """Store that the turn waits for a person, and what it has said."""
        self.message.answer = answer
        self.message.status = "paused"

    def keep_error(self, error: str) -> None:
        """Store that the turn failed, unless even that is lost."""
        if not self._is_lost:
            self.message.status = "error"
            self.message.error = error

    @property
    def _is_lost(self) -> bool:
        return self.abandoned and not self.outlives_client
