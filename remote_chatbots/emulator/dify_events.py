"""What one turn is on the wire: the events of chat and agent apps, and what all apps share.

The generators do not wait and know no HTTP. They look at `turn.stopped` before each token, and they store the
answer on the way, just before the event that tells of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .citations import citations
from .knowledge import Hit
from .model import ModelFailure, Step
from .turn import Thought, Turn
from .usage import generation_s, no_usage, token_count, usage

Event = dict[str, Any]

TEXT_EVENTS = frozenset({"message", "agent_message"})

_SYSTEM_PROMPT = "You guide visitors. Inputs: {inputs} <context>{context}</context>"


def chat_events(turn: Turn) -> Iterator[Event]:
    """Yield a turn of a basic chat app (recorded: 1.14.2/chat-stream-1-first-turn)."""
    said: list[str] = []
    try:
        # A blocking request makes Dify ask the model without streaming, and then it cannot break off half-way
        # (recorded: 1.14.2/chat-block-model-failmid).
        for token in spoken(turn, turn.script.steps[0], may_break_off=turn.streaming):
            said.append(token)
            yield text_event(turn, "message", token, from_variable_selector=None)
    except ModelFailure as failure:
        yield _failed(turn, failure)
        return
    turn.keep_answer("".join(said), turn.sources)
    yield message_end(turn, turn.sources, _usage(turn, [said]), files=None)


def agent_events(turn: Turn) -> Iterator[Event]:
    """Yield a turn of an agent app (recorded: 1.14.2/agent-stream-1-one-tool, agent-stream-no-tool)."""
    said: list[list[str]] = []
    try:
        for step in turn.script.steps:
            said.append([])
            yield from _agent_step(turn, step, said[-1])
            if turn.stopped:
                break
    except ModelFailure as failure:
        yield _failed(turn, failure)
        return
    found = turn.sources if _has_searched(turn) else []
    turn.keep_answer("\n".join("".join(tokens) for tokens in said).strip(), found)
    yield message_end(turn, found, _usage(turn, said), files=None)


def spoken(turn: Turn, step: Step, *, blanks: int = 1, may_break_off: bool = True) -> Iterator[str]:
    """Yield what the model says in one step, up to its end or the turn's stop.

    Args:
        turn: Whose script it is.
        step: Which of the script's steps.
        blanks: How many empty pieces follow the text; they carry the end of the model's stream.
        may_break_off: Whether a failure after the first token can happen.

    Raises:
        ModelFailure: Where the script says so.
    """
    failure = turn.script.failure
    if failure is not None and failure.after_tokens > 0 and not may_break_off:
        failure = None
    for count, token in enumerate((*step.tokens, *[""] * blanks)):
        if turn.stopped:
            return
        if failure is not None and count == failure.after_tokens:
            raise ModelFailure(failure.message)
        yield token


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


def text_event(turn: Turn, event: str, answer: str, **fields: Any) -> Event:
    """Return one piece of the answer."""
    return envelope(turn, event, id=turn.message.id, answer=answer, **fields)


def message_end(turn: Turn, sources: Sequence[Hit], used: Event, *, files: list[Event] | None) -> Event:
    """Return the event that closes the answer."""
    cited = citations(turn.app, sources)
    metadata = {"annotation_reply": None, "retriever_resources": cited, "usage": used}
    return envelope(turn, "message_end", id=turn.message.id, metadata=metadata, files=files)


def prompts(turn: Turn, context: str) -> list[tuple[str, str]]:
    """Return what the model reads as (role, text); lost answers are left out, their questions stay.

    recorded: 1.14.2/failed-chatflow-4-next-turn
    """
    given = {name: value for name, value in turn.message.inputs.items() if value}
    told = [("system", _SYSTEM_PROMPT.format(inputs=json.dumps(given, ensure_ascii=False), context=context))]
    for exchange in turn.history:
        told.append(("user", exchange.query))
        if exchange.answer:
            told.append(("assistant", exchange.answer))
    return [*told, ("user", turn.message.query)]


def context_of(sources: Iterable[Hit]) -> str:
    """Return the text that the knowledge base adds to the prompt."""
    return "\n".join(hit.segment.content for hit in sources)


def non_empty(tokens: Iterable[str]) -> int:
    """Count the tokens that hold text."""
    return sum(1 for token in tokens if token)


def _agent_step(turn: Turn, step: Step, said: list[str]) -> Iterator[Event]:
    thought = turn.new_thought()
    for token in spoken(turn, step, blanks=2 if step.call else 1):
        if not said:
            # Not before the model has answered at all (recorded: 1.14.2/agent-stream-model-fail500).
            yield _thought_event(turn, thought)
        said.append(token)
        yield text_event(turn, "agent_message", token)
    if turn.stopped:
        return
    thought.text = step.text
    thought.call = step.call
    yield _thought_event(turn, thought)
    if step.call:
        thought.observed = True
        yield _thought_event(turn, thought)


def _thought_event(turn: Turn, thought: Thought) -> Event:
    fields = thought_fields(thought)
    return envelope(
        turn,
        "agent_thought",
        id=thought.id,
        position=thought.position,
        thought=thought.text,
        observation=fields["observation"],
        tool=fields["tool"],
        tool_labels=fields["tool_labels"],
        tool_input=fields["tool_input"],
        message_files=[],
    )


def thought_fields(thought: Thought) -> Event:
    """Return what a thought tells of its tool; input and observation are JSON inside strings."""
    call = thought.call
    if call is None:
        return {"tool": "", "tool_labels": {}, "tool_input": "", "observation": ""}
    observed = json.dumps({call.name: call.observation}, ensure_ascii=False) if thought.observed else ""
    return {
        "tool": call.name,
        "tool_labels": {call.name: dict(call.labels)},
        "tool_input": json.dumps({call.name: dict(call.arguments)}, ensure_ascii=False),
        "observation": observed,
    }


def _has_searched(turn: Turn) -> bool:
    calls = [thought.call for thought in turn.message.thoughts if thought.observed]
    return any(call.is_search for call in calls if call)


def _usage(turn: Turn, said: Sequence[Sequence[str]]) -> Event:
    completion = sum(non_empty(tokens) for tokens in said)
    if turn.stopped:
        return no_usage(generation_s(completion))
    context = "" if turn.app.mode == "agent-chat" else context_of(turn.sources)
    read = token_count(text for _, text in prompts(turn, context))
    # Every step of an agent reads the prompt again and what the steps before it brought.
    brought = [step.text + (step.call.observation if step.call else "") for step in turn.script.steps[:-1]]
    prompt = read * len(said) + token_count(brought)
    return usage(prompt, completion, timed=turn.streaming)


def _failed(turn: Turn, failure: ModelFailure) -> Event:
    turn.keep_error(str(failure))
    return error_event(turn, "completion_request_error", str(failure))


def error_event(turn: Turn, code: str, message: str) -> Event:
    """Return the event that ends a failed turn; it has no `task_id`.

    recorded: 1.14.2/agent-stream-model-fail500
    """
    event = envelope(turn, "error", code=code, status=400, message=message)
    del event["task_id"]
    return event
