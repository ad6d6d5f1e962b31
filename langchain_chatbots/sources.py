"""The sources of an answer as Documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage

from langchain_chatbots.errors import ChatbotUsageError
from remote_chatbots.passages import Passage, passages

_HOLDERS = ("message", "generations")


def sources(answer: Any) -> list[Document]:
    """Return the passages that a bot named as sources of its answer.

    Example:
        >>> for document in sources(model.invoke("When does the ferry leave?")):
        ...     print(document.metadata["source"], document.page_content)

    Args:
        answer: An answer, a chunk or a sum of chunks, a message read from a history, or a result that holds
            messages (a graph's state, a list of messages, an LLMResult): then of the newest answer in it.

    Returns:
        Documents in the server's order; [] where there are none. `page_content` is the passage's text, `id` the
        segment's id; the metadata has all the server's keys, and `source` and `title` (the document's name),
        `score` (None if the server gave none), `bot` and `message_id`.

    Raises:
        BotUsageError: If `answer` is none of these.
    """
    holds = isinstance(answer, (BaseMessage, Mapping, list, tuple)) or any(hasattr(answer, name) for name in _HOLDERS)
    if not holds:
        raise ChatbotUsageError(
            "sources takes an answer, a chunk, messages, or a result that holds messages, not "
            f"{type(answer).__name__}. Give what the bot answered."
        )
    message = newest_answer(answer)
    if message is None:
        return []
    return documents_of(passages(message.response_metadata, message.id))


def documents_of(found: Iterable[Passage]) -> list[Document]:
    """Return passages as Documents."""
    return [
        Document(id=passage.segment_id or None, page_content=passage.text, metadata=passage.metadata)
        for passage in found
    ]


def newest_answer(found: Any) -> AIMessage | None:
    """Return the newest answer in what a model, a graph or a history gave; None if there is none."""
    if isinstance(found, AIMessage):
        return found
    if isinstance(found, BaseMessage):
        return None
    if isinstance(found, Mapping):
        return newest_answer(found.get("messages"))
    if isinstance(found, (list, tuple)):
        return next((message for one in reversed(found) if (message := newest_answer(one)) is not None), None)
    inner = next(filter(None, (getattr(found, name, None) for name in _HOLDERS)), None)
    return newest_answer(inner) if inner is not None else None
