"""What became of each question."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from remote_chatbots.answer import Answer
from remote_chatbots.bulk.written import line_of
from remote_chatbots.errors import BotError, BotReplyError, BotUsageError
from remote_chatbots.question import Question

Status = Literal["answered", "refused", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question.

    Attributes:
        index: Its place among the questions, from 0.
        id: Its id: the row's, or its place as text.
        question: What was asked, its user filled in.
        status: "answered" (how, `answer.finish_reason` says: a form may wait); "refused" (the server did not take it: a
            later run asks it again); "failed" (the server took it, and its turn came to no answer); "unknown" (it was
            posted, and what became of it is not to be had). The last two are posted again only on your word.
        answer: The answer; None where there is none.
        error: Why there is none; None where there is one.
        elapsed_s: From the post to the answer's end; None where it was not waited for, or not answered.
        first_text_s: From the post to the first of its text; None as above.
        recovered: Whether the answer was fetched from the server's history, its own stream having broken off.
        earlier: Whether an earlier run came to this, and the journal tells it.
    """

    index: int
    id: str
    question: Question
    status: Status
    answer: Answer | None = None
    error: BotError | None = None
    elapsed_s: float | None = None
    first_text_s: float | None = None
    recovered: bool = False
    earlier: bool = False

    def row(self) -> dict[str, Any]:
        """Return it as one flat row of text, numbers and None, as JSON and pandas take it; the same keys always."""
        answer, error = self.answer or Answer(), self.error
        usage = answer.usage
        ids = answer if self.answer or error is None else error
        return {
            "index": self.index,
            "id": self.id,
            "question": self.question.text,
            "user": self.question.user,
            "status": self.status,
            "answer": answer.text if self.answer else None,
            "reasoning": answer.reasoning,
            "finish_reason": answer.finish_reason,
            "conversation_id": ids.conversation_id,
            "message_id": ids.message_id,
            "workflow_run_id": ids.workflow_run_id,
            "created_at": answer.created_at,
            "prompt_tokens": usage.prompt_tokens if usage else None,
            "completion_tokens": usage.completion_tokens if usage else None,
            "total_tokens": usage.total_tokens if usage else None,
            "total_price": float(usage.total_price) if usage and usage.total_price is not None else None,
            "currency": usage.currency if usage else "",
            "sources": len(answer.sources),
            "source_titles": "\n".join(source.title for source in answer.sources),
            "elapsed_s": self.elapsed_s,
            "first_text_s": self.first_text_s,
            "recovered": self.recovered,
            "error": type(error).__name__ if error else "",
            "error_message": error.message if error else "",
            "http_status": error.http_status if isinstance(error, BotReplyError) else None,
            "partial_text": error.partial_text if error else "",
        }


def write_rows(outcomes: Iterable[Outcome], path: str | PathLike[str]) -> int:
    """Write each outcome's row to a JSONL file as it comes; what was in the file is replaced.

    Returns:
        How many rows there are.

    Raises:
        BotUsageError: If `outcomes` is none of several; the file is as it was.
    """
    if not isinstance(outcomes, Iterable):
        told = "an async iterator" if isinstance(outcomes, AsyncIterator) else type(outcomes).__name__
        raise BotUsageError(
            f"outcomes must be what ask_all gives, not {told}. Give that, or [one async for one in aask_all(…)]."
        )
    count = 0
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        for outcome in outcomes:
            file.write(line_of(outcome.row()))
            count += 1
    return count
