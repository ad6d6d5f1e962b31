"""LangChain's key-value stores as places for conversation ids."""

from __future__ import annotations

from typing import Any

from langchain_core.stores import BaseStore

from remote_chatbots import BotUsageError
from remote_chatbots.conversations import CLAIM_S, Conversations


class StoredConversations(Conversations):
    """Keeps the conversations of sessions in any LangChain `BaseStore`, so that several machines may share them.

    Such a store has no lock: first turns of one session in two processes at the same moment begin two conversations, of
    which the last that becomes known is kept. Within one process they wait for each other.

    Args:
        store: The store, of strings to bytes or to anything.
        prefix: With which keys begin, where the store has other uses.
        claim_s: See `Conversations`.

    Raises:
        BotUsageError: If it is no such store.
    """

    def __init__(self, store: BaseStore[str, Any], *, prefix: str = "conversation-", claim_s: float = CLAIM_S) -> None:
        super().__init__(claim_s=claim_s)
        if not isinstance(store, BaseStore):
            raise BotUsageError(
                f"A {type(store).__name__} is no BaseStore of langchain_core.stores (LangGraph's stores are others). "
                "Give one, or write a Conversations of your own over it: get, put and delete."
            )
        self._store = store
        self._prefix = prefix

    def get(self, key: str) -> str:
        """Return the conversation's id; "" if there is none."""
        return _text(self._store.mget([self._prefix + key]))

    def put(self, key: str, conversation_id: str) -> None:
        """Keep a conversation's id."""
        self._store.mset([(self._prefix + key, conversation_id.encode())])

    def delete(self, key: str) -> None:
        """Forget a conversation."""
        self._store.mdelete([self._prefix + key])

    async def aget(self, key: str) -> str:
        """Return as `get`."""
        return _text(await self._store.amget([self._prefix + key]))

    async def aput(self, key: str, conversation_id: str) -> None:
        """Do as `put`."""
        await self._store.amset([(self._prefix + key, conversation_id.encode())])

    async def adelete(self, key: str) -> None:
        """Do as `delete`."""
        await self._store.amdelete([self._prefix + key])


def _text(found: list[Any]) -> str:
    value = found[0]
    return value.decode() if isinstance(value, bytes) else str(value or "")
