"""What one turn is on the wire: the events of chat and agent apps, and what all apps share.

The generators do not wait and know no HTTP. They look at `turn.stopped` before each token, and they store the
answer on the way, just before the event that tells of it. The forms of events are those of a `Dialect`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from . import mp3
from .dialect import Dialect, Ending, Event, envelope, error_event
from .model import ModelFailure, Step
from .prompts import context_of, prompts
from .turn import Thought, Turn
from .usage import token_count

_PIECE_BYTES = 1000

TEXT_EVENTS = frozenset({"message", "agent_message"})


def chat_events(dialect: Dialect, turn: Turn) -> Iterator[Event]:
    """Yield a turn of a basic chat app (recorded: chat-stream-1-first-turn of both ages)."""
    if turn.script.preset is not None:
        yield from _preset(dialect, turn, turn.script.preset)
        return
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
    if _is_withdrawn(turn):
        yield from _withdrawn(dialect, turn, [said])
        return
    turn.keep_answer("".join(said), turn.sources)
    yield dialect.message_end(turn, turn.sources, _usage(dialect, turn, [said]))
    if turn.app.speaks and turn.streaming:
        yield from _speech(turn, "".join(said))


def _speech(turn: Turn, text: str) -> Iterator[Event]:
    """Yield an answer as sound, in pieces that are cut anywhere (recorded: 1.14.2/chat-stream-tts-on)."""
    sound = mp3.spoken(text) if text else b""
    for at in range(0, len(sound), _PIECE_BYTES):
        yield envelope(turn, "tts_message", audio=b64encode(sound[at : at + _PIECE_BYTES]).decode())
    yield envelope(turn, "tts_message_end", audio="")


def agent_events(dialect: Dialect, turn: Turn) -> Iterator[Event]:
    """Yield a turn of an agent app (recorded: agent-stream-1-one-tool, agent-stream-no-tool of both ages)."""
    if turn.script.preset is not None:
        yield from _preset(dialect, turn, turn.script.preset)
        return
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
    if _is_withdrawn(turn):
        yield from _withdrawn(dialect, turn, said)
        return
    found = turn.sources if _has_searched(turn) else []
    turn.keep_answer("\n".join("".join(tokens) for tokens in said).strip(), found)
    yield dialect.message_end(turn, found, _usage(dialect, turn, said))


def spoken(turn: Turn, step: Step, *, blanks: int = 1, may_break_off: bool = True) -> Iterator[str]:
    """Yield what the model says in one step, up to its end or the turn's stop.

    Args:
        turn: Whose script it is.
        step: Which of the script's steps.
        blanks: How many empty pieces follow the text; they carry the end of the model's stream. An answer that is
            withdrawn has none.
        may_break_off: Whether a failure after the first token can happen.

    Raises:
        ModelFailure: Where the script says so.
    """
    failure = turn.script.failure
    if failure is not None and failure.after_tokens > 0 and not may_break_off:
        failure = None
    if turn.script.withdrawn is not None:
        blanks = 0
    for count, token in enumerate((*step.tokens, *[""] * blanks)):
        if turn.stopped:
            return
        if failure is not None and count == failure.after_tokens:
            raise ModelFailure(failure.message)
        yield token


def text_event(turn: Turn, event: str, answer: str, **fields: Any) -> Event:
    """Return one piece of the answer."""
    return envelope(turn, event, id=turn.message.id, answer=answer, **fields)


def non_empty(tokens: Iterable[str]) -> int:
    """Count the tokens that hold text."""
    return sum(1 for token in tokens if token)


def _preset(dialect: Dialect, turn: Turn, text: str) -> Iterator[Event]:
    # Letter by letter, and from an agent too as `message` (recorded: 1.14.2/chat-stream-input-moderated).
    for letter in text:
        yield text_event(turn, "message", letter, from_variable_selector=None)
    turn.keep_answer(text, [])
    if dialect.repeats_preset:
        yield dialect.replacement(turn, text)
    yield dialect.message_end(turn, [], dialect.no_usage())


def _is_withdrawn(turn: Turn) -> bool:
    return turn.script.withdrawn is not None and not turn.stopped


def _withdrawn(dialect: Dialect, turn: Turn, said: Sequence[Sequence[str]]) -> Iterator[Event]:
    text = turn.script.withdrawn or ""
    turn.keep_answer(text, turn.sources)
    yield from dialect.replacements(turn, text)
    yield dialect.message_end(turn, turn.sources, _usage(dialect, turn, said, ending="withdrawn"))


def _agent_step(turn: Turn, step: Step, said: list[str]) -> Iterator[Event]:
    thought = turn.new_thought()
    for token in spoken(turn, step, blanks=2 if step.call else 1):
        if not said:
            # Not before the model has answered at all (recorded: 1.14.2/agent-stream-model-fail500).
            yield _thought_event(turn, thought)
        said.append(token)
        yield text_event(turn, "agent_message", token)
    if turn.stopped or turn.script.withdrawn is not None:
        return
    thought.text = step.text
    thought.call = step.call
    yield _thought_event(turn, thought)
    if step.call:
        if turn.drawing is not None and step.call.name == "draw":
            turn.keep_drawing()
            # Between what a tool is asked and what it says (Dify API reference, "Agent").
            told = {"id": turn.drawing.id, "type": turn.drawing.kind, "belongs_to": "assistant"}
            yield envelope(turn, "message_file", **told, url=turn.drawing.url)
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


def _usage(dialect: Dialect, turn: Turn, said: Sequence[Sequence[str]], *, ending: Ending | None = None) -> Event:
    completion = sum(non_empty(tokens) for tokens in said)
    context = "" if turn.app.mode == "agent-chat" else context_of(turn.sources)
    read = token_count(text for _, text in prompts(turn, context))
    # Every step of an agent reads the prompt again and what the steps before it brought.
    brought = [step.text + (step.call.observation if step.call else "") for step in turn.script.steps[:-1]]
    prompt = read * len(said) + token_count(brought)
    return dialect.usage(turn, prompt, completion, ending or ("stopped" if turn.stopped else "whole"))


def _failed(turn: Turn, failure: ModelFailure) -> Event:
    turn.keep_error(str(failure))
    return error_event(turn, "completion_request_error", str(failure))
