"""Recordings as LangChain's Documents, written down by a bot's own speech-to-text model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from langchain_chatbots.errors import as_model_errors
from remote_chatbots import Attachment
from remote_chatbots.arguments import refusals_of

if TYPE_CHECKING:
    from langchain_chatbots.remote_chat_model import RemoteChatModel


class RemoteSpeechParser(BaseBlobParser):
    """Writes down what is said in recordings. Each is one Document.

    Its metadata is the blob's, with `source`, `mime_type`, `model_provider` and `bot`.

    Example:
        >>> parser = RemoteSpeechParser(ChatDify(api_key="app-…", base_url="https://dify.example.com", user="anna"))
        >>> parser.parse(Blob.from_path("voice.m4a"))[0].page_content

    Args:
        bot: The chat model whose app hears.
        user: Who speaks. Default: the model's.
    """

    def __init__(self, bot: RemoteChatModel, *, user: str | None = None) -> None:
        self.bot = bot
        self._user = user

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        """Yield the one Document of a recording.

        Raises:
            BotUsageError: If no server takes such a recording; nothing was sent.
            BotRejectedError: If the app's speech to text is switched off, or this server does not take the type.
        """
        with as_model_errors():
            recording = _recording(blob, self.bot.platform)
            text = self.bot._sync_client().transcribe(recording, user=self.bot._user(self._user))
            yield self._document(blob, text)

    async def alazy_parse(self, blob: Blob) -> AsyncIterator[Document]:
        """Yield as `lazy_parse` does, without a thread; LangChain's own parsers have no async calls."""
        with as_model_errors():
            recording = _recording(blob, self.bot.platform)
            text = await self.bot._loop_client().transcribe(recording, user=self.bot._user(self._user))
            yield self._document(blob, text)

    async def aparse(self, blob: Blob) -> list[Document]:
        """Return all Documents of a recording: as `parse`."""
        return [document async for document in self.alazy_parse(blob)]

    def _document(self, blob: Blob, text: str) -> Document:
        told: dict[str, Any] = {"source": blob.source, "mime_type": blob.mimetype}
        of_bot = {"model_provider": self.bot.platform, "bot": self.bot._own_bot_id()}
        known = {name: value for name, value in told.items() if value is not None}
        return Document(page_content=text, metadata={**blob.metadata, **known, **of_bot})


def _recording(blob: Blob, platform: str) -> Attachment | bytes:
    if blob.data is None and blob.path is not None:
        with refusals_of(platform):  # read while it is sent
            return Attachment.from_path(blob.path, mime_type=blob.mimetype or "", kind="audio")
    data = blob.as_bytes()
    if not data:
        return data  # refused as empty, in the words of the platform
    return Attachment("audio", data=data, name=str(blob.path or ""), mime_type=blob.mimetype or "")
