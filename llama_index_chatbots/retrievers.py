"""Retrievers that ask a bot and return its sources, with the answer beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from llama_index_chatbots.llms import Dify, GPTBots
from llama_index_chatbots.remote_llm import RemoteLLM, checked_llm
from llama_index_chatbots.sources import source_nodes
from remote_chatbots.concealing import concealing
from remote_chatbots.passages import answer_metadata, checked_k


class RemoteRetriever(BaseRetriever):
    """Asks a remote bot, in a conversation of its own for each query, and returns its sources, in the server's order.

    The answer and its ids ride in each node's metadata: `answer_text`, `answer_conversation_id`, `answer_message_id`.
    A bot without sources gives [].

    Args:
        llm: The bot. Default: one made of `fields`.
        k: At most so many nodes. Default: all.
        callback_manager: Default: the LLM's.
        **fields: The bot's, as its LLM takes them: `api_key`, `base_url`, `user`, …

    Raises:
        BotUsageError: If a field is missing, wrong or unknown, or `llm` is no remote bot.
    """

    llm_class: ClassVar[type[RemoteLLM]]

    @concealing
    def __init__(
        self,
        llm: RemoteLLM | None = None,
        *,
        k: int | None = None,
        callback_manager: CallbackManager | None = None,
        **fields: Any,
    ) -> None:
        self._llm = checked_llm(llm) if llm is not None else self.llm_class(**fields)
        self._k = checked_k(k)
        super().__init__(callback_manager=callback_manager or self._llm.callback_manager)

    @classmethod
    def from_llm(cls, llm: RemoteLLM, **options: Any) -> Self:
        """Return a retriever that asks `llm`."""
        return cls(llm, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return what the retriever is made of, without key and headers; `from_dict` makes one of it."""
        return {"class_name": type(self).__name__, "llm": self._llm.to_dict(), "k": self._k}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any], **given: Any) -> Self:
        """Return the retriever that `to_dict` told of.

        Args:
            told: What it told.
            **given: Fields of the bot that are laid over those; the key, if it is not to be read from the environment.

        Raises:
            BotUsageError: If the key is nowhere, or a field is wrong.
        """
        return cls(cls.llm_class.from_dict(dict(told["llm"]), **given), k=told.get("k"))

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes(self._llm.chat(_asked(query_bundle), **self._llm._wanting_sources()))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes(await self._llm.achat(_asked(query_bundle), **self._llm._wanting_sources()))

    def _nodes(self, response: ChatResponse) -> list[NodeWithScore]:
        beside = answer_metadata(response.message.content or "", response.message.additional_kwargs)
        nodes = source_nodes(response)[: self._k]
        for found in nodes:
            found.node.metadata.update(beside)
            found.node.excluded_llm_metadata_keys.extend(beside)
            found.node.excluded_embed_metadata_keys.extend(beside)
        return nodes


class DifyRetriever(RemoteRetriever):
    """Asks a Dify app and returns its sources: see `RemoteRetriever`.

    Example:
        >>> retriever = DifyRetriever(api_key="app-…", base_url="https://dify.example.com", user="anna", k=3)
        >>> nodes = retriever.retrieve("When does the ferry leave?")
    """

    llm_class = Dify


class GPTBotsRetriever(RemoteRetriever):
    """Asks a GPTBots agent and returns its sources: see `RemoteRetriever`.

    An agent names its sources where `corner_citation` is on; where it names none they are asked for after the answer,
    by one or two requests of their own, unless `fetch_sources` is False.

    Example:
        >>> retriever = GPTBotsRetriever(api_key="app-…", base_url="sg", user="anna")
        >>> nodes = retriever.retrieve("How many leave days are left?")
    """

    llm_class = GPTBots


def _asked(query: QueryBundle) -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.USER, content=query.query_str)]
