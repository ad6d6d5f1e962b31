"""Retrievers that search a platform's knowledge bases themselves: no bot answers, no language model runs."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self, Unpack

from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import MetadataFilters
from pydantic import SecretStr

from llama_index_chatbots._filters import with_conditions
from llama_index_chatbots.sources import node_of
from remote_chatbots import Source, Timeouts
from remote_chatbots.arguments import with_environment
from remote_chatbots.concealing import concealing
from remote_chatbots.constructors import DifyKnowledgeArguments, GPTBotsKnowledgeArguments
from remote_chatbots.knowledge_fields import DifyKnowledgeFields, GPTBotsKnowledgeFields, KnowledgeFields
from remote_chatbots.passages import found_passages


class RemoteKnowledgeRetriever(BaseRetriever):
    """Searches knowledge bases and returns what fits as nodes, in the server's order.

    A node's text is the passage's, its id the segment's (of ours where the server has none, and equal for equal
    passages), its source relationship the document; `score` is None if the server gave none. The metadata has all the
    server's keys, flat, and `source` and `title` (the document's name).

    Errors are those of `remote_chatbots.errors`.
    """

    fields_class: ClassVar[type[KnowledgeFields]]

    @concealing
    def __init__(self, *, callback_manager: CallbackManager | None = None, **given: Any) -> None:
        """Take the fields as keyword arguments; what is not given is read from the environment.

        `api_base` is another name of `base_url`, and `similarity_top_k` of `k`.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        if "api_base" in given:
            given.setdefault("base_url", given.pop("api_base"))
        environment = self.fields_class._environment
        self._fields = self.fields_class(**with_environment(given, environment, os.environ))
        self._given: dict[str, Any] = {}
        super().__init__(callback_manager=callback_manager)

    def __repr__(self) -> str:
        known = vars(self)  # not all of it, where the constructor refused
        return f"{type(self).__name__}({known.get('_fields')!r}, {known.get('_given')!r})"

    def with_options(self, **options: Any) -> Self:
        """Return a retriever that shares this one's connections, and searches otherwise: `with_options(k=2)`.

        Args:
            **options: What a search may be told (for Dify also `dataset_id`); laid over this one's.

        Raises:
            BotUsageError: If an option is unknown or wrong.
        """
        other = copy.copy(self)
        other._given = {**self._given, **self._fields._of_call(options)}
        self._fields._knowledge().check(**other._given)
        return other

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, without key and headers; `from_dict` makes a retriever of them."""
        clocks = Timeouts.of(self._fields.timeout)
        told = {**self._fields.model_dump(exclude={"api_key"}), **self._given}
        told["timeout"] = [clocks.connect_s, clocks.silence_s, clocks.total_s]
        return {"class_name": type(self).__name__, **told}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any], **given: Any) -> Self:
        """Return the retriever that `to_dict` told of; the key is in `given`, or read from the environment."""
        return cls(**{name: value for name, value in {**told, **given}.items() if name != "class_name"})

    def close(self) -> None:
        """Close this thread's connections. They are closed with the retriever or the thread as well."""
        self._fields.close()

    async def aclose(self) -> None:
        """Close this event loop's connections. They are closed with the retriever or the loop as well."""
        await self._fields.aclose()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(self._fields._sync_client().retrieve(query_bundle.query_str, **self._given))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(await self._fields._loop_client().retrieve(query_bundle.query_str, **self._given))


class DifyKnowledgeRetriever(RemoteKnowledgeRetriever):
    """Searches knowledge bases of a Dify workspace: see `RemoteKnowledgeRetriever`.

    Example:
        >>> retriever = DifyKnowledgeRetriever(api_key="dataset-…", base_url="https://dify.example.com", dataset_id="…")
        >>> nodes = retriever.with_options(k=3, score_threshold=0.3).retrieve("When does the ferry leave?")

    The key is read from DIFY_DATASET_API_KEY (an app's key does not open a knowledge base), the address from
    DIFY_BASE_URL, then DIFY_API_BASE.
    """

    fields_class = DifyKnowledgeFields

    @concealing
    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        filters: MetadataFilters | None = None,
        callback_manager: CallbackManager | None = None,
        **given: Unpack[DifyKnowledgeArguments],
    ) -> None:
        """Take the fields of `DifyKnowledgeFields` as keyword arguments.

        `filters` is LlamaIndex's way to say `metadata_filtering_conditions`.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        fields: dict[str, Any] = {"api_key": api_key, **with_conditions({**given, "filters": filters})}
        super().__init__(callback_manager=callback_manager, **fields)

    def with_options(self, **options: Any) -> Self:
        """Return as `RemoteKnowledgeRetriever.with_options`; `filters` may be given here as well."""
        return super().with_options(**with_conditions(options))


class GPTBotsKnowledgeRetriever(RemoteKnowledgeRetriever):
    """Searches the knowledge of a GPTBots agent: see `RemoteKnowledgeRetriever`.

    Example:
        >>> retriever = GPTBotsKnowledgeRetriever(api_key="app-…", base_url="sg", k=3)
        >>> nodes = retriever.retrieve("How many leave days are left?")

    The key is read from GPTBOTS_API_KEY, the address from GPTBOTS_BASE_URL.
    """

    fields_class = GPTBotsKnowledgeFields

    @concealing
    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        callback_manager: CallbackManager | None = None,
        **given: Unpack[GPTBotsKnowledgeArguments],
    ) -> None:
        """Take the fields of `GPTBotsKnowledgeFields` as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        fields: dict[str, Any] = {"api_key": api_key, **given}
        super().__init__(callback_manager=callback_manager, **fields)


def _nodes(sources: list[Source]) -> list[NodeWithScore]:
    return [node_of(passage) for passage in found_passages(sources)]
