"""What a recording says of the bot's steps, and where they stand between its words; read without the library."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Event = Mapping[str, Any]

_STARTS = ("node_started", "iteration_started", "iteration_next", "parallel_branch_started")
_ENDS = ("node_finished", "iteration_completed", "parallel_branch_finished")
_ALONE = ("human_input_form_filled",)
_KINDS = {"node": "node", "iteration": "iteration", "parallel": "branch", "human": "form"}
_THOUGHT = re.compile(r"<think>(.*?)</think>\s*", re.DOTALL)


def states_of(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield each state of each step as it is told, with all that is known of the step by then."""
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for event in events:
        state = _state(event)
        if state is not None:
            key = (state["kind"], state["id"])
            merged = {**known.get(key, {}), **{name: value for name, value in state.items() if value or name == "id"}}
            known[key] = {**{name: value for name, value in state.items() if value not in ("", None)}, **merged}
            yield known[key]


def steps_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last state of each step, in the order in which they began."""
    last = {(state["kind"], state["id"]): state for state in states_of(events)}
    return list(last.values())


def blocks_of(events: list[dict[str, Any]], citations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the answer's words and steps in the order in which they came, as LangChain's content blocks."""
    found: list[dict[str, Any]] = []
    told: set[Any] = set()
    states = states_of(events)
    for event in events:
        name = event["event"]
        if name in ("message", "agent_message"):
            if not found or found[-1]["type"] != "text":
                found.append({"type": "text", "text": ""})
            found[-1]["text"] += event["answer"]
        elif name == "message_replace":
            said = "".join(block["text"] for block in found if block["type"] == "text")
            if said != event["answer"]:
                found = [block for block in found if block["type"] != "text"]
                found.append({"type": "text", "text": event["answer"]})
        elif _state(event) is not None:
            found += _blocks(next(states), told)
    blocks = [part for block in found for part in _apart(block)]
    texts = [block for block in blocks if block["type"] == "text"]
    if citations and not texts:
        blocks.append({"type": "text", "text": ""})
        texts = blocks[-1:]
    if citations:
        texts[-1]["annotations"] = citations
    return blocks


def _state(event: Event) -> dict[str, Any] | None:
    name = event["event"]
    if name == "agent_thought":
        asked, seen = (json.loads(event[key]) if event[key] else None for key in ("tool_input", "observation"))
        over = seen or (event["thought"] and not event["tool"])
        return {
            "id": event["id"],
            "kind": "thought",
            "name": event["tool"],
            "status": "succeeded" if over else "running",
            "text": event["thought"],
            "input": asked,
            "output": seen,
        }
    if name not in (*_STARTS, *_ENDS, *_ALONE):
        return None
    data = event["data"]
    return {
        "id": data.get("id") or data.get("parallel_branch_id") or data["node_id"],
        "kind": _KINDS[name.partition("_")[0]],
        "name": data.get("title") or data.get("node_title"),
        "status": "running" if name in _STARTS else data.get("status", "filled"),
        "parent_id": data.get("iteration_id") or data.get("parallel_start_node_id"),
        "input": data.get("inputs"),
        "output": data.get("outputs"),
        "error": data.get("error"),
        "started_at": data.get("created_at"),
        "elapsed_s": data.get("elapsed_time"),
    }


def _blocks(step: dict[str, Any], told: set[Any]) -> Iterator[dict[str, Any]]:
    if step["kind"] != "thought":
        if (step["kind"], step["id"], step["status"]) not in told:
            told -= {(step["kind"], step["id"], status) for status in ("running", "succeeded", "failed")}
            told.add((step["kind"], step["id"], step["status"]))
            yield {"type": "non_standard", "value": {"step": step}}
    elif tool := step.get("name"):
        (args,) = step["input"].values()
        if ("call", step["id"]) not in told:
            told |= {("call", step["id"]), ("with", step["id"], json.dumps(args))}
            yield {"type": "server_tool_call", "id": step["id"], "name": tool, "args": args}
        if step["status"] == "succeeded" and ("result", step["id"]) not in told:
            told.add(("result", step["id"]))
            late = {} if ("with", step["id"], json.dumps(args)) in told else {"extras": {"args": args}}
            result = {"type": "server_tool_result", "tool_call_id": step["id"], "status": "success"}
            yield {**result, "output": step["output"][tool], **late}


def _apart(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a text's thoughts and what is left of it. Models think before they answer, in all recordings."""
    if block["type"] != "text":
        yield block
        return
    yield from ({"type": "reasoning", "reasoning": thought} for thought in _THOUGHT.findall(block["text"]))
    if text := _THOUGHT.sub("", block["text"]):
        yield {"type": "text", "text": text}
