"""What a retriever promises."""

from __future__ import annotations

import asyncio
from unittest import SkipTest

from llama_index.core.callbacks import CBEventType
from llama_index.core.instrumentation.events.retrieval import RetrievalEndEvent, RetrievalStartEvent
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from llama_index_chatbots.conformance.listening import callback_listener, heartbeat, listening


class RetrieverConformance:
    """The suite for a retriever. Inherit it and say how to make one.

    Attributes:
        query: What is looked for; something must be found.
        waits: Whether what is found has to be waited for, on a network or elsewhere.
    """

    query: str = "Hello"
    waits: bool = True

    def make_retriever(self) -> BaseRetriever:
        """Return a new retriever."""
        raise NotImplementedError

    def make_retriever_of(self, k: int) -> BaseRetriever | None:
        """Return a retriever of at most `k` nodes, fewer than are found; None if it has no such limit."""

    def test_it_finds_nodes(self) -> None:
        nodes = self.make_retriever().retrieve(self.query)
        assert nodes
        assert all(isinstance(node, NodeWithScore) and node.node_id for node in nodes)
        assert all(node.score is None or isinstance(node.score, float) for node in nodes)

    def test_it_takes_a_bundle_as_well(self) -> None:
        retriever = self.make_retriever()
        assert _ids(retriever.retrieve(QueryBundle(self.query))) == _ids(retriever.retrieve(self.query))

    def test_it_finds_the_same_when_awaited(self) -> None:
        async def look() -> list[NodeWithScore]:
            return await self.make_retriever().aretrieve(self.query)

        assert _ids(asyncio.run(look())) == _ids(self.make_retriever().retrieve(self.query))

    def test_it_finds_at_most_as_many_as_wanted(self) -> None:
        limited = self.make_retriever_of(1)
        if limited is None:
            raise SkipTest("It has no such limit.")
        assert len(limited.retrieve(self.query)) == 1 < len(self.make_retriever().retrieve(self.query))

    def test_awaiting_it_leaves_the_loop_free(self) -> None:
        if not self.waits:
            raise SkipTest("There is nothing to wait for.")

        async def look() -> None:
            retriever = self.make_retriever()
            await retriever.aretrieve(self.query)  # what is imported or opened with the first call has come
            async with heartbeat() as beats:
                await retriever.aretrieve(self.query)
            assert beats, "aretrieve held up the event loop"

        asyncio.run(look())

    def test_a_retrieval_is_told_once(self) -> None:
        retriever = self.make_retriever()
        heard, retriever.callback_manager = callback_listener()
        with listening() as listener:
            retriever.retrieve(self.query)
        assert listener.count(RetrievalStartEvent) == listener.count(RetrievalEndEvent) == 1
        assert heard.starts[CBEventType.RETRIEVE] == heard.ends[CBEventType.RETRIEVE] == 1


def _ids(nodes: list[NodeWithScore]) -> list[str]:
    return [node.node_id for node in nodes]
