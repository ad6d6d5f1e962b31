"""The pages in which the server tells of conversations that were held: `GET /messages`, `GET /conversations`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .apps import App
from .checks import Page
from .ids import Ids
from .records import Records
from .refusals import not_found
from .state import Conversation
from .turn import Message


def messages_page(records: Records, app: App, messages: Sequence[Message], page: Page, ids: Ids) -> dict[str, Any]:
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
    told = {"has_more": len(shown) < len(before), "data": [records.message(app, message, ids) for message in shown]}
    return {"limit": page.limit, **told} if records.messages_tell_limit else told


def conversations_page(records: Records, conversations: Sequence[Conversation], page: Page) -> dict[str, Any]:
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
        "data": [records.conversation(each) for each in ordered[: page.limit]],
    }


def _time(conversation: Conversation, field: str) -> int:
    return conversation.created_at if field == "created_at" else conversation.updated_at
