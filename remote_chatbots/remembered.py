"""What a server gives back of its conversations, as the faces need it: metadata, thoughts, records. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from remote_chatbots.arguments import check_limit
from remote_chatbots.errors import BotUsageError
from remote_chatbots.metadata import file_told, resource
from remote_chatbots.steps import told_of
from remote_chatbots.stored import StoredConversation

if TYPE_CHECKING:
    from remote_chatbots.stored import StoredMessage

Per = Literal["conversation", "turn"]


@dataclass(frozen=True, slots=True)
class Record:
    """A conversation, or a turn of one, as a document.

    Attributes:
        id: The server's id of the conversation; of a turn, that of its answer.
        text: Who said what, in order.
        metadata: What is known of it; see `records`.
    """

    id: str
    text: str
    metadata: dict[str, Any]


def metadata_of(message: StoredMessage, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what rides on a message that was read from the server, under the names that ride on an answer.

    An answer has all of it; a question is nobody's answer, so it names no bot. Besides: `rating` ("like", "dislike")
    and `files`, where there are any.

    Args:
        message: The message.
        told: What is equal for all answers of its bot: `bot`, `model_provider`, `model_name`.
    """
    found = {
        "conversation_id": message.conversation_id,
        "message_id": message.message_id,
        "created_at": message.created_at,
        "rating": message.rating,
        "files": [file_told(one) for one in message.media],
        "usage": dict(message.usage.raw) if message.usage is not None else None,
        "retriever_resources": [resource(source) for source in message.sources],
        "steps": [told_of(step) for step in message.steps],
    }
    known = {name: value for name, value in found.items() if value}
    return {**told, **known} if message.role == "assistant" else known


def named(
    conversation_ids: Sequence[str] | None, *, limit: int | None, user: str, platform: str
) -> list[StoredConversation] | None:
    """Return the conversations whose ids are given, no more than `limit`; None if none are given.

    Raises:
        BotUsageError: If one id stands in the place of several, or `limit` says not how many.
    """
    if conversation_ids is None:
        return None
    if isinstance(conversation_ids, str):
        raise BotUsageError.of(platform, "conversation_ids are several. Give a list, also of one.")
    check_limit(limit, platform)
    return [StoredConversation(one, user=user) for one in conversation_ids[:limit]]


def records(
    conversation: StoredConversation, messages: Sequence[StoredMessage], *, per: Per, told: Mapping[str, Any]
) -> Iterator[Record]:
    """Return a conversation as one record, or as one for each turn.

    Each has in its metadata what is known of the conversation (`conversation_id`, `name`, `user`, `created_at`,
    `updated_at`), `bot` and `model_provider`, and of its answers `sources` (the documents' names), `ratings` (a list
    of "like" and "dislike") and `total_tokens` (None if the server told none). `messages` are all messages in full:
    `role`, `text`, `reasoning` if there is any, and what rides on them. Of a turn, `message_id` and `created_at` are
    those of its answer.

    Args:
        conversation: The conversation.
        messages: Its messages, the oldest first.
        per: "conversation" or "turn".
        told: What is equal for all answers of the bot.
    """
    groups = [list(messages)] if per == "conversation" else _turns(messages)
    of_conversation = {
        "conversation_id": conversation.conversation_id,
        "name": conversation.name,
        "user": conversation.user,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "bot": told.get("bot"),
        "model_provider": told.get("model_provider"),
    }
    for group in groups:
        last = group[-1] if per == "turn" and group else None
        of_turn = {"message_id": last.message_id, "created_at": last.created_at} if last else {}
        yield Record(
            id=(last.message_id if last else "") or conversation.conversation_id,
            text="\n\n".join(f"{one.role}: {one.text}" for one in group),
            metadata={**of_conversation, **of_turn, **_of_answers(group), "messages": [_whole(one) for one in group]},
        )


def _turns(messages: Sequence[StoredMessage]) -> list[list[StoredMessage]]:
    turns: list[list[StoredMessage]] = []
    for message in messages:
        if not turns or (message.role == "user" and turns[-1][-1].role == "assistant"):
            turns.append([])
        turns[-1].append(message)
    return turns


def _of_answers(messages: Sequence[StoredMessage]) -> dict[str, Any]:
    counts = [one.usage.total_tokens for one in messages if one.usage is not None]
    return {
        "sources": list(dict.fromkeys(source.title for one in messages for source in one.sources if source.title)),
        "ratings": [one.rating for one in messages if one.rating],
        "total_tokens": sum(counts) if counts else None,
    }


def _whole(message: StoredMessage) -> dict[str, Any]:
    known = metadata_of(message, {})
    known.pop("conversation_id", None)
    thoughts = {"reasoning": message.reasoning} if message.thoughts else {}
    return {"role": message.role, "text": message.text, **thoughts, **known}
