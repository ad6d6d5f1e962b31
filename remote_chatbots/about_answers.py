"""What a model of either face can say and ask about an answer of its bot, and have spoken."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar

from remote_chatbots.arguments import refusals_of
from remote_chatbots.errors import BotUsageError
from remote_chatbots.message_ids import message_id_of

if TYPE_CHECKING:
    from remote_chatbots.client import AsyncBotClient, BotClient
    from remote_chatbots.events import MediaProduced
    from remote_chatbots.stored import Rating


class AboutAnswers:
    """Rates answers, has them spoken, and asks what may be asked next.

    An answer is named by what the model gave: the framework's message, a chunk of it or a response, also one that was
    stored; or by an `Answer`, an error of a broken turn, or its id. Who asked is read from it, where it was another
    than the model's own user.
    """

    platform: ClassVar[str]

    def feedback(self, message: Any, rating: Rating | None, comment: str = "", *, user: str | None = None) -> None:
        """Rate an answer.

        Args:
            message: The answer, or its id.
            rating: "like", "dislike", or None to take the rating back.
            comment: Words to go with it (Dify).
            user: Who rates: Dify lets nobody rate but the one who asked. Default: who asked.

        Raises:
            BotUsageError: If `message` names no answer of this bot, or the platform takes no comment.
            BotNotFoundError: If the server has no such answer of this user.
        """
        with self._about():
            id_, named = self._answer_named(message, user)
            self._sync_client().feedback(id_, rating, comment, user=named)

    async def afeedback(
        self, message: Any, rating: Rating | None, comment: str = "", *, user: str | None = None
    ) -> None:  # fmt: skip
        """Rate an answer: as `feedback`."""
        with self._about():
            id_, named = self._answer_named(message, user)
            await self._loop_client().feedback(id_, rating, comment, user=named)

    def suggestions(self, message: Any, *, user: str | None = None) -> list[str]:
        """Return questions that may be asked next. A model makes them, which may cost.

        Args:
            message: The answer, or its id.
            user: Who asks. Default: who asked before.

        Raises:
            BotUsageError: If `message` names no answer of this bot.
            BotNotFoundError: If the server has no such answer of this user.
            BotRejectedError: If the bot's settings have it switched off.
        """
        with self._about():
            id_, named = self._answer_named(message, user)
            return self._sync_client().suggestions(id_, user=named)

    async def asuggestions(self, message: Any, *, user: str | None = None) -> list[str]:
        """Return questions that may be asked next: as `suggestions`."""
        with self._about():
            id_, named = self._answer_named(message, user)
            return await self._loop_client().suggestions(id_, user=named)

    def quality(self, message: Any, grade: str) -> None:
        """Grade an answer, as a reviewer does (GPTBots).

        Args:
            message: The answer, or its id.
            grade: "NONE", "UNRESOLVED", "PARTIALLY_RESOLVED" or "FULLY_RESOLVED".

        Raises:
            BotUsageError: If `message` names no answer of this bot, the grade is none, or the platform has none.
            BotNotFoundError: If the server has no such answer.
        """
        with self._about():
            self._sync_client().quality(self._answer_named(message, None)[0], grade)

    async def aquality(self, message: Any, grade: str) -> None:
        """Grade an answer: as `quality`."""
        with self._about():
            await self._loop_client().quality(self._answer_named(message, None)[0], grade)

    def speak(self, text: str = "", *, message: Any = "", voice: str = "", user: str | None = None) -> MediaProduced:
        """Return speech: `data` holds the bytes of a file, `mime_type` says of what kind.

        Args:
            text: What to say (Dify); or
            message: the answer to say, or its id.
            voice: One of the speech model's voices (Dify). Default: the app's.
            user: For whom. Default: who asked.

        Raises:
            BotUsageError: If the platform does not speak so, or not exactly one of `text` and `message` is given.
            BotNotFoundError: If there is no such answer, or it has no text.
            BotRejectedError: If it is switched off in the bot's settings.
        """
        with self._about():
            id_, named = self._answer_named(message, user) if message else ("", self._user(user))
            return self._sync_client().speak(text, message_id=id_, voice=voice, user=named)

    async def aspeak(
        self, text: str = "", *, message: Any = "", voice: str = "", user: str | None = None
    ) -> MediaProduced:  # fmt: skip
        """Return speech: as `speak`."""
        with self._about():
            id_, named = self._answer_named(message, user) if message else ("", self._user(user))
            return await self._loop_client().speak(text, message_id=id_, voice=voice, user=named)

    def _answer_named(self, message: Any, user: str | None) -> tuple[str, str]:
        """Return the id of an answer, and who asks about it."""
        told = self._told_of(message)
        if told is None:
            return self._id_of(message), self._user(user)
        bot = told.get("bot")
        if bot and bot != self._own_bot_id():
            raise BotUsageError("this is the answer of another bot. Give it to the model that it is of.")
        return self._id_of(told.get("message_id") or message), self._user(user or told.get("user"))

    def _id_of(self, message: Any) -> str:
        if id_ := message_id_of(message):
            return id_
        raise BotUsageError("an id is missing. Give the bot's answer or its id.")

    def _other_user(self, given: Any) -> str:
        """Return who asks, where it is another than the model's own user: answers tell it."""
        return str(given) if given and given != getattr(self, "user", "") else ""

    def _about(self) -> AbstractContextManager[None]:
        """Return what turns the errors inside it into the framework's."""
        return refusals_of(self.platform)

    @abstractmethod
    def _told_of(self, message: Any) -> Mapping[str, Any] | None:
        """Return the metadata on an answer of the framework's kinds; None if it is none."""

    @abstractmethod
    def _user(self, given: Any) -> str:
        """Return who asks."""

    @abstractmethod
    def _own_bot_id(self) -> str:
        """Return whose the answers of this model are."""

    @abstractmethod
    def _sync_client(self) -> BotClient:
        """Return this model's client."""

    @abstractmethod
    def _loop_client(self) -> AsyncBotClient:
        """Return this model's client for event loops."""
