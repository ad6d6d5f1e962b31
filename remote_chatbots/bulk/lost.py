"""Questions whose fate is not known: what the server's history tells of them. Nothing is posted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from remote_chatbots.answer import Answer
from remote_chatbots.bulk.questions import Item
from remote_chatbots.client import AsyncBotClient
from remote_chatbots.errors import BotError
from remote_chatbots.resuming import LostAnswer
from remote_chatbots.stored import StoredMessage

CLOCKS_DIFFER_S = 2.0  # those of a server's machines, and ours beside them
CONVERSATIONS_LOOKED_AT = 100  # beside those that questions of this run may have begun meanwhile


class LostQuestions:
    """Finds answers in the server's history.

    A question that had told its ids before its turn broke off is found by them. One that had not is looked for among
    its user's newest conversations: the one that begins with it, is no other question's, and is not older than it.

    Args:
        client: Whose history it is.
        at_once: How many questions may be under way together.
    """

    def __init__(self, client: AsyncBotClient, at_once: int) -> None:
        self._client = client
        self._looked_at = 2 * at_once + CONVERSATIONS_LOOKED_AT
        self._one_at_a_time = asyncio.Lock()
        self.others: set[str] = set()  # conversations whose questions are known

    async def answer(self, item: Item, ids: Mapping[str, Any], since: float) -> Answer | None:
        """Return the whole answer to a question; None if the server does not show one.

        Args:
            item: The question.
            ids: What is known of its turn.
            since: The server's time before it was posted, in Unix seconds.
        """
        question = item.question
        try:
            wanted: Mapping[str, Any] = {
                "question": question.text,
                "user": question.user,
                "reasoning": question.reasoning,
                "steps": question.steps,
            }
            lost = LostAnswer(**ids, **wanted)
            if not lost.message_id:
                found = await self._found(item, ids.get("conversation_id") or question.conversation_id, since)
                if found is None:
                    return None
                lost = LostAnswer(found.conversation_id, found.message_id, **wanted)
            return await self._client.recover(lost)
        except BotError:
            return None

    async def _found(self, item: Item, conversation_id: str, since: float) -> StoredMessage | None:
        if conversation_id:
            return await self._in(conversation_id, item, since)
        async with self._one_at_a_time:  # of two questions with one text, each gets a conversation of its own
            user = item.question.user
            for one in await self._client.conversations(user=user, limit=self._looked_at):
                older = (one.updated_at or one.created_at or since) < since - CLOCKS_DIFFER_S
                if older or one.conversation_id in self.others:
                    continue
                if found := await self._in(one.conversation_id, item, since):
                    self.others.add(one.conversation_id)
                    return found
        return None

    async def _in(self, conversation_id: str, item: Item, since: float) -> StoredMessage | None:
        for one in reversed(await self._client.history(conversation_id, user=item.question.user)):
            if one.role == "user" and one.text == item.question.text:
                young = one.created_at is None or one.created_at >= since - CLOCKS_DIFFER_S
                return one if young else None
        return None
