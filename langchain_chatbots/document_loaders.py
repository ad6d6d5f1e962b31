"""Conversations as LangChain's Documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from langchain_chatbots.errors import as_model_errors
from remote_chatbots import BotUsageError, StoredConversation, StoredMessage
from remote_chatbots.remembered import Per, named, records

if TYPE_CHECKING:
    from langchain_chatbots.remote_chat_model import RemoteChatModel


class RemoteConversationLoader(BaseLoader):
    """Loads conversations from a bot's server as Documents, for export and evaluation.

    A Document's text says who said what, its id is the server's. Its metadata has the conversation (`conversation_id`,
    `name`, `user`, `created_at`, `updated_at`, `bot`, `model_provider`), `sources` (names of documents), `ratings`,
    `total_tokens`, and `messages`: each message in full, with its ids, files, rating, usage and sources as far as the
    server tells them.

    Example:
        >>> model = ChatDify(api_key="app-…", base_url="https://dify.example.com", user="anna")
        >>> loader = RemoteConversationLoader(model)
        >>> for document in loader.lazy_load():
        ...     print(document.metadata["name"], document.metadata["ratings"])

    Args:
        bot: The chat model whose conversations they are.
        conversation_ids: Which, in this order. Default: all of the user, the newest first.
        user: Whose. Default: the model's.
        limit: No more than so many conversations. Default: all.
        per: "conversation", or "turn": a Document for each question and its answer.

    Raises:
        BotUsageError: If `per` is neither.
    """

    def __init__(
        self,
        bot: RemoteChatModel,
        conversation_ids: Sequence[str] | None = None,
        *,
        user: str | None = None,
        limit: int | None = None,
        per: Per = "conversation",
    ) -> None:
        if per not in ("conversation", "turn"):
            raise BotUsageError.of(bot.platform, 'per must be "conversation" or "turn". Give one of these.')
        self.bot = bot
        self._ids, self._user, self._limit, self._per = conversation_ids, user, limit, per

    def lazy_load(self) -> Iterator[Document]:
        """Yield the Documents; a conversation is read when its first is asked for.

        Raises:
            BotNotFoundError: If the server does not know a conversation, or it is another user's.
        """
        with as_model_errors():
            client, user = self.bot._sync_client(), self.bot._user(self._user)
            given, how = self._named(user), self._of_reading(user)
            for one in client.each_conversation(user=user, limit=self._limit) if given is None else given:
                yield from self._documents(one, client.history(one.conversation_id, **how))

    async def alazy_load(self) -> AsyncIterator[Document]:
        """Yield the Documents as `lazy_load` does, without a thread."""
        with as_model_errors():
            client, user = self.bot._loop_client(), self.bot._user(self._user)
            given, how = self._named(user), self._of_reading(user)
            listed = client.each_conversation(user=user, limit=self._limit) if given is None else _each(given)
            async for one in listed:
                messages = await client.history(one.conversation_id, **how)
                for document in self._documents(one, messages):
                    yield document

    def _of_reading(self, user: str) -> dict[str, Any]:
        return {"user": user, "reasoning": self.bot.reasoning, "steps": self.bot.steps}

    def _named(self, user: str) -> list[StoredConversation] | None:
        return named(self._ids, limit=self._limit, user=user, platform=self.bot.platform)

    def _documents(self, conversation: StoredConversation, messages: Sequence[StoredMessage]) -> Iterator[Document]:
        told = {"bot": self.bot._own_bot_id(), "model_provider": self.bot.platform}
        for record in records(conversation, messages, per=self._per, told=told):
            yield Document(id=record.id, page_content=record.text, metadata=record.metadata)


async def _each(given: Sequence[StoredConversation]) -> AsyncIterator[StoredConversation]:
    for one in given:
        yield one
