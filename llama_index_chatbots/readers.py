"""A reader of the conversations that a bot's server keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Unpack

from llama_index.core.readers.base import BasePydanticReader
from llama_index.core.schema import Document

from llama_index_chatbots._lazy import LazyDocuments
from llama_index_chatbots._of_bot import OfBot, OfBotArguments
from llama_index_chatbots.remote_llm import RemoteLLM
from remote_chatbots.remembered import Per, Record, named, records
from remote_chatbots.stored import StoredConversation, StoredMessage

_FOR_MODELS = ("name",)  # what a model may read of a document's metadata


class ReaderArguments(OfBotArguments, total=False):
    """What `RemoteConversationReader` takes beside the LLM."""

    per: Per
    is_remote: bool


class RemoteConversationReader(OfBot, BasePydanticReader):
    """Reads conversations from a bot's server as Documents, for export and evaluation.

    A Document's text says who said what, its id is the server's. Its metadata has the conversation (`conversation_id`,
    `name`, `user`, `created_at`, `updated_at`, `bot`, `model_provider`), `sources` (names of documents), `ratings`,
    `total_tokens`, and `messages`: each message in full, with its ids, files, rating, usage and sources as far as the
    server tells them. Models read the name alone.

    Example:
        >>> reader = RemoteConversationReader(Dify(api_key="app-…", base_url="https://dify.example.com", user="anna"))
        >>> for document in reader.lazy_load_data(limit=10):
        ...     print(document.metadata["name"], document.metadata["ratings"])

    Attributes:
        llm: The bot. Default: `Settings.llm`.
        user: Whose conversations. Default: the LLM's user.
        per: "conversation", or "turn": a Document for each question and its answer.
    """

    per: Per = "conversation"
    is_remote: bool = True

    def __init__(self, llm: RemoteLLM | None = None, **given: Unpack[ReaderArguments]) -> None:
        """Take the fields. `llm` may be what `to_dict` wrote of one.

        Raises:
            BotUsageError: If `llm` is no remote bot, or a field is wrong or unknown.
        """
        fields: dict[str, Any] = {"llm": llm, **given}
        super().__init__(**fields)

    @classmethod
    def class_name(cls) -> str:
        """Return the name that `to_dict` writes."""
        return "RemoteConversationReader"

    def lazy_load_data(
        self, conversation_ids: Sequence[str] | None = None, *, limit: int | None = None
    ) -> Iterator[Document]:
        """Return the Documents; a conversation is read when its first is asked for.

        Args:
            conversation_ids: Which, in this order. Default: all of the user, the newest first.
            limit: No more than so many conversations. Default: all.

        Raises:
            BotNotFoundError: If the server does not know a conversation, or it is another user's.
        """
        given = self._named(conversation_ids, limit)
        client, user = self.llm._sync_client(), self.llm._user(self.user)
        for conversation in client.each_conversation(user=user, limit=limit) if given is None else given:
            messages = client.history(conversation.conversation_id, **self._of_reading())
            yield from self._documents(conversation, messages)

    def alazy_load_data(  # type: ignore[override]
        self, conversation_ids: Sequence[str] | None = None, *, limit: int | None = None
    ) -> LazyDocuments:
        """Return the Documents, for `async for`; awaited, as LlamaIndex does, they are a list. Arguments as before."""
        return LazyDocuments(lambda: self._alazy(conversation_ids, limit))

    async def aload_data(
        self, conversation_ids: Sequence[str] | None = None, *, limit: int | None = None
    ) -> list[Document]:
        """Return all Documents. Arguments as of `lazy_load_data`."""
        return [document async for document in self._alazy(conversation_ids, limit)]

    async def _alazy(self, conversation_ids: Sequence[str] | None, limit: int | None) -> AsyncIterator[Document]:
        given = self._named(conversation_ids, limit)
        client, user = self.llm._loop_client(), self.llm._user(self.user)
        listed = client.each_conversation(user=user, limit=limit) if given is None else _each(given)
        async for conversation in listed:
            messages = await client.history(conversation.conversation_id, **self._of_reading())
            for document in self._documents(conversation, messages):
                yield document

    def _named(self, ids: Sequence[str] | None, limit: int | None) -> list[StoredConversation] | None:
        return named(ids, limit=limit, user=self.llm._user(self.user), platform=self.llm.platform)

    def _documents(self, conversation: StoredConversation, messages: Sequence[StoredMessage]) -> Iterator[Document]:
        told = {"bot": self.llm._own_bot_id(), "model_provider": self.llm.platform}
        return map(_document, records(conversation, messages, per=self.per, told=told))


async def _each(given: Sequence[StoredConversation]) -> AsyncIterator[StoredConversation]:
    for one in given:
        yield one


def _document(record: Record) -> Document:
    hidden = [name for name in record.metadata if name not in _FOR_MODELS]
    return Document(
        text=record.text,
        id_=record.id,
        metadata=record.metadata,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=hidden,
    )
