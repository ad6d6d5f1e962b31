"""A Dify server that says in every field what no terminal, shell or page should obey."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SEQUENCES = (
    "\x1b]0;owned\x07\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07\x9d0;owned\x9c\x1b[31;5mred\x9b35mpurple\rover"
    "\x08\x08\u202egnp\u2066in\ufeff\x00\x1bPowned\x1b\\\x1b[2J\x1b[H\u2028\x85\x1b[6n\x1b[?1049h\x1bc"
)
WORDS = (
    "عربي 你好 👩\u200d👧 <script>alert(1)</script>![x](https://evil.example/x.png)[l](javascript:alert(1)) "
    "$(touch owned)"
)


def hostile(name: str) -> str:
    """Return what stands in a field of this name."""
    return f"{name}:{SEQUENCES}{WORDS}\nend of {name}"


_FORM = {
    "node_title": hostile("form title"),
    "form_content": hostile("form"),
    "form_token": "token",
    "inputs": [{"type": "paragraph", "output_variable_name": "comment", "default": {"value": hostile("default")}}],
    "actions": [{"id": "go", "title": hostile("action")}],
}
_SOURCE = {"position": 1, "document_name": hostile("document"), "content": hostile("content"), "score": 0.5}
_FIELDS = [
    {"select": {"variable": "tone", "label": hostile("tone"), "options": [hostile("option")], "default": hostile("d")}},
    {"file": {"variable": "report", "label": hostile("report"), "allowed_file_types": [hostile("type"), "document"]}},
]
_ANSWERS: dict[str, dict[str, Any]] = {
    "parameters": {
        "opening_statement": hostile("opening"),
        "suggested_questions": [hostile("suggested")],
        "suggested_questions_after_answer": {"enabled": True},
        "user_input_form": _FIELDS,
        "file_upload": {"enabled": True, "allowed_file_types": [hostile("kind")]},
    },
    "info": {"name": hostile("name"), "description": hostile("description"), "mode": hostile("mode"), "tags": []},
    "conversations": {
        "data": [{"id": hostile("id"), "name": hostile("conversation"), "created_at": 1, "updated_at": 2}],
        "has_more": False,
    },
    "messages": {
        "data": [
            {
                "id": "m-1", "conversation_id": "c-1", "created_at": 1, "query": hostile("asked"),
                "answer": f"<think>{hostile('thought')}</think>{hostile('kept')}", "error": hostile("failure"),
                "message_files": [{"type": hostile("file"), "url": hostile("https://h"), "filename": hostile("f.png")}],
                "retriever_resources": [_SOURCE],
                "agent_thoughts": [{"id": "t", "position": 1, "tool": hostile("tool")}],
            }
        ],
        "has_more": False,
    },
    "suggested": {"data": [hostile("next")]},
}  # fmt: skip


def _events(query: str) -> Iterator[dict[str, Any]]:
    step = {"id": "n", "node_id": "k", "node_type": "tool", "title": hostile("step"), "index": 1}
    yield {"event": "workflow_started", "workflow_run_id": "r", "data": {"id": "r"}}
    yield {"event": "node_started", "data": {**step, "status": "running"}}
    yield {"event": "node_finished", "data": {**step, "status": "failed", "error": hostile("why"), "elapsed_time": 1}}
    for piece in (f"<think>{hostile('reasoning')}</think>", *hostile("answer")):  # cut at every character
        yield {"event": "message", "answer": piece}
    yield {"event": "message_file", "id": "f", "type": hostile("image"), "url": "https://h/" + hostile("picture")}
    if query == "withdraw":
        yield {"event": "message_replace", "answer": hostile("instead"), "reason": hostile("reason")}
    if query == "break":
        yield {"event": "error", "status": 400, "code": hostile("code"), "message": hostile("message")}
        return
    if query == "form":
        yield {"event": "human_input_required", "data": _FORM}
        yield {"event": "workflow_paused", "data": {"status": "paused"}}
        return
    usage = {"total_tokens": 3, "total_price": "1", "currency": hostile("USD")}
    yield {"event": "message_end", "metadata": {"usage": usage, "retriever_resources": [_SOURCE]}}
    yield {"event": "workflow_finished", "data": {"id": "r", "status": "succeeded", "outputs": {}}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        answer = _ANSWERS.get(self.path.partition("?")[0].rpartition("/")[2])
        if answer is None:
            self._refuse()
        else:
            self._say(200, "application/json", json.dumps(answer))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked.get("query", "refuse") == "refuse":
            self._refuse()
            return
        known = {"conversation_id": hostile("c-1; touch owned"), "message_id": "m-1", "task_id": "t-1", "created_at": 1}
        events = (json.dumps({**known, **event}) for event in _events(asked["query"]))
        self._say(200, "text/event-stream", "".join(f"data: {event}\n\n" for event in events))

    def _refuse(self) -> None:
        told = {"code": hostile("code"), "message": hostile("refusal"), "status": 400}
        self._say(400, "application/json", json.dumps(told))

    def _say(self, status: int, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def hostile_server() -> Iterator[str]:
    """Run the server; return the address of its API."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
