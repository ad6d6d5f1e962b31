"""What reached the emulator of either platform, told alike, and what it kept."""

from __future__ import annotations

import requests

from remote_chatbots.emulator import Emulator

_QUESTIONS = ("/v1/chat-messages", "/gptbots/v2/conversation/message")
_BEGINS = "/gptbots/v1/conversation"


def asked(emulator: Emulator, since: int = 0) -> list[tuple[str, str]]:
    """Return the questions as they were sent, each with its conversation; "" begins one.

    GPTBots begins a conversation by a call of its own, just before its first question.

    Args:
        emulator: The server.
        since: So many of its requests had been made before.
    """
    found: list[tuple[str, str]] = []
    begun = False
    for request in emulator.requests[since:]:
        if request.path in _QUESTIONS:
            body = request.body
            text = body["query"] if "query" in body else body["messages"][0]["content"][0]["text"]
            found.append((text, "" if begun else body["conversation_id"]))
        begun = request.path == _BEGINS
    return found


def stops(emulator: Emulator, user: str = "") -> int:
    """Return how often the server was told to stop a turn; with `user`, a turn of that user."""
    bodies = [request.body for request in emulator.requests if request.path.endswith("/stop")]
    return len([body for body in bodies if not user or (isinstance(body, dict) and body.get("user") == user)])


def kept(emulator: Emulator, kind: str, user: str) -> str:
    """Return what Dify's history holds as the answer of the user's only turn."""
    headers = {"Authorization": f"Bearer {emulator.key(kind)}"}
    asked = {"user": user}
    listed = requests.get(f"{emulator.dify_url}/conversations", asked, headers=headers, timeout=5)
    asked["conversation_id"] = listed.json()["data"][0]["id"]
    messages = requests.get(f"{emulator.dify_url}/messages", asked, headers=headers, timeout=5)
    return str(messages.json()["data"][0]["answer"])
