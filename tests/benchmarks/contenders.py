"""The bare HTTP libraries, and what all contenders are asked. Those of the frameworks stand in `faces.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import orjson
import requests

QUESTION = "What does the White Rabbit take out of its pocket?"
KEY = "app-benchmark"
READ_BYTES = 64 * 1024
REQUEST = orjson.dumps(
    {"inputs": {}, "query": QUESTION, "response_mode": "streaming", "conversation_id": "", "user": "anna"}
)
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "Accept-Encoding": "identity"}


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
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

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
