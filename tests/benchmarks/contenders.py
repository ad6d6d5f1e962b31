"""Who streams: the bare HTTP libraries, LangChain from memory, our model and its peer. Sync and async alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import orjson
import requests
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from langchain_chatbots import ChatDify

QUESTION = "What does the White Rabbit take out of its pocket?"
KEY = "app-benchmark"
READ_BYTES = 64 * 1024
REQUEST = orjson.dumps(
    {"inputs": {}, "query": QUESTION, "response_mode": "streaming", "conversation_id": "", "user": "anna"}
)
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "Accept-Encoding": "identity"}


def dify(url: str, *, coalesce: bool = True) -> ChatDify:
    """Return our model."""
    return ChatDify(api_key=KEY, base_url=url, user="anna", coalesce=coalesce)


def openai(url: str) -> BaseChatModel:
    """Return the peer: LangChain's own partner package for a chat API with server-sent events."""
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(api_key=KEY, base_url=url, model="gpt-4o-mini", max_retries=0)  # type: ignore[arg-type]


class FromMemory(BaseChatModel):
    """LangChain alone: the pieces are there already, and each becomes a chunk as any model must make one."""

    pieces: list[str]

    @property
    def _llm_type(self) -> str:
        return "from-memory"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    def _stream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        for piece in self.pieces:
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))

    async def _astream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for piece in self.pieces:
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))


class BareRequests:
    """The HTTP library alone, sync: reads, splits and parses, and does nothing with it."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/chat-messages"
        self._session = requests.Session()

    def batches(self) -> Iterator[list[Any]]:
        """Yield the events of one turn, parsed, as many at a time as one read brings."""
        rest = b""
        with self._session.post(self._url, data=REQUEST, headers=HEADERS, stream=True) as response:
            read = response.raw.read1
            while data := read(READ_BYTES):
                *events, rest = (rest + data).split(b"\n\n")
                yield [orjson.loads(event[6:]) for event in events]

    def close(self) -> None:
        self._session.close()


class BareAiohttp:
    """The HTTP library alone, async."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/chat-messages"
        self._session = aiohttp.ClientSession()

    async def batches(self) -> AsyncIterator[list[Any]]:
        """Yield the events of one turn, parsed, as many at a time as one read brings."""
        rest = b""
        async with self._session.post(self._url, data=REQUEST, headers=HEADERS) as response:
            async for data in response.content.iter_any():
                *events, rest = (rest + data).split(b"\n\n")
                yield [orjson.loads(event[6:]) for event in events]

    async def close(self) -> None:
        await self._session.close()


def drain(stream: Iterator[Any]) -> None:
    """Take all of `stream`, and do nothing with it."""
    for _ in stream:
        pass


async def adrain(stream: AsyncIterator[Any]) -> None:
    """Take all of `stream`, and do nothing with it."""
    async for _ in stream:
        pass


def texts(stream: Iterator[Any]) -> list[str]:
    """Return the text of each chunk that has any."""
    return [chunk.text for chunk in stream if chunk.text]


async def atexts(stream: AsyncIterator[Any]) -> list[str]:
    """Return the text of each chunk that has any."""
    return [chunk.text async for chunk in stream if chunk.text]
