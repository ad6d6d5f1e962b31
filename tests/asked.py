"""What reached the emulator of either platform, told alike."""

from __future__ import annotations

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
