"""A streamed conversation of two turns, with sources: `python -m langchain_chatbots.demo [question …]`.

It talks to the app that DIFY_API_KEY and DIFY_BASE_URL (or DIFY_API_BASE) name; without them to the emulator, which
needs no key.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TextIO

from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage

from langchain_chatbots.chat_models import ChatDify
from langchain_chatbots.sources import sources
from remote_chatbots import BotError
from remote_chatbots.emulator import Emulator
from remote_chatbots.printable import Cleaner, on_a_line, printable

QUESTIONS = ("When does the ferry leave, and how long does it take?", "What did I ask first?")


def converse(model: ChatDify, questions: Sequence[str], out: TextIO) -> list[BaseMessage]:
    """Ask `questions` one after the other, print answers while they arrive, and return the history."""
    history: list[BaseMessage] = []
    for question in questions:
        history.append(HumanMessage(question))
        out.write(f"\nYou: {question}\nBot: ")
        answer: AIMessageChunk | None = None
        cleaner = Cleaner()
        for chunk in model.stream(history):
            out.write(cleaner.feed(str(chunk.text)))
            out.flush()
            answer = chunk if answer is None else answer + chunk
        out.write(cleaner.rest())
        assert answer is not None, "a turn that did not fail has at least its first and last chunk"
        history.append(answer)
        told, usage = answer.response_metadata, answer.usage_metadata
        for number, document in enumerate(sources(answer), 1):
            source, passage = on_a_line(str(document.metadata["source"])), on_a_line(document.page_content, 70)
            out.write(f"\n  [{number}] {source}: {passage}")
        out.write(f"\n  conversation {told.get('conversation_id')}, {usage['total_tokens'] if usage else 0} tokens\n")
    return history


def main(questions: Sequence[str], then: Callable[[ChatDify, list[BaseMessage]], None] | None = None) -> int:
    """Run the demonstration, and `then` what may follow while the server is there; return the exit code."""
    named = os.environ.get("DIFY_BASE_URL") or os.environ.get("DIFY_API_BASE")
    own_app = bool(os.environ.get("DIFY_API_KEY") and named)
    user = os.environ.get("DIFY_USER", "demo")
    with nullcontext() if own_app else Emulator() as emulator:
        if emulator is None:
            model = ChatDify(user=user)
            sys.stdout.write(f"Your app at {model.base_url}\n")
        else:
            model = ChatDify(api_key=emulator.dify_key, base_url=emulator.dify_url, user=user)
            sys.stdout.write(f"The emulator at {emulator.dify_url} (set DIFY_API_KEY and DIFY_BASE_URL for your app)\n")
        try:
            history = converse(model, questions or QUESTIONS, sys.stdout)
            if then is not None:
                then(model, history)
        except BotError as error:
            sys.stderr.write(printable(f"\n{error}\n"))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
