"""What Dify tells of an agent's thoughts and of a run's nodes, as steps: each state once, with all known by then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from remote_chatbots.events import Event, Reasoning, Step
from remote_chatbots.framing import parse_json
from remote_chatbots.reading import mapping, number, objects, text, whole
from remote_chatbots.steps import StepsSoFar

# Recorded: 1.14.2/agent-stream-1-one-tool, chatflow-stream-iteration, human-5-events, 0.15.3/chatflow-stream-parallel;
# of loops, retries and log entries: Dify API reference, "Chat messages".
_KINDS = {
    "agent_log": "log",
    "node_started": "node",
    "node_finished": "node",
    "node_retry": "node",
    "iteration_started": "iteration",
    "iteration_next": "iteration",
    "iteration_completed": "iteration",
    "loop_started": "loop",
    "loop_next": "loop",
    "loop_completed": "loop",
    "parallel_branch_started": "branch",
    "parallel_branch_finished": "branch",
    "human_input_form_filled": "form",
    "human_input_form_timeout": "form",
}
STEPS = tuple(_KINDS)  # the events of a run that tell of a step, by name
_RUNNING = frozenset({"started", "next", "start"})


class StepLog(StepsSoFar):
    """The steps of one turn, and what models thought apart from the answer."""

    _ahead: tuple[str, Step] | None = None  # a thought that nobody has said yet, and its step
    _reasoned = False

    @property
    def waits(self) -> bool:
        """Whether a step waits for its words: `before` tells it."""
        return self._ahead is not None

    def before(self, said: str | None) -> Iterator[Event]:
        """Yield the step that waits, as a step of the answer's own words if they begin with what is said now.

        Servers fill a thought in while it waits to be sent (recorded: 0.15.3/agent-stream-1-one-tool, where one came
        with the tool's result), so it may come before its words.

        Args:
            said: The next piece of the answer; None if something else comes next.
        """
        if self._ahead is None or (said is not None and not said.strip()):
            return
        thought, step = self._ahead
        self._ahead = None
        if said is None or not _words(thought).startswith(_words(said)):
            yield Reasoning(thought)
        yield step

    def reasoning(self, event: Mapping[str, Any]) -> Iterator[Event]:
        """Yield the piece of a thought that a `reasoning_chunk` holds."""
        if thought := text(mapping(event.get("data")).get("reasoning")):
            self._reasoned = True
            yield Reasoning(thought)

    def kept_reasoning(self, event: Mapping[str, Any]) -> Iterator[Event]:
        """Yield what models thought as an answer's closing metadata has it, by nodes, where no chunk has told it.

        Dify API reference 1.16, "Chat messages": a blocking answer has no chunks.
        """
        told = mapping(mapping(event.get("metadata")).get("reasoning"))
        if not self._reasoned:
            self._reasoned = True
            yield from (Reasoning(thought) for thought in map(text, told.values()) if thought)

    def of(self, name: str, event: Mapping[str, Any], *, said: str | None = None) -> Iterator[Event]:
        """Yield the step that an event tells, unless that state of it was told before.

        Args:
            name: The event's name, e.g. "node_finished".
            event: The whole event.
            said: Of an agent's thought, what the answer says in this step of the agent's. Most thoughts are the very
                words of the answer (recorded: agent-stream-1-one-tool); one that is not is told as `Reasoning`. None
                tells of no thought.
        """
        step = _thought_of(event) if name == "agent_thought" else _step_of(name, event)
        first, before = step not in self, self.text_of(step)
        news = self.add(step)
        if news is None:
            return
        thought = news.text.removeprefix(before)
        unsaid = bool(thought.strip()) and said is not None and _words(thought) not in _words(said)
        if unsaid and first:  # a step's words come behind the first that is told of it
            self._ahead = thought, news
            return
        if unsaid:
            yield Reasoning(thought)
        yield news


def stored_steps(thoughts: Any, answer: str) -> tuple[tuple[int, Step], ...]:
    """Return an agent's steps as a history tells them, each with its place in the answer: behind its own words.

    The words of steps stand on lines of their own there (recorded: agent-messages-history of both versions).
    """
    told = sorted(
        objects(thoughts) if isinstance(thoughts, list) else (), key=lambda one: whole(one.get("position")) or 0
    )
    found, at = list[tuple[int, Step]](), 0
    for step in map(_thought_of, told):
        words = step.text.strip()
        begins = answer.find(words, at) if words else -1
        if begins >= 0:
            at = begins + len(words)
            at += len(answer[at:]) - len(answer[at:].lstrip())
        found.append((at, step))
    return tuple(found)


def _words(text_: str) -> str:
    return "".join(text_.split())


def _thought_of(event: Mapping[str, Any]) -> Step:
    thought, tool = text(event.get("thought")), text(event.get("tool"))
    done = bool(event.get("observation")) or (bool(thought) and not tool)
    return Step(
        id=text(event.get("id")),
        kind="thought",
        name=tool,
        status="succeeded" if done else "running",
        text=thought,
        input=_parsed(event.get("tool_input")),
        output=_parsed(event.get("observation")),
        raw=event,
    )


def _step_of(name: str, event: Mapping[str, Any]) -> Step:
    kind, data = _KINDS[name], mapping(event.get("data"))
    of_log = mapping(data.get("data")) if kind == "log" else {}
    stage = name.rpartition("_")[2]
    status = text(data.get("status")) or ("" if kind == "log" else stage)
    elapsed = data.get("elapsed_time", mapping(data.get("metadata")).get("elapsed_time"))
    return Step(
        id=text(data.get("id") or data.get("parallel_branch_id") or data.get("node_id") or data.get("form_id")),
        kind=kind,
        name=text(data.get("title") or data.get("label") or data.get("node_title")),
        status="running" if not status or status in _RUNNING else status,
        parent_id=_parent_of(kind, data),
        input=of_log.get("input") if of_log else data.get("inputs"),
        output=of_log.get("output", of_log) if of_log else data.get("outputs"),
        error=text(data.get("error")),
        started_at=whole(data.get("created_at")),
        elapsed_s=number(elapsed),
        raw=event,
    )


def _parent_of(kind: str, data: Mapping[str, Any]) -> str:
    if kind == "log":
        return text(data.get("parent_id")) or text(data.get("node_execution_id"))
    branch = "parent_parallel_start_node_id" if kind == "branch" else "parallel_start_node_id"
    around = (data.get(key) for key in ("iteration_id", "loop_id", branch))
    return next((id_ for id_ in around if isinstance(id_, str) and id_), "")


def _parsed(told: Any) -> Any:
    """Return the JSON that stands inside a string; None of an empty one, and what is no JSON as it is."""
    if not isinstance(told, str) or not told:
        return told or None
    try:
        return parse_json(told.encode(errors="surrogatepass"))
    except ValueError:
        return told
