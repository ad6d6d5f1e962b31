"""Many answers at once in one loop, and long ones, against servers that send what was made beforehand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llama_index_chatbots import Dify, RemoteChatEngine
from tests.contract.scripted import CHUNKED, END, LAST_CHUNK, Scripted, chunk, text
from tests.llama_index_adapter.asking import user

TURN_S = 1.0
PIECES = 4


@asynccontextmanager
async def paced() -> Any:
    """Serve answers of one second, in a few pieces, from the loop that asks for them."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED)
        for n in range(PIECES):
            writer.write(chunk(text(f"{n} ")))
            await asyncio.sleep(TURN_S / PIECES)
        writer.write(chunk(END) + LAST_CHUNK)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_hundred_answers_of_one_second_take_less_than_two_and_the_loop_is_free() -> None:
    asyncio.get_running_loop().set_debug(False)  # it would be most of the work
    late_s = 0.0

    async def beat() -> None:
        nonlocal late_s
        while True:
            due = time.perf_counter() + 0.01
            await asyncio.sleep(0.01)
            late_s = max(late_s, time.perf_counter() - due)

    async with paced() as url:
        llm = Dify(api_key="app-x", base_url=url, user="anna")

        async def ask() -> str:
            answer = await RemoteChatEngine.from_llm(llm).astream_chat("Hello?")
            return "".join([piece async for piece in answer.async_response_gen()])

        await ask()  # imports the HTTP library
        threads = threading.active_count()
        beating = asyncio.create_task(beat())
        began, began_cpu = time.perf_counter(), time.process_time()
        answers = await asyncio.gather(*(ask() for _ in range(100)))
        took_s, worked_s = time.perf_counter() - began, time.process_time() - began_cpu
        beating.cancel()
        await llm.aclose()
    assert set(answers) == {"".join(f"{n} " for n in range(PIECES))}
    # A machine that others keep busy takes longer than its work; one after the other would take a hundred seconds.
    assert took_s < 2 * TURN_S or (TURN_S + worked_s < 2 * TURN_S and took_s < 10 * TURN_S), (took_s, worked_s)
    assert late_s < TURN_S
    assert threading.active_count() == threads


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
def test_a_piece_of_a_long_answer_costs_no_more_than_twice_that_of_a_short_one(
    burst: Callable[[int], str], way: str
) -> None:
    def cost_of_a_piece(pieces: int, times: int) -> float:
        llm = Dify(api_key="app-x", base_url=burst(pieces), user="anna", coalesce=False)
        costs = []
        for _ in range(times):
            began, count = time.thread_time(), 0
            if way == "chat engine":
                count = sum(1 for _ in RemoteChatEngine.from_llm(llm).stream_chat("Hello?").response_gen)
            elif way == "stream_chat":
                count = sum(bool(response.delta) for response in llm.stream_chat([user("Hello?")]))
            else:
                count = sum(bool(response.delta) for response in llm.stream_complete("Hello?"))
            costs.append((time.thread_time() - began) / count)
            assert count == pieces
        llm.close()
        return min(costs)

    assert cost_of_a_piece(20_000, times=2) <= 2 * cost_of_a_piece(1_000, times=5)
