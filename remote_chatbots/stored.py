"""What a platform keeps, and gives back when it is asked: conversations and their messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from remote_chatbots.events import MediaProduced, Source, Step, Usage

Rating = Literal["like", "dislike"]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a conversation, as the server keeps it.

    Attributes:
        role: "user" or "assistant".
        text: What was said; of an answer without its thoughts, where these were to be told apart.
        message_id: The server's id of it; "" if it has none.
        parent_message_id: The server's id of the message that it answers; "" if it answers none.
        conversation_id: The server's id of the conversation.
        created_at: Unix time in seconds; None if the server does not say.
        rating: "like", "dislike", or None for neither.
        media: Files that belong to it.
        sources: The passages behind an answer, where the history holds them.
        usage: What an answer cost, where the history holds it.
        beside: What an answer has beside its text, in its order: what a model thought between `<think>` marks, and the
            steps of an agent, where the history holds them; each with its place in the text.
        error: Why the turn failed, where the server says; what had come of it is not kept (recorded:
            failed-chat-3-messages). An answer that is empty without an error is still being made, or was lost with its
            stream (recorded: during-messages, disconnect-chat-messages-late).
        raw: The server's record, as sent.
    """

    role: Literal["user", "assistant"]
    text: str
    message_id: str = ""
    parent_message_id: str = ""
    conversation_id: str = ""
    created_at: int | None = None
    rating: Rating | None = None
    media: tuple[MediaProduced, ...] = ()
    sources: tuple[Source, ...] = ()
    usage: Usage | None = None
    beside: tuple[tuple[int, str | Step], ...] = ()
    error: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def thoughts(self) -> tuple[tuple[int, str], ...]:
        """What a model thought, each thought with its place in the text."""
        return tuple((at, thought) for at, thought in self.beside if isinstance(thought, str))

    @property
    def steps(self) -> tuple[Step, ...]:
        """What an agent did on the way, in its order."""
        return tuple(step for _, step in self.beside if isinstance(step, Step))

    @property
    def reasoning(self) -> str:
        """What a model thought, all of it; "" if nothing."""
        return "".join(thought for _, thought in self.thoughts)


# Where to read on in a history: behind a message's id, or behind what was read already.
Before: TypeAlias = str | Sequence[StoredMessage]


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """One conversation, as the server lists it.

    Attributes:
        conversation_id: The server's id of it.
        name: Its name or subject; "" if it has none.
        user: Your name for the person it belongs to; "" if the server does not say.
        created_at: Unix time in seconds of its beginning; None if the server does not say.
        updated_at: Unix time in seconds of the last that happened in it; None if the server does not say.
        message_count: How many messages it has; None if the server does not say.
        raw: The server's record, as sent.
    """

    conversation_id: str
    name: str = ""
    user: str = ""
    created_at: int | None = None
    updated_at: int | None = None
    message_count: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class StoredVariable:
    """One variable of a conversation, as the server keeps it.

    Attributes:
        variable_id: The server's id of it.
        name: Its name.
        kind: The server's word for its type: "string", "number", "object", "array[string]", …
        value: Its value, of that type where the server's text for it can be read; else that text.
        description: What it is for; "" if nobody said.
        raw: The server's record, as sent.
    """

    variable_id: str
    name: str
    kind: str = ""
    value: Any = None
    description: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
