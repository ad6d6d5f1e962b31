"""LlamaIndex's key-value stores as places for conversation ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index.core.storage.kvstore.types import BaseKVStore

from remote_chatbots import BotUsageError
from remote_chatbots.conversations import CLAIM_S, Conversations

_ID = "conversation_id"


class StoredConversations(Conversations):
    """Keeps the conversations of sessions in any LlamaIndex `BaseKVStore`, so that several machines may share them.

    Such a store has no lock: first turns of one session in two processes at the same moment begin two conversations, of
    which the last that becomes known is kept. Within one process they wait for each other.

    Args:
        store: The store.
        collection: The collection of it that is used.
        claim_s: See `Conversations`.

    Raises:
        BotUsageError: If it is no such store.
    """

    def __init__(self, store: BaseKVStore, *, collection: str = "conversations", claim_s: float = CLAIM_S) -> None:
        super().__init__(claim_s=claim_s)
        if not isinstance(store, BaseKVStore):
            raise BotUsageError(
                f"A {type(store).__name__} is no BaseKVStore of LlamaIndex. Give one, or write a Conversations of your "
                "own over it: get, put and delete."
            )
        self._store = store
        self._collection = collection

    def get(self, key: str) -> str:
        """Return the conversation's id; "" if there is none."""
        return _id(self._store.get(key, collection=self._collection))

    def put(self, key: str, conversation_id: str) -> None:
        """Keep a conversation's id."""
        self._store.put(key, {_ID: conversation_id}, collection=self._collection)

    def delete(self, key: str) -> None:
        """Forget a conversation."""
        self._store.delete(key, collection=self._collection)

    async def aget(self, key: str) -> str:
        """Return the conversation's id; "" if there is none."""
        return _id(await self._store.aget(key, collection=self._collection))

    async def aput(self, key: str, conversation_id: str) -> None:
        """Keep a conversation's id."""
        await self._store.aput(key, {_ID: conversation_id}, collection=self._collection)

    async def adelete(self, key: str) -> None:
        """Forget a conversation."""
        await self._store.adelete(key, collection=self._collection)


def _id(found: Mapping[str, Any] | None) -> str:
    return str((found or {}).get(_ID) or "")
