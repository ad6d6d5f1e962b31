"""Retrievers that search a platform's knowledge bases themselves: no bot answers, no language model runs."""

from __future__ import annotations

import os
from typing import Any, Unpack

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from pydantic import SecretStr

from langchain_chatbots._serialised import Serialised
from langchain_chatbots.errors import as_model_errors
from langchain_chatbots.sources import documents_of
from remote_chatbots.arguments import with_environment
from remote_chatbots.concealing import concealing
from remote_chatbots.constructors import DifyKnowledgeArguments, GPTBotsKnowledgeArguments
from remote_chatbots.knowledge_fields import DifyKnowledgeFields, GPTBotsKnowledgeFields, KnowledgeFields
from remote_chatbots.passages import found_passages


class RemoteKnowledgeRetriever(Serialised, KnowledgeFields, BaseRetriever):
    """Searches knowledge bases and returns what fits as Documents, in the server's order.

    `page_content` is the passage's text, `id` the segment's id (of ours where the server has none, and equal for equal
    passages); the metadata has all the server's keys, flat, and `source` and `title` (the document's name) and
    `score`, None if the server gave none. Every option may be given per call as well: `invoke(query, k=2)`.

    Raises:
        BotError: Of `remote_chatbots.errors`, and LangChain's `ModelError` at the same time, if the search fails.
    """

    model_config = KnowledgeFields.model_config

    @concealing
    def __init__(self, **given: Any) -> None:
        """Take the fields as keyword arguments; what is not given is read from the environment.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        with as_model_errors():
            super().__init__(**with_environment(given, self._environment, os.environ))

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any  # noqa: ARG002
    ) -> list[Document]:  # fmt: skip
        with as_model_errors():
            return documents_of(found_passages(self._sync_client().retrieve(query, **self._of_call(kwargs))))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any  # noqa: ARG002
    ) -> list[Document]:  # fmt: skip
        with as_model_errors():
            return documents_of(found_passages(await self._loop_client().retrieve(query, **self._of_call(kwargs))))

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        return {**super()._get_ls_params(**kwargs), "ls_vector_store_provider": self.platform}


class DifyKnowledgeRetriever(DifyKnowledgeFields, RemoteKnowledgeRetriever):
    """Searches knowledge bases of a Dify workspace: see `RemoteKnowledgeRetriever`.

    Example:
        >>> retriever = DifyKnowledgeRetriever(api_key="dataset-…", base_url="https://dify.example.com", dataset_id="…")
        >>> documents = retriever.invoke("When does the ferry leave?", k=3, score_threshold=0.3)

    The key is read from DIFY_DATASET_API_KEY (an app's key does not open a knowledge base), the address from
    DIFY_BASE_URL, then DIFY_API_BASE.
    """

    # Without it, type checkers would build a constructor from the fields, and refuse a key that is a plain string.
    @concealing
    def __init__(self, *, api_key: SecretStr | str | None = None, **given: Unpack[DifyKnowledgeArguments]) -> None:
        """Take the fields of `DifyKnowledgeFields` as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        fields: dict[str, Any] = {"api_key": api_key, **given}
        super().__init__(**fields)


class GPTBotsKnowledgeRetriever(GPTBotsKnowledgeFields, RemoteKnowledgeRetriever):
    """Searches the knowledge of a GPTBots agent: see `RemoteKnowledgeRetriever`.

    Example:
        >>> retriever = GPTBotsKnowledgeRetriever(api_key="app-…", base_url="sg", k=3)
        >>> documents = retriever.invoke("How many leave days are left?", embedding_rate=0.7)

    The key is read from GPTBOTS_API_KEY, the address from GPTBOTS_BASE_URL.
    """

    # Without it, type checkers would build a constructor from the fields, and refuse a key that is a plain string.
    @concealing
    def __init__(self, *, api_key: SecretStr | str | None = None, **given: Unpack[GPTBotsKnowledgeArguments]) -> None:
        """Take the fields of `GPTBotsKnowledgeFields` as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        fields: dict[str, Any] = {"api_key": api_key, **given}
        super().__init__(**fields)
