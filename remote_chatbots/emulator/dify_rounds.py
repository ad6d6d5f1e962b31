"""What of a chatflow's run holds other steps: an iteration, a loop, a node whose agent keeps a log.

A tag in the question asks for each. Iterations are as recorded (chatflow-stream-iteration of both ages); loops and log
entries, which came with 1.x, as in the Dify API reference, "Chat messages".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .dialect import Dialect, Event, Node, NodeResult, envelope, workflow_event
from .model import tags_in, without_tags
from .turn import Turn
from .usage import token_count

ROUNDS = 2
_OVER = 0.1  # how long a round pretends to take, in seconds
_CHILD = {"iteration": Node("itllm", "llm", "LLM in iteration"), "loop": Node("lollm", "llm", "LLM in loop")}
_AGENT = Node("agent", "agent", "Agent")
_TOOL = "current_time"


def holders(dialect: Dialect, turn: Turn) -> list[str]:
    """Return which of them the question asks for, and the age has."""
    tags = tags_in(turn.message.query)
    known = ("iterate", "loop", "log") if dialect.has_loops else ("iterate",)
    return [tag for tag in known if tag in tags]


def holding_events(dialect: Dialect, turn: Turn) -> Iterator[Event]:
    """Yield what the question asks for, with all that is in it."""
    for tag in holders(dialect, turn):
        if tag == "log":
            yield from _logged(dialect, turn)
        else:
            yield from _rounds(dialect, turn, "iteration" if tag == "iterate" else "loop")


def _rounds(dialect: Dialect, turn: Turn, kind: str) -> Iterator[Event]:
    words = without_tags(turn.message.query).split()[:ROUNDS]
    at = turn.message.created_at
    id_ = kind[:2]
    head: Event = {"id": id_, "node_id": id_, "node_type": kind, "title": kind.capitalize()}
    begun = {**head, "created_at": at, "extras": {}}
    inputs = {"inputs": {"iterator_selector": words} if kind == "iteration" else {"loop_count": ROUNDS}}
    length = {f"{kind}_length" if dialect.has_loops else "iterator_length": len(words)}
    truncated = {"inputs_truncated": False} if dialect.has_loops else {}
    beside = {} if dialect.has_loops else {"parallel_id": None, "parallel_start_node_id": None}
    yield workflow_event(turn, f"{kind}_started", {**begun, "metadata": length, **inputs, **truncated, **beside})
    said: list[str] = []
    tokens = 0
    for index, word in enumerate(words):
        yield workflow_event(turn, f"{kind}_next", _next(dialect, head, at, index, said, beside))
        text = f"I read: {word}"
        used = dialect.model_usage(token_count([word]), token_count([text]))
        tokens += used["total_tokens"]
        yield from _child(dialect, turn, kind, index, dialect.generated(turn, text, used))
        said.append(text)
    if not dialect.has_loops:  # the old age counts on to where no round follows
        yield workflow_event(turn, f"{kind}_next", _next(dialect, head, at, len(words), said, beside))
    spent: Event = {"total_tokens": tokens}
    if dialect.has_loops:
        durations = {str(index): _OVER for index in range(len(words))}
        spent |= {"total_price": "0", "currency": "USD", f"{kind}_duration_map": durations}
    done: Event = {
        **head,
        "outputs": {"output": said},
        **({"outputs_truncated": False} if dialect.has_loops else {}),
        "created_at": at,
        "extras": {},
        **inputs,
        **truncated,
        "status": "succeeded",
        "error": None,
        "elapsed_time": _OVER * len(words),
        "total_tokens": tokens,
        "execution_metadata": spent,
        "finished_at": at,
        "steps": len(words),
        **beside,
    }
    yield workflow_event(turn, f"{kind}_completed", done)


def _next(dialect: Dialect, head: Event, at: int, index: int, said: list[str], beside: Event) -> Event:
    if dialect.has_loops:
        return {**head, "index": index, "created_at": at, "extras": {}}
    before = {"pre_iteration_output": said[-1] if said else None}
    took = {"parallel_mode_run_id": None, "duration": _OVER if said else None}
    return {**head, "index": index, "created_at": at, **before, "extras": {}, **beside, **took}


def _child(dialect: Dialect, turn: Turn, kind: str, index: int, result: NodeResult) -> Iterator[Event]:
    node = _CHILD[kind]
    within = {f"{kind}_id": kind[:2], f"{kind}_index": index}
    result = replace(result, execution_metadata={**(result.execution_metadata or {}), **within})
    for event in (dialect.node_started(turn, node), dialect.node_finished(turn, node, result)):
        event["data"] |= {"id": turn.id_of("node", node.id, index), f"{kind}_id": kind[:2]}
        if not dialect.has_loops:
            event["data"] |= {"index": 3 + index, "predecessor_node_id": "itstart"}
        yield event


def _logged(dialect: Dialect, turn: Turn) -> Iterator[Event]:
    started = dialect.node_started(turn, _AGENT)
    started["data"]["agent_strategy"] = {"name": "FunctionCalling", "icon": None}
    yield started
    around = turn.id_of("log", "round")
    entries: tuple[tuple[str, str, str | None, str, Event], ...] = (
        ("ROUND 1", around, None, "start", {}),
        (f"CALL {_TOOL}", turn.id_of("log", "call"), around, "start", {}),
        (f"CALL {_TOOL}", turn.id_of("log", "call"), around, "success", {"input": {}, "output": "noon"}),
        ("ROUND 1", around, None, "success", {"output": {"llm_response": "It is noon."}}),
    )
    for label, id_, parent, status, told in entries:
        data = {
            "node_execution_id": started["data"]["id"],
            "id": id_,
            "label": label,
            "parent_id": parent,
            "error": None,
            "status": status,
            "data": told,
            "metadata": {"elapsed_time": _OVER} if status == "success" else {},
            "node_id": _AGENT.id,
        }
        yield envelope(turn, "agent_log", data=data)
    yield dialect.node_finished(turn, _AGENT, NodeResult(outputs={"text": "It is noon.", "files": [], "json": []}))
