"""What the ages of Dify tell differently: the forms that events take, apart from when they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .knowledge import Hit
from .turn import Turn

Event = dict[str, Any]
Ending = Literal["whole", "stopped", "withdrawn"]

MODEL = {"model_provider": "remote-chatbots/emulator", "model_name": "pretend"}

# Node times are invented, like those of the model.
NODE_S = 0.0001
RETRIEVAL_S = 0.02
FAILURE_S = 0.05


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the workflow."""

    id: str
    type: str
    title: str


START = Node("start", "start", "Start")
RETRIEVAL = Node("kr", "knowledge-retrieval", "Knowledge Retrieval")
LLM = Node("llm", "llm", "LLM")
ANSWER = Node("answer", "answer", "Answer")
NODES = (START, RETRIEVAL, LLM, ANSWER)


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What came of a node."""

    inputs: Event | None = None
    outputs: Event | None = None
    process_data: Event | None = None
    execution_metadata: Event | None = None
    status: str = "succeeded"
    error: str | None = None
    elapsed_s: float = NODE_S


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a whole run.

    Attributes:
        steps: How many nodes were begun.
        used: The `usage` of the model, if it came to an end.
    """

    status: str
    steps: int
    answer: str | None = None
    error: str | None = None
    used: Event | None = None


class Dialect(Protocol):
    """The forms of one age."""

    @property
    def cuts_at_finish(self) -> bool:
        """Whether a streamed run ends at `workflow_finished`, so that what should come after it is lost."""

    @property
    def has_loops(self) -> bool:
        """Whether a run may hold loops and log entries, and knows no parallel branches; so from 1.x on."""

    @property
    def repeats_preset(self) -> bool:
        """Whether a chat app sends input moderation's text once more, as a replacement of the same text."""

    def usage(self, turn: Turn, prompt_tokens: int, completion_tokens: int, ending: Ending) -> Event:
        """Return the `usage` of a turn of a chat or agent app."""

    def model_usage(self, prompt_tokens: int, completion_tokens: int) -> Event:
        """Return the `usage` of one call of the model, as a chatflow tells it."""

    def no_usage(self) -> Event:
        """Return the `usage` of a turn in which no model came to an end."""

    def message_end(self, turn: Turn, sources: Sequence[Hit], used: Event) -> Event:
        """Return the event that closes the answer."""

    def replacements(self, turn: Turn, text: str) -> Sequence[Event]:
        """Return the events by which output moderation withdraws the answer."""

    def replacement(self, turn: Turn, text: str) -> Event:
        """Return one event that puts a text in the place of what was said."""

    def workflow_started(self, turn: Turn) -> Event:
        """Return the first event of a run."""

    def workflow_finished(self, turn: Turn, result: RunResult) -> Event:
        """Return the event that tells what came of a run."""

    def node_started(self, turn: Turn, node: Node) -> Event:
        """Return the event that begins a node."""

    def node_finished(self, turn: Turn, node: Node, result: NodeResult) -> Event:
        """Return the event that ends a node."""

    def started(self, turn: Turn) -> NodeResult:
        """Return what comes of the start node."""

    def retrieved(self, turn: Turn) -> NodeResult:
        """Return what comes of the knowledge retrieval."""

    def generated(self, turn: Turn, answer: str, used: Event) -> NodeResult:
        """Return what comes of the model."""

    def broke_off(self, turn: Turn, error: str) -> NodeResult:
        """Return what comes of a model that fails."""

    def answered(self, answer: str) -> NodeResult:
        """Return what comes of the answer node."""


def envelope(turn: Turn, event: str, **fields: Any) -> Event:
    """Return an event with the keys that all events of a turn begin with."""
    message = turn.message
    return {
        "event": event,
        "conversation_id": message.conversation_id,
        "message_id": message.id,
        "created_at": message.created_at,
        "task_id": turn.task_id,
        **fields,
    }


def workflow_event(turn: Turn, event: str, data: Event) -> Event:
    """Return an event of a run."""
    return envelope(turn, event, workflow_run_id=run_id(turn), data=data)


def error_event(turn: Turn, code: str, message: str, *, status: int = 400) -> Event:
    """Return the event that ends a failed turn; it has no `task_id`.

    recorded: 1.14.2/agent-stream-model-fail500
    """
    event = envelope(turn, "error", code=code, status=status, message=message)
    del event["task_id"]
    return event


def run_id(turn: Turn) -> str:
    """Return the id of the run that answers."""
    return turn.id_of("workflow run")


def workflow_id(turn: Turn) -> str:
    """Return the id of the app's workflow."""
    return turn.ids.uuid("workflow", turn.app.name)


def made_in_run(turn: Turn) -> list[Event]:
    """Return the files that a run has made."""
    return [file.in_a_run() for file in turn.message.files if not file.by_user]


def system_variables(turn: Turn) -> Event:
    """Return the variables that every run has."""
    return {
        "sys.query": turn.message.query,
        "sys.files": [file.in_a_run() for file in turn.message.files if file.by_user],
        "sys.conversation_id": turn.message.conversation_id,
        "sys.user_id": turn.user,
        "sys.dialogue_count": turn.number,
        "sys.app_id": turn.ids.uuid("app", turn.app.name),
        "sys.workflow_id": workflow_id(turn),
        "sys.workflow_run_id": run_id(turn),
    }
