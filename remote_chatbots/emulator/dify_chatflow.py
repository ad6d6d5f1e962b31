"""What one turn of a chatflow is on the wire: start, knowledge retrieval, LLM, answer.

recorded: 1.14.2/chatflow-stream-1-first-turn, chatflow-stream-model-fail500, chatflow-stream-stopped
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .citations import retrieval_result
from .dify_events import (
    Event,
    context_of,
    envelope,
    message_end,
    non_empty,
    prompts,
    spoken,
    text_event,
)
from .model import ModelFailure
from .turn import Turn
from .usage import generation_s, no_usage, token_count, usage

_MODEL = {"model_provider": "remote-chatbots/emulator", "model_name": "pretend"}
_SELECTOR = ["llm", "text"]
# Node times are invented, like those of the model.
_NODE_S = 0.0001
_RETRIEVAL_S = 0.02


@dataclass(frozen=True, slots=True)
class _Node:
    """A node of the workflow."""

    id: str
    type: str
    title: str


_START = _Node("start", "start", "Start")
_RETRIEVAL = _Node("kr", "knowledge-retrieval", "Knowledge Retrieval")
_LLM = _Node("llm", "llm", "LLM")
_ANSWER = _Node("answer", "answer", "Answer")


def chatflow_events(turn: Turn) -> Iterator[Event]:
    """Yield a turn of a chatflow; the last event is always `workflow_finished`."""
    yield _workflow_started(turn)
    yield from _start(turn)
    yield from _retrieval(turn)
    yield _node_started(turn, _LLM)
    said: list[str] = []
    try:
        for token in spoken(turn, turn.script.steps[0], blanks=2):
            said.append(token)
            yield text_event(turn, "message", token, from_variable_selector=_SELECTOR)
    except ModelFailure as failure:
        yield from _failed(turn, str(failure))
        return
    answer = "".join(said)
    turn.keep_answer(answer, turn.sources)
    if turn.stopped:
        yield _workflow_finished(turn, "stopped", steps=3, error="Stopped by user.")
    else:
        yield from _succeeded(turn, answer, _usage(turn, said))


def _run_id(turn: Turn) -> str:
    return turn.id_of("workflow run")


def _start(turn: Turn) -> Iterator[Event]:
    inputs = turn.message.inputs
    yield _node_started(turn, _START)
    yield _node_finished(turn, _START, inputs=inputs, outputs=inputs)


def _retrieval(turn: Turn) -> Iterator[Event]:
    yield _node_started(turn, _RETRIEVAL)
    yield _node_finished(
        turn,
        _RETRIEVAL,
        inputs={"query": turn.message.query},
        process_data={"usage": no_usage()},
        outputs={"result": retrieval_result(turn.sources)},
        elapsed_s=_RETRIEVAL_S,
        execution_metadata={"total_tokens": 0, "total_price": "0.0", "currency": "USD"},
    )


def _succeeded(turn: Turn, answer: str, used: Event) -> Iterator[Event]:
    yield _llm_finished(turn, answer, used)
    outputs: Event = {"answer": answer, "files": []}
    yield _node_started(turn, _ANSWER)
    yield _node_finished(turn, _ANSWER, inputs={}, outputs=outputs)
    yield message_end(turn, turn.sources, used, files=[])
    yield _workflow_finished(turn, "succeeded", steps=4, outputs=outputs, used=used)


def _failed(turn: Turn, error: str) -> Iterator[Event]:
    turn.keep_error(f"Run failed: {error}")
    yield _node_finished(turn, _LLM, inputs=_llm_inputs(turn), outputs={}, status="failed", error=error, elapsed_s=0.05)
    yield _workflow_finished(turn, "failed", steps=3, error=error)


def _llm_finished(turn: Turn, answer: str, used: Event) -> Event:
    told = [{"role": role, "text": text, "files": []} for role, text in prompts(turn, context_of(turn.sources))]
    return _node_finished(
        turn,
        _LLM,
        inputs=_llm_inputs(turn),
        process_data={
            "model_mode": "chat",
            "prompts": told,
            "usage": used,
            "finish_reason": "stop",
            **_MODEL,
        },
        outputs={"text": answer, "reasoning_content": "", "usage": used, "finish_reason": "stop"},
        elapsed_s=used["latency"],
        execution_metadata={
            "total_tokens": used["total_tokens"],
            "total_price": used["total_price"],
            "currency": used["currency"],
        },
    )


def _llm_inputs(turn: Turn) -> Event:
    if not turn.sources:
        return dict(_MODEL)
    return {"#context#": context_of(turn.sources), **_MODEL}


def _usage(turn: Turn, said: list[str]) -> Event:
    read = token_count(text for _, text in prompts(turn, context_of(turn.sources)))
    # A chatflow streams from its model even for a blocking request, so the times are always known
    # (recorded: 1.14.2/chatflow-block-1-first-turn).
    return usage(read, non_empty(said))


def _workflow_started(turn: Turn) -> Event:
    run, workflow = _run_id(turn), _workflow_id(turn)
    inputs = {
        **turn.message.inputs,
        "sys.query": turn.message.query,
        "sys.files": [],
        "sys.user_id": turn.user,
        "sys.dialogue_count": turn.number,
        "sys.app_id": turn.ids.uuid("app", turn.app.name),
        "sys.workflow_id": workflow,
        "sys.workflow_run_id": run,
    }
    data: Event = {
        "id": run,
        "workflow_id": workflow,
        "inputs": inputs,
        "created_at": turn.message.created_at,
        "reason": "initial",
    }
    return _workflow_event(turn, "workflow_started", data)


def _workflow_finished(
    turn: Turn,
    status: str,
    *,
    steps: int,
    outputs: Event | None = None,
    error: str | None = None,
    used: Event | None = None,
) -> Event:
    data: Event = {
        "id": _run_id(turn),
        "workflow_id": _workflow_id(turn),
        "status": status,
        "outputs": outputs or {},
        "error": error,
        "elapsed_time": round(_RETRIEVAL_S + (used["latency"] if used else generation_s(1)), 6),
        "total_tokens": used["total_tokens"] if used else 0,
        "total_steps": steps,
        "created_by": {"id": turn.end_user_id, "user": turn.user},
        "created_at": turn.message.created_at,
        "finished_at": turn.message.created_at,
        "exceptions_count": 1 if status == "failed" else 0,
        "files": [],
    }
    return _workflow_event(turn, "workflow_finished", data)


def _node_started(turn: Turn, node: _Node) -> Event:
    data: Event = {
        **_node_head(turn, node),
        "inputs": None,
        "inputs_truncated": False,
        "created_at": turn.message.created_at,
        "extras": {},
        "iteration_id": None,
        "loop_id": None,
        "agent_strategy": None,
    }
    return _workflow_event(turn, "node_started", data)


def _node_finished(
    turn: Turn,
    node: _Node,
    *,
    inputs: Event,
    outputs: Event,
    process_data: Event | None = None,
    status: str = "succeeded",
    error: str | None = None,
    elapsed_s: float = _NODE_S,
    execution_metadata: Event | None = None,
) -> Event:
    data: Event = {
        **_node_head(turn, node),
        "inputs": inputs,
        "inputs_truncated": False,
        "process_data": process_data or {},
        "process_data_truncated": False,
        "outputs": outputs,
        "outputs_truncated": False,
        "status": status,
        "error": error,
        "elapsed_time": elapsed_s,
        "execution_metadata": execution_metadata,
        "created_at": turn.message.created_at,
        "finished_at": turn.message.created_at,
        "files": [],
        "iteration_id": None,
        "loop_id": None,
    }
    return _workflow_event(turn, "node_finished", data)


def _node_head(turn: Turn, node: _Node) -> Event:
    return {
        "id": turn.id_of("node", node.id),
        "node_id": node.id,
        "node_type": node.type,
        "title": node.title,
        "index": 1,
        "predecessor_node_id": None,
    }


def _workflow_event(turn: Turn, event: str, data: Event) -> Event:
    return envelope(turn, event, workflow_run_id=_run_id(turn), data=data)


def _workflow_id(turn: Turn) -> str:
    return turn.ids.uuid("workflow", turn.app.name)
