"""What a stream of 100 MB keeps in memory beside its answer, while its reader takes each piece and lets go of it."""

from __future__ import annotations

import asyncio
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from remote_chatbots import AsyncBotClient, BotClient, DifyApp
from tests.benchmarks import wire
from tests.benchmarks.apart import MEASURABLE, Growth, apart
from tests.benchmarks.contenders import KEY, QUESTION
from tests.benchmarks.faces import FACES, LANGCHAIN, LLAMA_INDEX, Face
from tests.benchmarks.figure import Figure
from tests.benchmarks.server import Server

MIB = 1024 * 1024
STREAMED_BYTES = 100_000_000
WAYS = ("sync", "async")
CORE = "core"


class Read(NamedTuple):
    """A stream that was read: its chunks and the characters of its text (all ASCII), and the memory above them."""

    chunks: int
    characters: int
    above_bytes: int


def measure(rounds: int) -> list[Figure]:
    """Measure P10, each stream in a process of its own, two beside each other: no time is taken.

    The answer itself is its text, once. 100 MB on the wire, a token in each event, are 1.4 MB of it. A framework keeps
    more: LangChain keeps each chunk of a stream and adds them up at its end, so what it takes for as many chunks from
    memory is taken off. 100 MB of text are measured without a framework, for both make copies of a whole answer, and by
    tracemalloc as well: between pieces of such a size the C library leaves some hundredths of them unused.
    """
    if not MEASURABLE:
        return []
    tokens = f"endless-{STREAMED_BYTES // len(wire.dify_text(wire.BLOCK))}"
    prose = f"prose-{STREAMED_BYTES // len(wire.text_of_prose(wire.BLOCK))}"
    figures = []
    with Server() as server, ThreadPoolExecutor(2) as pool:

        def above(name: str, way: str, reply: str) -> Read:
            return apart(_read, name, way, server.url(f"{reply.partition('-')[0]}-1"), server.url(reply))

        def above_framework(name: str, way: str, reply: str) -> Read:
            ours = above(name, way, reply)
            own = apart(_read_from_memory, name, way, ours.chunks, ours.characters)
            return ours._replace(above_bytes=ours.above_bytes - own.above_bytes)

        def above_traced(name: str, way: str, reply: str) -> Read:
            return apart(_read_traced, name, way, server.url(f"{reply.partition('-')[0]}-1"), server.url(reply))

        what, of_text = "100 MB streamed: memory above the answer itself", "100 MB of text: memory above it"
        for name, reply, measured, text, bar in (
            (CORE, tokens, above, what, 4.0),
            (LANGCHAIN.name, tokens, above_framework, what, 4.0),
            (LANGCHAIN.name, tokens, above, f"{what}, LangChain's own with it", None),
            (LLAMA_INDEX.name, tokens, above, what, 4.0),
            (CORE, prose, above_traced, f"{of_text}, as Python counts it", 4.0),
            (CORE, prose, above, f"{of_text}, as the system counts it", None),
        ):
            for way in WAYS:
                reads = [pool.submit(measured, name, way, reply) for _ in range(rounds)]
                figures.append((text, way, bar, name, reads))
        return [
            Figure("P10", text, way, bar, [read.result().above_bytes / MIB for read in reads], "MiB", name)
            for text, way, bar, name, reads in figures
        ]


def _read(name: str, way: str, url_of_little: str, url: str) -> Read:
    """Read a short stream, which brings whatever there is once, then a long one."""
    _texts_of(name, way, url_of_little)
    growth = Growth()
    chunks, characters = _texts_of(name, way, url)
    if characters < STREAMED_BYTES // 100:
        raise ValueError("not all of the text has arrived")
    return Read(chunks, characters, growth.bytes() - characters)


def _read_traced(name: str, way: str, url_of_little: str, url: str) -> Read:
    """Read as `_read` does; count what Python asks the C library for, not the holes that this leaves between."""
    _texts_of(name, way, url_of_little)
    tracemalloc.start()
    chunks, characters = _texts_of(name, way, url)
    return Read(chunks, characters, tracemalloc.get_traced_memory()[1] - characters)


def _read_from_memory(name: str, way: str, chunks: int, characters: int) -> Read:
    face = next(face for face in FACES if face.name == name)
    _of_face(face, face.memory(["x"]), way)
    growth = Growth()
    length = characters // chunks
    found = _of_face(face, face.memory([str(at).rjust(length) for at in range(chunks)]), way)
    return Read(*found, growth.bytes() - characters)


def _texts_of(name: str, way: str, url: str) -> tuple[int, int]:
    if name != CORE:
        face = next(face for face in FACES if face.name == name)
        return _of_face(face, face.ours(url), way)
    return _of_core(url) if way == "sync" else asyncio.run(_aof_core(url))


def _of_core(url: str) -> tuple[int, int]:
    chunks = characters = 0
    with BotClient(DifyApp(api_key=KEY, base_url=url), user="anna") as client, client.stream(QUESTION) as run:
        for event in run:
            chunks, characters = chunks + 1, characters + len(getattr(event, "text", ""))
    return chunks, characters


async def _aof_core(url: str) -> tuple[int, int]:
    chunks = characters = 0
    async with (
        AsyncBotClient(DifyApp(api_key=KEY, base_url=url), user="anna") as client,
        client.stream(QUESTION) as run,
    ):
        async for event in run:
            chunks, characters = chunks + 1, characters + len(getattr(event, "text", ""))
    return chunks, characters


def _of_face(face: Face, model: object, way: str) -> tuple[int, int]:
    async def read() -> tuple[int, int]:
        chunks = characters = 0
        async for chunk in face.astream(model):
            chunks, characters = chunks + 1, characters + len(face.text_of(chunk))
        return chunks, characters

    if way == "async":
        return asyncio.run(read())
    chunks = characters = 0
    for chunk in face.stream(model):
        chunks, characters = chunks + 1, characters + len(face.text_of(chunk))
    return chunks, characters
