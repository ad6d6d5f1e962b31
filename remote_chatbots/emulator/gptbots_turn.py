"""One turn with a GPTBots agent: what is asked, what is answered, what stays in the history. Whole from the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .gptbots_agents import Agent
from .knowledge import Hit
from .model import Exchange, Script

ResponseMode = Literal["blocking", "streaming", "webhook"]
OutputForm = Literal["usual", "only", "too"]
FileKind = Literal["image", "audio", "document"]


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file of a question: an address, or the bytes.

    Attributes:
        format: The extension without the dot.
    """

    kind: FileKind
    name: str
    format: str
    url: str | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search: `None` is not given; given lists are united, and nothing is in empty ones."""

    data_ids: frozenset[str] | None = None
    group_ids: frozenset[str] | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing was restricted."""
        return self.data_ids is None and self.group_ids is None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its shape checked but nothing looked up.

    Attributes:
        earlier: Turns that the client itself sends.
        short_term_memory: Whether the conversation's earlier turns count; `None` is as the agent is set.
        long_term_memory: Whether the user's other conversations count; `None` is as the agent is set.
        marks_citations: Whether the answer shall carry marks and citations.
    """

    conversation_id: str
    mode: ResponseMode
    text: str
    files: tuple[SentFile, ...] = ()
    earlier: tuple[Exchange, ...] = ()
    short_term_memory: bool | None = None
    long_term_memory: bool | None = None
    scope: Scope = Scope()
    variables: dict[str, Any] = field(default_factory=dict)
    marks_citations: bool = False

    @property
    def query(self) -> str:
        """What the model is asked: the text, or else the names of the files."""
        return self.text or ", ".join(file.name for file in self.files)


@dataclass(frozen=True, slots=True)
class Output:
    """What one component of an agent says."""

    component: str
    text: str
    branch: str | None = None


@dataclass(slots=True)
class AgentTurn:
    """A question and its answer, both in the history before the first frame is sent.

    Attributes:
        created_at: Unix time in seconds; question and answer share it.
        prompt_tokens: What the model read.
        tags: What the question asks the model to do.
        failed: Whether the model breaks off; then the history keeps what was said before.
        output_form: Whether `FlowOutput` tells the text, too, or nothing else does.
        feedback: What the user thinks of the answer: POSITIVE, NEGATIVE or nothing.
    """

    agent: Agent
    user_id: str
    asked: Asked
    question_id: str
    answer_id: str
    created_at: int
    script: Script
    sources: list[Hit]
    prompt_tokens: int
    tags: frozenset[str]
    feedback: str = ""
    quality: str = "NONE"
    output_form: OutputForm = "usual"

    @property
    def said(self) -> tuple[str, ...]:
        """The tokens of the answer, up to where the model breaks off."""
        tokens = tuple(token for step in self.script.steps for token in step.tokens)
        failure = self.script.failure
        return tokens if failure is None else tokens[: failure.after_tokens]

    @property
    def text(self) -> str:
        """The answer."""
        return "".join(self.said)

    @property
    def only_outputs(self) -> bool:
        """Whether the answer is in the components' outputs and nowhere else."""
        return "flow" in self.tags or self.output_form == "only"

    @property
    def flow_outputs(self) -> list[Output]:
        """What `FlowOutput` tells; nothing of an agent without components."""
        return self.outputs if self.agent.is_flow or self.only_outputs or self.output_form == "too" else []

    @property
    def outputs(self) -> list[Output]:
        """The answer as the agent's components give it."""
        if "flow" not in self.tags:
            return [Output(self.agent.component, self.text)]
        return [Output("Greeter", "From the harbour office:", "1"), Output("Answerer", self.text, "2")]

    @property
    def cited(self) -> list[Hit]:
        """The sources that the answer's marks stand for."""
        return self.sources if self.asked.marks_citations else []

    @property
    def is_spoken(self) -> bool:
        """Whether the answer is audio."""
        return "audio" in self.tags

    @property
    def exchange(self) -> Exchange:
        """What the model sees of the turn later."""
        return Exchange(self.asked.query, self.text)
