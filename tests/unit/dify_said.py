"""What the tests have a Dify server say: events and refusals."""

from __future__ import annotations

from typing import Any

import orjson

from remote_chatbots import Started
from remote_chatbots.wire import ResponseHead

USAGE = {
    "prompt_tokens": 812,
    "prompt_unit_price": "0.15",
    "completion_tokens": 64,
    "total_tokens": 876,
    "total_price": "0.0001602",
    "currency": "USD",
    "latency": 1.734,
    "time_to_first_token": 0.412,
}
END = {"event": "message_end", "id": "m-1", "metadata": {}}
RUN_STARTED = {"event": "workflow_started", "workflow_run_id": "r-1", "data": {"id": "r-1", "workflow_id": "w-1"}}
IDS = Started("c-1", "m-1", "t-1", created_at=1767225600)
NODE = {"id": "n-1", "node_id": "1740002", "node_type": "llm", "title": "LLM"}
FORM = {"form_id": "f-1", "node_id": "ask", "form_content": "Please check", "form_token": "tok_9c1e", "inputs": []}
TOO_MANY = "Too many requests. Please try again later. The current maximum concurrent requests allowed for app is 1."


def message(text: str) -> dict[str, Any]:
    return {"event": "message", "id": "m-1", "answer": text, "from_variable_selector": None}


def agent_message(text: str) -> dict[str, Any]:
    return {"event": "agent_message", "id": "m-1", "answer": text}


def replace(text: str, **more: Any) -> dict[str, Any]:
    return {"event": "message_replace", "answer": text, **more}


def thought(id: str, position: int, **more: Any) -> dict[str, Any]:  # noqa: A002
    empty = {"thought": "", "observation": "", "tool": "", "tool_labels": {}, "tool_input": "", "message_files": []}
    return {"event": "agent_thought", "id": id, "position": position, **empty, **more}


def run_finished(status: str, error: str | None = None, **more: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"id": "r-1", "workflow_id": "w-1", "status": status, "error": error, "outputs": {}}
    return {"event": "workflow_finished", "workflow_run_id": "r-1", "data": data, **more}


def failure(**fields: Any) -> dict[str, Any]:
    return {"event": "error", "task_id": ..., **fields}


def kinds(events: list[Any]) -> list[str]:
    return [type(event).__name__ for event in events]


def head_of(status: int, **headers: str) -> ResponseHead:
    return ResponseHead(status, {name.replace("_", "-"): value for name, value in headers.items()})


def body_of(code: str, message: str, **more: Any) -> bytes:
    return orjson.dumps({"code": code, "message": message, **more})
