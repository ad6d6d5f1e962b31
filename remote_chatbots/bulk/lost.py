"""Questions whose fate is not known: what the server's history tells of them. Nothing is posted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from remote_chatbots.answer import Answer
from remote_chatbots.archive import Listing
from remote_chatbots.bulk.questions import Item
from remote_chatbots.client import AsyncBotClient
from remote_chatbots.errors import BotError
from remote_chatbots.resuming import LostAnswer
from remote_chatbots.stored import StoredMessage

CLOCKS_DIFFER_S = 2.0  # those of a server's machines
TOLD_WITHIN_S = 5.0
CONVERSATIONS_LISTED = 5000
CONVERSATIONS_LOOKED_INTO = 100  # beside those that questions of this run may have begun meanwhile


class LostQuestions:
    """Finds answers in the server's history.

    A question that had told its ids before its turn broke off is found by them. One that had not is looked for among
    its user's conversations since then: the one that begins with it, and is no other question's. They are listed page
    by page, `CONVERSATIONS_LISTED` of them at the most; those that may be it are looked into from the oldest on,
    `CONVERSATIONS_LOOKED_INTO` and two for each that may be under way at the most.

    Args:
        client: Whose history it is.
        at_once: How many questions may be under way together.
    """

    def __init__(self, client: AsyncBotClient, at_once: int) -> None:
        self._client = client
        self._looked_into = 2 * at_once + CONVERSATIONS_LOOKED_INTO
        self._one_at_a_time = asyncio.Lock()
        self.others: set[str] = set()  # conversations whose questions are known

    async def now(self, user: str) -> float:
        """Return a time of the server's clock, behind all that a user has said and before what follows.

        It is read off the user's newest conversation: our own clock may differ, and is taken where that tells nothing.

        Args:
            user: Who.
        """
        try:
            async with asyncio.timeout(TOLD_WITHIN_S):
                newest = await self._client.conversations(user=user, limit=1)
        except (BotError, TimeoutError):
            return time.time()
        if not newest:
            return 0.0
        said_at = newest[0].updated_at or newest[0].created_at
        # Servers tell whole seconds, and a look-up begins CLOCKS_DIFFER_S earlier: that second is not to be in it.
        return said_at + CLOCKS_DIFFER_S + 1 if said_at else time.time()

    async def answer(self, item: Item, ids: Mapping[str, Any], since: float) -> tuple[Answer | None, str]:
        """Return the whole answer to a question, None if the server does not show one; and in which conversation.

        The conversation's id is "" if it was not found. One without the answer may have it later.

        Args:
            item: The question.
            ids: What is known of its turn.
            since: The server's time before it was posted, in Unix seconds.
        """
        question = item.question
        conversation_id = ids.get("conversation_id") or question.conversation_id
        try:
            wanted: Mapping[str, Any] = {
                "question": question.text,
                "user": question.user,
                "reasoning": question.reasoning,
                "steps": question.steps,
            }
            lost = LostAnswer(**ids, **wanted)
            if not lost.message_id:
                found = await self._found(item, conversation_id, since)
                if found is None:
                    return None, conversation_id
                conversation_id = found.conversation_id
                lost = LostAnswer(conversation_id, found.message_id, **wanted)
            return await self._client.recover(lost), conversation_id
        except BotError:
            return None, conversation_id

    async def _found(self, item: Item, conversation_id: str, since: float) -> StoredMessage | None:
        if conversation_id:
            return await self._in(conversation_id, item, since)
        async with self._one_at_a_time:  # of two questions with one text, each gets a conversation of its own
            for one in (await self._since(item.question.user, since))[: self._looked_into]:
                if found := await self._in(one, item, since):
                    self.others.add(one)
                    return found
        return None

    async def _since(self, user: str, since: float) -> list[str]:
        """Return the user's conversations that are no other question's and not older than a time, the oldest first."""
        found: list[str] = []
        listed = 0
        newest = Listing(self._client.bot, user, CONVERSATIONS_LISTED)
        while not newest.over:
            page = await self._client._outcome(newest.page())
            young = [one for one in page if (one.updated_at or one.created_at or since) >= since - CLOCKS_DIFFER_S]
            found += [one.conversation_id for one in young if one.conversation_id not in self.others]
            listed += len(page)
            if not young and listed >= self._looked_into:  # GPTBots promises no order of its pages
                break
        return found[::-1]

    async def _in(self, conversation_id: str, item: Item, since: float) -> StoredMessage | None:
        for one in reversed(await self._client.history(conversation_id, user=item.question.user)):
            if one.role == "user" and one.text == item.question.text:
                young = one.created_at is None or one.created_at >= since - CLOCKS_DIFFER_S
                return one if young else None
        return None
