"""Where a question of a bulk is asked: here, or elsewhere (`on_dask`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from remote_chatbots.answer import Answer
from remote_chatbots.client import AsyncBotClient
from remote_chatbots.events import Started, TextDelta
from remote_chatbots.question import Question


class Asker(Protocol):
    """Asks one question, somewhere."""

    async def ask(self, question: Question, begun: Callable[[Started], None]) -> tuple[Answer, float | None]:
        """Return the answer, and after how many seconds its first text came.

        Args:
            question: The question. It is posted at most once.
            begun: Called with ids of the turn when they are known.

        Raises:
            BotError: If the turn fails; retryable if the question was not taken.
        """

    async def aclose(self) -> None:
        """Let go of what it has opened."""


class ClientAsker:
    """Asks with a client, in this event loop.

    Args:
        client: The client.
    """

    def __init__(self, client: AsyncBotClient) -> None:
        self._client = client

    async def ask(self, question: Question, begun: Callable[[Started], None]) -> tuple[Answer, float | None]:
        """Return as `Asker.ask`."""
        posted_at, first_text_s = time.monotonic(), None
        async with self._client.stream(question) as run:
            async for event in run:
                if type(event) is Started:
                    begun(event)
                elif first_text_s is None and type(event) is TextDelta:
                    first_text_s = time.monotonic() - posted_at
            return run.answer, first_text_s

    async def aclose(self) -> None:
        """Close this loop's connections."""
        await self._client.aclose()
