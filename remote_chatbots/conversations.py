"""Local ids (a session, a thread) to the server's conversation ids, for where no answer is at hand that carries one.

An id is kept for a session, a user and a bot together (`Session.key`). Storage is a `Conversations`: in memory, in a
SQLite file, or what a face makes of its framework's key-value stores.
"""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Self

from remote_chatbots.errors import BotUsageError

if TYPE_CHECKING:
    import sqlite3

CLAIM_S = 60.0


class Conversations(ABC):
    """Where conversation ids are kept. A store of your own needs `get`, `put` and `delete`; keys are 64 hex digits.

    The `a…` methods run these in threads; override them where the store has an async way of its own. Claims make
    concurrent first turns of one session wait for each other, so that they begin one conversation, not two. Here they
    hold within this object; a store that several processes share can do better.

    Args:
        claim_s: How long a first turn may take to become known, in seconds; after that another may begin.
    """

    claim_s = CLAIM_S
    _claims: dict[str, float]
    _lock: threading.Lock

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Make a store; one of your own need not call our `__init__`."""
        made = super().__new__(cls)
        made._claims, made._lock = {}, threading.Lock()
        return made

    def __init__(self, *, claim_s: float = CLAIM_S) -> None:
        self.claim_s = claim_s

    @abstractmethod
    def get(self, key: str) -> str:
        """Return the conversation's id; "" if there is none."""

    @abstractmethod
    def put(self, key: str, conversation_id: str) -> None:
        """Keep a conversation's id in place of what was kept."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Forget a conversation, if it is known."""

    def claim(self, key: str) -> bool:
        """Return whether the caller may begin the conversation; False while another may."""
        with self._lock:
            now = time.monotonic()
            if self._claims.get(key, now) > now:
                return False
            self._claims[key] = now + self.claim_s
            return True

    def release(self, key: str) -> None:
        """Give a claim back."""
        with self._lock:
            self._claims.pop(key, None)

    async def aget(self, key: str) -> str:
        """Return as `get`."""
        return await asyncio.to_thread(self.get, key)

    async def aput(self, key: str, conversation_id: str) -> None:
        """Do as `put`."""
        await asyncio.to_thread(self.put, key, conversation_id)

    async def adelete(self, key: str) -> None:
        """Do as `delete`."""
        await asyncio.to_thread(self.delete, key)

    async def aclaim(self, key: str) -> bool:
        """Return as `claim`."""
        return self.claim(key)

    async def arelease(self, key: str) -> None:
        """Do as `release`."""
        self.release(key)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_claims")}


class InMemoryConversations(Conversations):
    """Keeps ids in this process, for as long as the object lives. Of more than `most` the oldest half is forgotten.

    Args:
        most: How many conversations are kept.
        claim_s: See `Conversations`.
    """

    def __init__(self, *, most: int = 100_000, claim_s: float = CLAIM_S) -> None:
        super().__init__(claim_s=claim_s)
        self._most = most
        self._known: dict[str, str] = {}

    def get(self, key: str) -> str:
        """Return the conversation's id; "" if there is none."""
        return self._known.get(key, "")

    def put(self, key: str, conversation_id: str) -> None:
        """Keep a conversation's id."""
        with self._lock:
            self._known[key] = conversation_id
            if len(self._known) > self._most:
                for old in list(self._known)[: self._most // 2]:
                    del self._known[old]

    def delete(self, key: str) -> None:
        """Forget a conversation."""
        with self._lock:
            self._known.pop(key, None)

    async def aget(self, key: str) -> str:
        """Return as `get`."""
        return self.get(key)

    async def aput(self, key: str, conversation_id: str) -> None:
        """Do as `put`."""
        self.put(key, conversation_id)

    async def adelete(self, key: str) -> None:
        """Do as `delete`."""
        self.delete(key)


class SQLiteConversations(Conversations):
    """Keeps ids in a SQLite file, which several processes of one machine may share.

    Claims stand in the file too: first turns of one session in several processes begin one conversation, if the first
    of them is known within `claim_s`. A process that is killed in its first turn leaves its claim until then.

    Args:
        path: The file; it is made if it is not there.
        claim_s: See `Conversations`.

    Raises:
        BotUsageError: If `path` names no file.
    """

    def __init__(self, path: str | PathLike[str], *, claim_s: float = CLAIM_S) -> None:
        super().__init__(claim_s=claim_s)
        if path in ("", ":memory:"):  # each connection would have an empty one of its own
            raise BotUsageError("Conversations are kept in a file: give its path, or use InMemoryConversations().")
        self._path = fspath(path)

    def get(self, key: str) -> str:
        """Return the conversation's id; "" if there is none."""
        rows = self._run("SELECT conversation_id FROM conversations WHERE key = ?", key)
        return str(rows[0][0]) if rows else ""

    def put(self, key: str, conversation_id: str) -> None:
        """Keep a conversation's id."""
        self._run("INSERT OR REPLACE INTO conversations VALUES (?, ?)", key, conversation_id)

    def delete(self, key: str) -> None:
        """Forget a conversation."""
        self._run("DELETE FROM conversations WHERE key = ?", key)

    def claim(self, key: str) -> bool:
        """Return whether the caller may begin the conversation, among all processes that use the file."""
        now = time.time()
        until = "INSERT INTO claims VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET until = excluded.until"
        return bool(self._run(f"{until} WHERE claims.until <= ? RETURNING key", key, now + self.claim_s, now))

    def release(self, key: str) -> None:
        """Give a claim back."""
        self._run("DELETE FROM claims WHERE key = ?", key)

    async def aclaim(self, key: str) -> bool:
        """Return as `claim`."""
        claiming = asyncio.ensure_future(asyncio.to_thread(self.claim, key))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            if await claiming:  # the thread goes on without its caller, and nobody would give the claim back
                await self.arelease(key)
            raise

    async def arelease(self, key: str) -> None:
        """Do as `release`."""
        await asyncio.to_thread(self.release, key)

    def _run(self, statement: str, *values: Any) -> list[Any]:
        connection = self._opened()
        try:
            with connection:
                return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def _opened(self) -> sqlite3.Connection:
        import sqlite3  # only those who keep a file need it

        # A connection is cheap beside a turn, and shared by no two threads or processes.
        connection = sqlite3.connect(self._path, timeout=30)
        connection.execute("CREATE TABLE IF NOT EXISTS conversations (key TEXT PRIMARY KEY, conversation_id TEXT)")
        connection.execute("CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, until REAL)")
        return connection


def checked_conversations(given: Any, platform: str) -> Conversations:
    """Return what was given as a store of conversations.

    Raises:
        BotUsageError: If it is none.
    """
    if isinstance(given, Conversations):
        return given
    raise BotUsageError.of(
        platform,
        f"conversations must be a store of them, not {type(given).__name__}. Give InMemoryConversations(), "
        "SQLiteConversations(path), StoredConversations(store) or a Conversations of your own.",
    )
