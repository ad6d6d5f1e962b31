"""Many answers at once in one loop, and long ones, against servers that send what was made beforehand."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llama_index_chatbots import Dify, RemoteChatEngine
from tests.calls import counted
from tests.contract.scripted import CHUNKED, END, LAST_CHUNK, Scripted, chunk, text
from tests.llama_index_adapter.asking import user

AT_ONCE = 100


@asynccontextmanager
async def held(until: asyncio.Event) -> Any:
    """Serve answers whose second word waits for an event, from the loop that asks for them."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + chunk(text("one ")))
        await until.wait()
        writer.write(chunk(text("two")) + chunk(END) + LAST_CHUNK)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_hundred_answers_are_read_at_once_in_one_loop_without_a_thread() -> None:
    asyncio.get_running_loop().set_debug(False)  # it would be most of the work
    begun, go_on = 0, asyncio.Event()
    go_on.set()
    async with held(go_on) as url:
        llm = Dify(api_key="app-x", base_url=url, user="anna")

        async def ask() -> str:
            nonlocal begun
            said = []
            async for piece in (await RemoteChatEngine.from_llm(llm).astream_chat("Hello?")).async_response_gen():
                said.append(piece)
                begun += len(said) == 1
                if begun == AT_ONCE:  # everybody has the first word: none waited for another's last
                    go_on.set()
            return "".join(said)

        await ask()  # imports the HTTP library
        threads, begun = threading.active_count(), 0
        go_on.clear()
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
        assert threading.active_count() == threads
        await llm.aclose()
    assert set(answers) == {"one two"}


@pytest.fixture
def burst() -> Iterator[Callable[[int], str]]:
    """Start a server that sends so many pieces of text as fast as they are read; return its address."""
    servers: list[Scripted] = []

    def start(pieces: int) -> str:
        block = chunk(text(*["слово "] * 100))
        servers.append(Scripted([[CHUNKED, *[block] * (pieces // 100), chunk(END) + LAST_CHUNK]]))
        return servers[-1].url

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("way", ["chat engine", "stream_chat", "stream_complete"])
def test_a_piece_of_a_long_answer_costs_what_one_of_a_short_answer_costs(burst: Callable[[int], str], way: str) -> None:
    def calls_of(pieces: int) -> Counter[str]:
        llm = Dify(api_key="app-x", base_url=burst(pieces), user="anna", coalesce=False)
        read: Callable[[], int] = {
            "chat engine": lambda: sum(1 for _ in RemoteChatEngine.from_llm(llm).stream_chat("Hello?").response_gen),
            "stream_chat": lambda: sum(bool(response.delta) for response in llm.stream_chat([user("Hello?")])),
            "stream_complete": lambda: sum(bool(response.delta) for response in llm.stream_complete("Hello?")),
        }[way]
        with counted() as calls:
            assert read() == pieces
        llm.close()
        return calls

    calls_of(100)  # imports the HTTP library
    short, long = calls_of(100), calls_of(2_000)
    assert long.total() <= 20 * short.total()
    whole = "ChatMessage.__init__", "_message"  # each would be a copy of all the text so far
    assert [long[name] for name in whole] == [short[name] for name in whole]
