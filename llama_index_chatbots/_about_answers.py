"""What an engine over a bot can say and ask about its answers: what the LLM can, for the engine's user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index_chatbots.remote_llm import RemoteLLM

if TYPE_CHECKING:
    from remote_chatbots.stored import Rating


class AboutAnswers:
    """Rates answers, and asks what may be asked next; see `RemoteLLM`'s methods of these names."""

    _llm: RemoteLLM
    _of_each_call: dict[str, Any]

    def feedback(self, message: Any, rating: Rating | None, comment: str = "") -> None:
        """Rate an answer that this engine gave, or that its memory holds, or name its id."""
        self._llm.feedback(message, rating, comment, user=self._of_each_call.get("user"))

    async def afeedback(self, message: Any, rating: Rating | None, comment: str = "") -> None:
        """Rate an answer: as `feedback`."""
        await self._llm.afeedback(message, rating, comment, user=self._of_each_call.get("user"))

    def suggestions(self, message: Any) -> list[str]:
        """Return questions that may be asked after an answer."""
        return self._llm.suggestions(message, user=self._of_each_call.get("user"))

    async def asuggestions(self, message: Any) -> list[str]:
        """Return questions that may be asked after an answer: as `suggestions`."""
        return await self._llm.asuggestions(message, user=self._of_each_call.get("user"))

    def quality(self, message: Any, grade: str) -> None:
        """Grade an answer, as a reviewer does (GPTBots)."""
        self._llm.quality(message, grade)

    async def aquality(self, message: Any, grade: str) -> None:
        """Grade an answer: as `quality`."""
        await self._llm.aquality(message, grade)
