"""What the server tells of conversations that were held: `GET /messages` and `GET /conversations`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .apps import App
from .citations import stored_citations
from .dify_events import thought_fields
from .dify_requests import Page
from .ids import Ids
from .refusals import not_found
from .state import Conversation
from .turn import Message, Thought

NO_PARENT = "00000000-0000-0000-0000-000000000000"


def messages_page(app: App, messages: Sequence[Message], page: Page, ids: Ids) -> dict[str, Any]:
    """Return one page of a conversation: the newest page first, the oldest message first inside it.

    Pages are cut by `created_at` (recorded: 1.14.2/messages-page-2, messages-before-oldest).

    Raises:
        Refusal: 404 if the page begins at a message that the conversation does not have.
    """
    before = messages
    if page.after is not None:
        first = next((message for message in messages if message.id == page.after), None)
        if first is None:
            raise not_found("First Message Not Exists.")
        before = [message for message in messages if message.created_at < first.created_at]
    shown = before[-page.limit :]
    return {
        "limit": page.limit,
        "has_more": len(shown) < len(before),
        "data": [_message(app, message, ids) for message in shown],
    }


def conversations_page(conversations: Sequence[Conversation], page: Page) -> dict[str, Any]:
    """Return one page of a user's conversations.

    recorded: 1.14.2/conversations-page-1, conversations-sort-created

    Raises:
        Refusal: 404 if the page begins after a conversation that the user does not have.
    """
    field = page.sort_by.removeprefix("-")
    newest_first = page.sort_by.startswith("-")
    ordered = sorted(conversations, key=lambda each: _time(each, field), reverse=newest_first)
    if page.after is not None:
        places = [place for place, each in enumerate(ordered) if each.id == page.after]
        if not places:
            raise not_found("Last Conversation Not Exists.")
        ordered = ordered[places[0] + 1 :]
    return {
        "limit": page.limit,
        "has_more": len(ordered) > page.limit,
        "data": [_conversation(each) for each in ordered[: page.limit]],
    }


def _time(conversation: Conversation, field: str) -> int:
    return conversation.created_at if field == "created_at" else conversation.updated_at


def _message(app: App, message: Message, ids: Ids) -> dict[str, Any]:
    def id_of(name: str, position: int) -> str:
        return ids.uuid(message.id, name, position)

    return {
        "id": message.id,
        "conversation_id": message.conversation_id,
        "parent_message_id": NO_PARENT,
        "inputs": message.inputs,
        "query": message.query,
        "answer": message.answer,
        "feedback": None,
        "retriever_resources": stored_citations(app, message.sources, id_of),
        "created_at": message.created_at,
        "agent_thoughts": [_thought(message, thought) for thought in message.thoughts],
        "message_files": [],
        "status": message.status,
        "error": message.error,
        "extra_contents": [],
    }


def _thought(message: Message, thought: Thought) -> dict[str, Any]:
    fields = thought_fields(thought)
    return {
        "id": thought.id,
        "chain_id": None,
        "message_id": message.id,
        "position": thought.position,
        "thought": thought.text,
        "tool": fields["tool"],
        "tool_labels": fields["tool_labels"],
        "tool_input": fields["tool_input"],
        "created_at": message.created_at,
        "observation": fields["observation"],
        "files": [],
    }


def _conversation(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "name": conversation.name,
        "inputs": conversation.inputs,
        "status": "normal",
        "introduction": conversation.introduction,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
    }
