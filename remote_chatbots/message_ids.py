"""Which answer is meant: by its id, or by what a call, a stream or a history gave of it."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from remote_chatbots.errors import BotUsageError


class HasMessageId(Protocol):
    """What knows an answer's id: an `Answer`, a `StoredMessage`, an error of a broken turn."""

    @property
    def message_id(self) -> str:
        """The server's id of the answer."""


Named: TypeAlias = HasMessageId | str


def message_id_of(message: Named, platform: str = "") -> str:
    """Return the id of an answer; "" if nothing was given.

    Args:
        message: The answer, or its id.
        platform: With which an error's message begins.

    Raises:
        BotUsageError: If the answer has none.
    """
    if isinstance(message, str):
        return message
    id_ = getattr(message, "message_id", "")
    if not isinstance(id_, str) or not id_:
        raise BotUsageError.of(
            platform,
            f"this {type(message).__name__} names no answer. Give the bot's answer or its id; where a stream told none "
            "(v1 of GPTBots' send call), it is in the history.",
        )
    return id_
