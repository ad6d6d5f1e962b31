"""A streamed conversation of two turns, with sources: `python -m langchain_chatbots.demo [question …]`.

It talks to the app that DIFY_API_KEY and DIFY_BASE_URL (or DIFY_API_BASE) name; without them to the emulator, which
needs no key.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import reduce
from operator import add

from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage

from langchain_chatbots.chat_models import ChatDify
from langchain_chatbots.sources import sources
from remote_chatbots import BotError
from remote_chatbots.cli.wrapping import Wrapped
from remote_chatbots.emulator import Emulator
from remote_chatbots.printable import Cleaner, on_a_line, printable

QUESTIONS = ("When does the ferry leave, and how long does it take?", "What did I ask first?")


def converse(model: ChatDify, questions: Sequence[str], out: Wrapped) -> list[BaseMessage]:
    """Ask `questions` one after the other, print answers while they arrive, and return the history."""
    history: list[BaseMessage] = []
    for question in questions:
        history.append(HumanMessage(question))
        out.write(f"\nYou: {question}\n")
        chunks: list[AIMessageChunk] = []
        say(kept(model.stream(history), chunks), out)
        answer = reduce(add, chunks)  # a turn that did not fail has at least its first and last chunk
        history.append(answer)
        told, usage = answer.response_metadata, answer.usage_metadata
        for number, document in enumerate(sources(answer), 1):
            source, passage = on_a_line(str(document.metadata["source"])), on_a_line(document.page_content, 60)
            out.write(f"\n  [{number}] {source}: {passage}")
        out.write(f"\n  conversation {told.get('conversation_id')}, {usage['total_tokens'] if usage else 0} tokens\n")
    return history


def kept(stream: Iterable[AIMessageChunk], chunks: list[AIMessageChunk]) -> Iterator[str]:
    """Yield the text of each chunk as it comes, and keep the chunk."""
    for chunk in stream:
        chunks.append(chunk)
        yield str(chunk.text)


def say(pieces: Iterable[str], out: Wrapped) -> None:
    """Print what a bot says while it arrives; nothing of a bot that says nothing."""
    cleaner, begun = Cleaner(), False
    for piece in pieces:
        if shown := cleaner.feed(piece):
            out.write(shown if begun else f"Bot: {shown}")
            begun = True
    out.write(cleaner.rest())


def main(questions: Sequence[str], then: Callable[[ChatDify, list[BaseMessage], Wrapped], None] | None = None) -> int:
    """Run the demonstration, and `then` what may follow while the server is there; return the exit code."""
    named = os.environ.get("DIFY_BASE_URL") or os.environ.get("DIFY_API_BASE")
    own_app = bool(os.environ.get("DIFY_API_KEY") and named)
    user = os.environ.get("DIFY_USER", "demo")
    out = Wrapped(sys.stdout)
    with nullcontext() if own_app else Emulator() as emulator:
        if emulator is None:
            model = ChatDify(user=user)
            out.write(f"Your app at {model.base_url}\n")
        else:
            model = ChatDify(api_key=emulator.dify_key, base_url=emulator.dify_url, user=user)
            out.write(f"The emulator at {emulator.dify_url} (set DIFY_API_KEY and DIFY_BASE_URL for your app)\n")
        try:
            history = converse(model, questions or QUESTIONS, out)
            if then is not None:
                then(model, history, out)
        except BotError as error:
            out.close_line()
            Wrapped(sys.stderr).write(printable(f"\n{error}\n"))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
