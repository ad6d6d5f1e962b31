"""The clients of knowledge bases: searches without a bot, and what there is to be searched."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from remote_chatbots import transports
from remote_chatbots.arguments import check_limit, refusals_of
from remote_chatbots.concealing import concealing
from remote_chatbots.errors import BotUsageError
from remote_chatbots.events import Source
from remote_chatbots.flow import Flow, T
from remote_chatbots.management import awhole, kept, whole
from remote_chatbots.protocol import KnowledgeProtocol
from remote_chatbots.stored_knowledge import StoredDocument, StoredKnowledgeBase
from remote_chatbots.timeouts import Timeouts

if TYPE_CHECKING:
    import aiohttp
    import requests

_STANDARD = Timeouts()


class _Client:
    @concealing
    def __init__(self, knowledge: KnowledgeProtocol, timeout: Any) -> None:
        if isinstance(knowledge, type) or not hasattr(knowledge, "retrieve") or not hasattr(knowledge, "settings"):
            raise BotUsageError("knowledge must be knowledge bases. Give them, e.g. DifyKnowledge(api_key=…).")
        self.knowledge = knowledge
        self.timeouts = Timeouts.of(timeout)

    def __repr__(self) -> str:
        known = vars(self)  # not all of it, where the constructor refused
        return f"{type(self).__name__}({known.get('knowledge')!r}, timeout={known.get('timeouts')!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.knowledge, self.timeouts)


class KnowledgeClient(_Client):
    """Searches knowledge bases; blocking. Safe in threads; each has its own connections.

    Example:
        >>> knowledge = DifyKnowledge(api_key="dataset-…", base_url="https://dify.example.com", dataset_id="…")
        >>> for source in KnowledgeClient(knowledge).retrieve("ferry", k=2):
        ...     print(source.title, source.score)

    A pickle of a client carries its key, and drops connections.

    Args:
        knowledge: What is searched, e.g. `DifyKnowledge(api_key=…, dataset_id=…)`.
        timeout: `Timeouts`, or seconds of silence, or a pair (connect, silence), or None for no limit.
        session: A `requests.Session` of yours, for its proxies, certificates or adapters; never closed here.

    Raises:
        BotUsageError: If `knowledge` is none, or `timeout` none of these.
    """

    @concealing
    def __init__(
        self, knowledge: KnowledgeProtocol, *, timeout: Any = _STANDARD, session: requests.Session | None = None
    ) -> None:
        super().__init__(knowledge, timeout)
        self._transport = transports.RequestsTransport(self.timeouts, knowledge.settings, session)

    def retrieve(self, query: str, **options: Any) -> list[Source]:
        """Return the passages that fit `query`, best first.

        Several knowledge bases are asked one after the other. Their passages come rank by rank: the first of each, in
        the order they were named, then the second of each; scores are not compared.

        Args:
            query: What to look for.
            **options: How (for Dify: `dataset_id`, and fields of `DifyRetrieval`; for GPTBots: of `GPTBotsRetrieval`).

        Returns:
            At most `k` passages, scores as the server gave them.

        Raises:
            BotUsageError: If the query is blank or too long, or an option is wrong.
            BotNotFoundError: If there is no such knowledge base.
            BotError: If the search fails; of several knowledge bases, if one does.
        """
        with refusals_of(self.knowledge.name):
            search = self.knowledge.retrieve(query, **options)
        if search.first is not None:
            self._outcome(search.first)
        return search.merged([self._found(part) for part in search.parts])

    def knowledge_bases(self, *, limit: int | None = None) -> list[StoredKnowledgeBase]:
        """Return the knowledge bases that the key opens, in the server's order.

        Args:
            limit: No more than so many. Default: all.

        Raises:
            BotError: If the call fails.
        """
        check_limit(limit, self.knowledge.name)
        return self._outcome(self.knowledge.knowledge_bases(limit=limit))

    def documents(self, dataset_id: str, *, limit: int | None = None) -> list[StoredDocument]:
        """Return the documents of a knowledge base, in the server's order.

        Args:
            dataset_id: The server's id of the knowledge base.
            limit: No more than so many. Default: all.

        Raises:
            BotNotFoundError: If there is no such knowledge base.
            BotError: If the call fails.
        """
        check_limit(limit, self.knowledge.name)
        return self._outcome(self.knowledge.documents(dataset_id, limit=limit))

    def close(self) -> None:
        """Close this thread's connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _found(self, part: Flow[None]) -> tuple[Source, ...]:
        return whole(self._transport.run(part, self.knowledge.name)).sources

    def _outcome(self, flow: Flow[T]) -> T:
        found: list[T] = []
        self._found(kept(flow, found))
        return found[0]


class AsyncKnowledgeClient(_Client):
    """Searches knowledge bases from an event loop, or from several; each has its own connections.

    A pickle of a client carries its key, and drops connections.

    Args:
        knowledge: What is searched, e.g. `DifyKnowledge(api_key=…, dataset_id=…)`.
        timeout: `Timeouts`, or seconds of silence, or a pair (connect, silence), or None for no limit.
        session: An `aiohttp.ClientSession` of yours; its time-outs rule; it is never closed here.

    Raises:
        BotUsageError: If `knowledge` is none, or `timeout` none of these.
    """

    @concealing
    def __init__(
        self, knowledge: KnowledgeProtocol, *, timeout: Any = _STANDARD, session: aiohttp.ClientSession | None = None
    ) -> None:
        super().__init__(knowledge, timeout)
        self._transport = transports.AiohttpTransport(self.timeouts, knowledge.settings, session)

    async def retrieve(self, query: str, **options: Any) -> list[Source]:
        """Return as `KnowledgeClient.retrieve`; several knowledge bases are asked at once."""
        with refusals_of(self.knowledge.name):
            search = self.knowledge.retrieve(query, **options)
        if search.first is not None:
            await self._outcome(search.first)
        asked = [asyncio.ensure_future(self._found(part)) for part in search.parts]
        try:
            return search.merged(await asyncio.gather(*asked))
        finally:
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def knowledge_bases(self, *, limit: int | None = None) -> list[StoredKnowledgeBase]:
        """Return as `KnowledgeClient.knowledge_bases`."""
        check_limit(limit, self.knowledge.name)
        return await self._outcome(self.knowledge.knowledge_bases(limit=limit))

    async def documents(self, dataset_id: str, *, limit: int | None = None) -> list[StoredDocument]:
        """Return as `KnowledgeClient.documents`."""
        check_limit(limit, self.knowledge.name)
        return await self._outcome(self.knowledge.documents(dataset_id, limit=limit))

    async def aclose(self) -> None:
        """Close this loop's connections. They are closed with the loop as well."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _found(self, part: Flow[None]) -> tuple[Source, ...]:
        return (await awhole(self._transport.run(part, self.knowledge.name))).sources

    async def _outcome(self, flow: Flow[T]) -> T:
        found: list[T] = []
        await self._found(kept(flow, found))
        return found[0]


def _again(
    kind: type[KnowledgeClient] | type[AsyncKnowledgeClient], knowledge: KnowledgeProtocol, timeouts: Timeouts
) -> _Client:
    return kind(knowledge, timeout=timeouts)
