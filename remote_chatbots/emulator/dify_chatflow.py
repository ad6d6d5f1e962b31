"""What one turn of a chatflow is on the wire: start, knowledge retrieval, LLM, answer; or a question to a person.

The order of the events is here; their forms are those of a `Dialect`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from .dialect import (
    ANSWER,
    LLM,
    RETRIEVAL,
    START,
    Dialect,
    Event,
    Node,
    NodeResult,
    RunResult,
    envelope,
    error_event,
    run_id,
    workflow_event,
)
from .dify_events import non_empty, spoken, text_event
from .dify_forms import FIELD, NODE_ID, NODE_TITLE, Form
from .dify_rounds import holders, holding_events
from .model import ModelFailure, tags_in
from .prompts import context_of, prompts
from .turn import Turn
from .usage import token_count

_SELECTOR = ["llm", "text"]
_BEFORE = Node("a0", "answer", "Before")
_ASK = Node(NODE_ID, "human-input", NODE_TITLE)
_AFTER = {"approve": Node("a1", "answer", "Approved"), "reject": Node("a2", "answer", "Rejected")}
_SAID_BEFORE = "One moment… "
_PAUSED_AFTER_S = 0.05
_THOUGHT = ("The user asks. ", "I consider 1 < 2.")


def chatflow_events(dialect: Dialect, turn: Turn) -> Iterator[Event]:
    """Yield a turn of a chatflow.

    recorded: chatflow-stream-1-first-turn, chatflow-stream-model-fail500, chatflow-stream-stopped and
    chatflow-stream-output-moderated of both ages
    """
    if turn.script.preset is not None:
        # No run is begun, and the text comes in one piece (not recorded; so in Dify's source of that time).
        turn.keep_answer(turn.script.preset, [])
        yield text_event(turn, "message", turn.script.preset, from_variable_selector=None)
        yield dialect.message_end(turn, [], dialect.no_usage())
        return
    if turn.message.form is not None:
        yield from _asking(dialect, turn, turn.message.form)
        return
    yield dialect.workflow_started(turn)
    for node, result in ((START, dialect.started(turn)), (RETRIEVAL, dialect.retrieved(turn))):
        yield dialect.node_started(turn, node)
        yield dialect.node_finished(turn, node, result)
    yield from holding_events(dialect, turn)
    yield dialect.node_started(turn, LLM)
    if _reasons(dialect, turn):
        yield from _reasoned(turn)
    said = yield from _said(dialect, turn)
    if said is None:
        return
    if turn.stopped:
        turn.keep_answer("".join(said), turn.sources)
        yield from _cut_short(dialect, turn, "Stopped by user.")
    elif turn.script.withdrawn is not None:
        turn.keep_answer(turn.script.withdrawn, turn.sources)
        yield from dialect.replacements(turn, turn.script.withdrawn)
        yield from _cut_short(dialect, turn, "Stopped by output moderation.")
    else:
        yield from _succeeded(dialect, turn, said)


def _said(dialect: Dialect, turn: Turn) -> Generator[Event, None, list[str] | None]:
    """Yield what the model says; return its pieces, None if it failed."""
    said: list[str] = []
    try:
        for token in spoken(turn, turn.script.steps[0], blanks=2):
            said.append(token)
            yield text_event(turn, "message", token, from_variable_selector=_SELECTOR)
    except ModelFailure as failure:
        yield from _failed(dialect, turn, str(failure))
        return None
    return said


def _asking(dialect: Dialect, turn: Turn, form: Form) -> Iterator[Event]:
    """Yield a turn up to where it waits for a person (recorded: 1.14.2/human-1-stream-paused)."""
    yield dialect.workflow_started(turn)
    yield dialect.node_started(turn, START)
    yield text_event(turn, "message", _SAID_BEFORE, from_variable_selector=[_BEFORE.id, "answer"])
    yield dialect.node_finished(turn, START, dialect.started(turn))
    yield dialect.node_started(turn, _BEFORE)
    yield dialect.node_finished(turn, _BEFORE, dialect.answered(_SAID_BEFORE))
    yield dialect.node_started(turn, _ASK)
    turn.keep_pause(_SAID_BEFORE)
    yield workflow_event(turn, "human_input_required", form.told())
    data = {
        "workflow_run_id": run_id(turn),
        "paused_nodes": [_ASK.id],
        "outputs": {},
        "reasons": [form.reason()],
        "status": "paused",
        "created_at": turn.message.created_at,
        "elapsed_time": _PAUSED_AFTER_S,
        "total_tokens": 0,
        "total_steps": 3,
    }
    yield workflow_event(turn, "workflow_paused", data)


def resumed_events(dialect: Dialect, turn: Turn, form: Form) -> Iterator[Event]:
    """Yield the rest of a turn, once its form was submitted (recorded, for an approval: 1.14.2/human-5-events)."""
    started = dialect.workflow_started(turn)
    # The turn itself counts as one that was.
    started["data"]["inputs"]["sys.dialogue_count"] += 1
    started["data"]["reason"] = "resumption"
    yield started
    yield dialect.node_started(turn, _ASK)
    yield workflow_event(turn, "human_input_form_filled", form.told_as_filled())
    asked = {FIELD: {"value_type": "string", "value": form.comment}}
    yield dialect.node_finished(turn, _ASK, NodeResult(inputs=asked, outputs=form.outputs()))
    yield dialect.node_started(turn, LLM)
    said = yield from _said(dialect, turn)
    if said is None:
        return
    if turn.stopped:
        turn.keep_answer(_SAID_BEFORE + "".join(said), turn.sources)
        yield from _cut_short(dialect, turn, "Stopped by user.")
        return
    node = _AFTER[form.action]
    own, theirs = [node.id, "answer"], [_ASK.id, FIELD]
    for piece, selector in ((f" ({FIELD}: ", own), (form.comment, theirs), (")", own)):
        yield text_event(turn, "message", piece, from_variable_selector=selector)
    spoke, commented = "".join(said), f" ({FIELD}: {form.comment})"
    answer = _SAID_BEFORE + spoke + commented
    turn.keep_answer(answer, turn.sources)
    used = dialect.model_usage(token_count(text for _, text in prompts(turn, "")), non_empty(said))
    yield dialect.node_finished(turn, LLM, dialect.generated(turn, spoke, used))
    yield dialect.node_started(turn, node)
    yield dialect.node_finished(turn, node, dialect.answered(spoke + commented))
    yield dialect.message_end(turn, turn.sources, used)
    yield dialect.workflow_finished(turn, RunResult("succeeded", 6, answer=answer, used=used))


def _succeeded(dialect: Dialect, turn: Turn, said: list[str]) -> Iterator[Event]:
    answer = "".join(said)
    turn.keep_drawing()
    turn.keep_answer(answer, turn.sources)
    read = token_count(text for _, text in prompts(turn, context_of(turn.sources)))
    used = dialect.model_usage(read, non_empty(said))
    yield dialect.node_finished(turn, LLM, dialect.generated(turn, answer, used))
    yield dialect.node_started(turn, ANSWER)
    yield dialect.node_finished(turn, ANSWER, dialect.answered(answer))
    finished = dialect.workflow_finished(
        turn, RunResult("succeeded", 4 + len(holders(dialect, turn)), answer=answer, used=used)
    )
    ended = dialect.message_end(turn, turn.sources, used)
    if _reasons(dialect, turn):
        ended["metadata"]["reasoning"] = {LLM.id: "".join(_THOUGHT)}
    yield from (ended, finished) if dialect.cuts_at_finish else (finished, ended)


def _reasons(dialect: Dialect, turn: Turn) -> bool:
    return dialect.has_loops and "reason" in tags_in(turn.message.query)


def _reasoned(turn: Turn) -> Iterator[Event]:
    """Yield what the model thinks (not recorded; Dify API reference 1.16, "Chat messages")."""
    for piece in (*_THOUGHT, ""):
        data = {"message_id": turn.message.id, "reasoning": piece, "node_id": LLM.id, "is_final": not piece}
        yield envelope(turn, "reasoning_chunk", data=data)


def _cut_short(dialect: Dialect, turn: Turn, error: str) -> Iterator[Event]:
    yield dialect.workflow_finished(turn, RunResult("stopped", 3, error=error))
    if not (turn.streaming and dialect.cuts_at_finish):
        yield dialect.message_end(turn, turn.sources, dialect.no_usage())


def _failed(dialect: Dialect, turn: Turn, error: str) -> Iterator[Event]:
    turn.keep_error(f"Run failed: {error}")
    yield dialect.node_finished(turn, LLM, dialect.broke_off(turn, error))
    yield dialect.workflow_finished(turn, RunResult("failed", 3, error=error))
    if not dialect.cuts_at_finish:
        yield error_event(turn, "invalid_param", f"Run failed: {error}")
