"""Documents that are read when they are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

from llama_index.core.schema import Document


class LazyDocuments:
    """Documents that are read while `async for` asks for them; awaited, all of them."""

    def __init__(self, read: Callable[[], AsyncIterator[Document]]) -> None:
        self._read = read

    def __aiter__(self) -> AsyncIterator[Document]:
        return self._read()

    def __await__(self) -> Generator[Any, None, list[Document]]:
        return self._all().__await__()

    async def _all(self) -> list[Document]:
        return [document async for document in self]
