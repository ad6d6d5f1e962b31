"""The files of conversations: where they can be fetched, and what is in them."""

from __future__ import annotations

from .gptbots_forms import Record
from .gptbots_speech import spoken
from .gptbots_state import AgentState
from .gptbots_turn import AgentTurn


def answer_media(turn: AgentTurn, media_url: str) -> Record:
    """Return how the history tells of a spoken answer."""
    name = f"{turn.answer_id}.wav"
    return {"url": f"{media_url}/{name}", "format": "wav", "name": name, "size": len(spoken(turn.text))}


def question_media(turn: AgentTurn, media_url: str) -> list[Record]:
    """Return how the history tells of the files of a question; the size of what was only linked is not known."""
    return [
        {
            "url": file.url or f"{media_url}/{turn.question_id}-{place}.{file.format}",
            "format": file.format,
            "name": file.name,
            "size": len(file.content or b""),
        }
        for place, file in enumerate(turn.asked.files)
    ]


def media_named(state: AgentState, name: str) -> bytes | None:
    """Return the bytes of a file by the last part of its address, `None` if there is none."""
    for conversation in state.conversations.values():
        for turn in conversation.turns:
            if name == f"{turn.answer_id}.wav":
                return spoken(turn.text)
            for place, file in enumerate(turn.asked.files):
                if name == f"{turn.question_id}-{place}.{file.format}":
                    return file.content
    return None
