"""What the model reads: the system prompt, the conversation so far, the question."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .knowledge import Hit
from .turn import Turn

_SYSTEM_PROMPT = "You guide visitors. Inputs: {inputs} <context>{context}</context>"


def prompts(turn: Turn, context: str) -> list[tuple[str, str]]:
    """Return what the model reads as (role, text); lost answers are left out, their questions stay.

    recorded: 1.14.2/failed-chatflow-4-next-turn
    """
    given = {name: value for name, value in turn.message.inputs.items() if value}
    told = [("system", _SYSTEM_PROMPT.format(inputs=json.dumps(given, ensure_ascii=False), context=context))]
    for exchange in turn.history:
        told.append(("user", exchange.query))
        if exchange.answer:
            told.append(("assistant", exchange.answer))
    return [*told, ("user", turn.message.query)]


def context_of(sources: Iterable[Hit]) -> str:
    """Return the text that the knowledge base adds to the prompt."""
    return "\n".join(hit.segment.content for hit in sources)
