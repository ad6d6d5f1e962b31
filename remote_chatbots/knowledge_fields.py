"""What a user sets on a retriever of knowledge bases, in either face.

pydantic comes with both frameworks: nothing of the core imports this module, the faces do.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import Field, PrivateAttr

from remote_chatbots.address import Key
from remote_chatbots.connection_fields import ConnectionFields
from remote_chatbots.field_texts import describe
from remote_chatbots.knowledge_client import AsyncKnowledgeClient, KnowledgeClient
from remote_chatbots.platforms import dify, gptbots
from remote_chatbots.protocol import KnowledgeProtocol
from remote_chatbots.timeouts import Timeouts

C = TypeVar("C", KnowledgeClient, AsyncKnowledgeClient)


class KnowledgeFields(ConnectionFields):
    """The fields of every retriever of knowledge bases."""

    _client: KnowledgeClient | None = PrivateAttr(default=None)
    _async_client: AsyncKnowledgeClient | None = PrivateAttr(default=None)

    _options: ClassVar[tuple[str, ...]]
    # As the platforms call it, and LlamaIndex.
    _other_names: ClassVar[Mapping[str, str]] = {"top_k": "k", "similarity_top_k": "k"}

    @abstractmethod
    def _knowledge(self) -> KnowledgeProtocol:
        """Return the knowledge bases that the fields describe."""

    def _check(self) -> None:
        self._knowledge()

    def close(self) -> None:
        """Close this thread's connections. They are closed with the retriever or the thread as well."""
        if self._client is not None:
            self._client.close()

    async def aclose(self) -> None:
        """Close this event loop's connections. They are closed with the retriever or the loop as well."""
        if self._async_client is not None:
            await self._async_client.aclose()

    def _of_call(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of one search by their names here; None is "not given"."""
        named = {self._other_names.get(name, name): value for name, value in given.items()}
        return {name: value for name, value in named.items() if value is not None}

    def _sync_client(self) -> KnowledgeClient:
        self._client = self._as_set(self._client, KnowledgeClient)
        return self._client

    def _loop_client(self) -> AsyncKnowledgeClient:
        self._async_client = self._as_set(self._async_client, AsyncKnowledgeClient)
        return self._async_client

    def _as_set(self, client: C | None, kind: type[C]) -> C:
        """Return a client of the fields as they are: the same as long as they are."""
        knowledge, timeouts = self._knowledge(), Timeouts.of(self.timeout)
        if client is not None and client.knowledge == knowledge and client.timeouts == timeouts:
            return client
        return kind(knowledge, timeout=timeouts)


class DifyKnowledgeFields(KnowledgeFields):
    """The fields of Dify's knowledge bases, in either face; each but the connection's may be given per search."""

    base_url: str = dify.CLOUD_URL
    dataset_id: Any = ()
    """The knowledge base, or a list of several: then the passages come rank by rank, the first of each before the
    second of any, and scores are not compared."""
    k: int | None = Field(default=None, strict=True)
    """At most so many passages. Default: as the knowledge base is set up."""
    search_method: str | None = None
    """"semantic_search", "full_text_search", "hybrid_search" or "keyword_search". Default: the knowledge base's."""
    score_threshold: float | None = None
    """Passages with a lower score are left out. Default: the knowledge base's."""
    score_threshold_enabled: bool | None = None
    """Whether they are. Default: if `score_threshold` is given; else the knowledge base's."""
    reranking_enable: bool | None = None
    """Whether a model ranks what was found. Default: if `reranking_model` is given; else the knowledge base's."""
    reranking_mode: str | None = None
    """"reranking_model" or "weighted_score". Default: by which of the two that follow is given."""
    reranking_model: Any = None
    """That model: a mapping with `reranking_provider_name` and `reranking_model_name`."""
    weights: Any = None
    """What meaning and words weigh in a hybrid search: a mapping, as Dify has it."""
    metadata_filtering_conditions: Any = None
    """Only documents are searched whose metadata are so: a list of conditions that must all hold, or a mapping with
    `logical_operator` and `conditions`; each has `name`, `comparison_operator` and `value`."""

    platform: ClassVar[str] = "dify"
    _options: ClassVar[tuple[str, ...]] = (
        "k", "search_method", "score_threshold", "score_threshold_enabled", "reranking_enable", "reranking_mode",
        "reranking_model", "weights", "metadata_filtering_conditions",
    )  # fmt: skip
    _environment: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "api_key": ("DIFY_DATASET_API_KEY",),
        "base_url": ("DIFY_BASE_URL", "DIFY_API_BASE"),
    }

    def _knowledge(self) -> KnowledgeProtocol:
        return dify.DifyKnowledge(
            Key(self.api_key.get_secret_value()),
            self.base_url,
            self.dataset_id,
            headers=self.default_headers,
            settings=self._settings(),
            options=dify.DifyRetrieval(**{name: getattr(self, name) for name in self._options}),
        )


class GPTBotsKnowledgeFields(KnowledgeFields):
    """The fields of a GPTBots agent's knowledge, in either face; each but the connection's may be given per search."""

    base_url: str = gptbots.CLOUD_URL
    """The server, or a region: "sg", "th", "jp", "cn"."""
    k: int = Field(default=4, strict=True)
    """At most so many passages, 1 to 50; older servers take no more than 10."""
    embedding_rate: float | None = None
    """What meaning weighs against words: 0 is words alone, 1 meaning alone. Default: the server's, 1."""
    rerank_version: str | None = None
    """The model that ranks what was found, e.g. "BGE-Rerank". Default: none."""
    doc_correlation: float | None = None
    """Passages that are less relevant are left out, 0.1 to 0.95. Default: none are."""
    group_ids: Any = None
    """The knowledge bases that are searched, by their ids. Default: all that the agent has."""
    data_ids: Any = None
    """The documents that are searched, by their ids; with `group_ids`, all of both. Default: all."""

    platform: ClassVar[str] = "gptbots"
    _options: ClassVar[tuple[str, ...]] = (
        "k", "embedding_rate", "rerank_version", "doc_correlation", "group_ids", "data_ids",
    )  # fmt: skip
    _environment: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "api_key": ("GPTBOTS_API_KEY",),
        "base_url": ("GPTBOTS_BASE_URL",),
    }

    def _knowledge(self) -> KnowledgeProtocol:
        return gptbots.GPTBotsKnowledge(
            Key(self.api_key.get_secret_value()),
            self.base_url,
            headers=self.default_headers,
            settings=self._settings(),
            options=gptbots.GPTBotsRetrieval(**{name: getattr(self, name) for name in self._options}),
        )


describe(__name__, KnowledgeFields, DifyKnowledgeFields, GPTBotsKnowledgeFields)
