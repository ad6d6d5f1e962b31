"""A reader of recordings, written down by a bot's own speech-to-text model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

from llama_index.core.readers.base import BasePydanticReader
from llama_index.core.schema import Document

from llama_index_chatbots._lazy import LazyDocuments
from llama_index_chatbots._of_bot import OfBot, OfBotArguments
from llama_index_chatbots.remote_llm import RemoteLLM
from remote_chatbots import Attachment


class SpeechReaderArguments(OfBotArguments, total=False):
    """What `RemoteSpeechReader` takes beside the LLM."""

    is_remote: bool


class RemoteSpeechReader(OfBot, BasePydanticReader):
    """Writes down what is said in recordings. Each is one Document.

    Its metadata: `file_name` and `file_path` where the recording is a file, `model_provider`, `bot`, and `extra_info`.
    It serves `SimpleDirectoryReader(file_extractor={".mp3": reader})` as well.

    Example:
        >>> reader = RemoteSpeechReader(Dify(api_key="app-…", base_url="https://dify.example.com", user="anna"))
        >>> reader.load_data("voice.m4a")[0].text

    Attributes:
        llm: The bot that hears. Default: `Settings.llm`.
        user: Who speaks. Default: the LLM's user.
    """

    is_remote: bool = True

    def __init__(self, llm: RemoteLLM | None = None, **given: Unpack[SpeechReaderArguments]) -> None:
        """Take the fields. `llm` may be what `to_dict` wrote of one.

        Raises:
            BotUsageError: If `llm` is no remote bot, or a field is wrong or unknown.
        """
        fields: dict[str, Any] = {"llm": llm, **given}
        super().__init__(**fields)

    @classmethod
    def class_name(cls) -> str:
        """Return the name that `to_dict` writes."""
        return "RemoteSpeechReader"

    def lazy_load_data(
        self,
        file: str | PathLike[str] | bytes | Attachment,
        extra_info: Mapping[str, Any] | None = None,
        *,
        fs: Any = None,
    ) -> Iterator[Document]:
        """Yield the one Document of a recording.

        Args:
            file: Its path, its bytes, or an `Attachment` with bytes.
            extra_info: More metadata.
            fs: The file system in which the path is (fsspec). Default: this machine's.

        Raises:
            BotUsageError: If no server takes such a recording; nothing was sent.
            BotRejectedError: If the app's speech to text is switched off, or this server does not take the type.
        """
        client, user = self.llm._sync_client(), self.llm._user(self.user)
        yield self._document(client.transcribe(_recording(file, fs), user=user), file, extra_info)

    def alazy_load_data(  # type: ignore[override]
        self,
        file: str | PathLike[str] | bytes | Attachment,
        extra_info: Mapping[str, Any] | None = None,
        *,
        fs: Any = None,
    ) -> LazyDocuments:
        """Return the Document, for `async for`; awaited, as LlamaIndex does, a list. Arguments as before."""
        return LazyDocuments(lambda: self._alazy(file, extra_info, fs))

    async def aload_data(
        self,
        file: str | PathLike[str] | bytes | Attachment,
        extra_info: Mapping[str, Any] | None = None,
        *,
        fs: Any = None,
    ) -> list[Document]:
        """Return the Document in a list. Arguments as of `lazy_load_data`."""
        return [document async for document in self._alazy(file, extra_info, fs)]

    async def _alazy(self, file: Any, extra_info: Mapping[str, Any] | None, fs: Any) -> AsyncIterator[Document]:
        client, user = self.llm._loop_client(), self.llm._user(self.user)
        yield self._document(await client.transcribe(_recording(file, fs), user=user), file, extra_info)

    def _document(self, text: str, file: Any, extra_info: Mapping[str, Any] | None) -> Document:
        told: dict[str, Any] = {"model_provider": self.llm.platform, "bot": self.llm._own_bot_id()}
        if isinstance(file, (str, PathLike)):
            told |= {"file_path": str(file), "file_name": Path(file).name}
        hidden = list(told)
        return Document(
            text=text,
            metadata={**told, **(extra_info or {})},
            excluded_llm_metadata_keys=hidden,
            excluded_embed_metadata_keys=hidden,
        )


def _recording(file: str | PathLike[str] | bytes | Attachment, fs: Any) -> str | PathLike[str] | bytes | Attachment:
    if fs is None or not isinstance(file, (str, PathLike)):
        return file
    with fs.open(str(file), "rb") as opened:
        data: bytes = opened.read()
    return Attachment("audio", data=data, name=Path(file).name) if data else data
