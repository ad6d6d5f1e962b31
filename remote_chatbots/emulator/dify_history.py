"""The pages in which the server tells what it holds: `GET /messages`, `GET /conversations`, their variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .apps import App
from .checks import Page
from .ids import Ids
from .records import Records
from .refusals import not_found
from .state import Conversation
from .turn import Message
from .variables import HeldVariable


def messages_page(records: Records, app: App, messages: Sequence[Message], page: Page, ids: Ids) -> dict[str, Any]:
    """Return one page of a conversation: the newest page first, the oldest message first inside it.

    Pages are cut by `created_at`, in whole seconds (recorded: 1.14.2/messages-page-2, messages-before-oldest): messages
    of one second come in any order, and those that share it with the oldest of a page are neither on the next one nor
    counted in `has_more` (recorded: messages-same-second-all, messages-same-second-page-1).

    Raises:
        Refusal: 404 if the page begins at a message that the conversation does not have.
    """
    before = sorted(messages, key=lambda message: (message.created_at, message.id))
    if page.after is not None:
        first = next((message for message in messages if message.id == page.after), None)
        if first is None:
            raise not_found("First Message Not Exists.")
        before = [message for message in before if message.created_at < first.created_at]
    shown = before[-page.limit :]
    has_more = bool(shown) and before[0].created_at < shown[0].created_at
    if records.newest_message_first:
        shown.reverse()
    told = {"has_more": has_more, "data": [records.message(app, message, ids) for message in shown]}
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
    return _page(ordered, page, records.conversation, "Last Conversation Not Exists.")


def variables_page(variables: Sequence[HeldVariable], page: Page, name: str | None) -> dict[str, Any]:
    """Return one page of a conversation's variables (recorded, with none: 1.14.2/conversation-variables).

    Raises:
        Refusal: 404 if the page begins after a variable that the conversation does not have.
    """
    named = [each for each in variables if name in (None, each.of.name)]
    return _page(named, page, HeldVariable.told, "Conversation Variable Not Exists.")


def _page(listed: Sequence[Any], page: Page, told: Callable[[Any], Any], unknown: str) -> dict[str, Any]:
    if page.after is not None:
        places = [place for place, each in enumerate(listed) if each.id == page.after]
        if not places:
            raise not_found(unknown)
        listed = listed[places[0] + 1 :]
    return {
        "limit": page.limit,
        "has_more": len(listed) > page.limit,
        "data": [told(each) for each in listed[: page.limit]],
    }


def _time(conversation: Conversation, field: str) -> int:
    return conversation.created_at if field == "created_at" else conversation.updated_at
