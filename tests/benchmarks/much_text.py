"""What a stream of 100 MB keeps in memory beside its answer, while its reader takes each piece and lets go of it."""

from __future__ import annotations

import asyncio
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

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


def measure(rounds: int) -> list[Figure]:
    """Measure P10, each stream in a process of its own, two beside each other: no time is taken.

    The answer itself is its text, once. 100 MB on the wire, a token in each event, are 1.4 MB of it. 100 MB of text are
    measured without a framework, for both make copies of a whole answer, and by tracemalloc as well: between pieces of
    such a size the C library leaves some hundredths of them unused.
    """
    if not MEASURABLE:
        return []
    tokens = f"endless-{STREAMED_BYTES // len(wire.dify_text(wire.BLOCK))}"
    prose = f"prose-{STREAMED_BYTES // len(wire.text_of_prose(wire.BLOCK))}"
    figures = []
    with Server() as server, ThreadPoolExecutor(2) as pool:
        what, of_text = "100 MB streamed: memory above the answer itself", "100 MB of text: memory above it"
        for name, reply, count, text, bar in (
            (CORE, tokens, _as_the_system_counts, what, 4.0),
            (LANGCHAIN.name, tokens, _as_the_system_counts, what, 4.0),
            (LLAMA_INDEX.name, tokens, _as_the_system_counts, what, 4.0),
            (CORE, prose, _as_python_counts, f"{of_text}, as Python counts it", 4.0),
            (CORE, prose, _as_the_system_counts, f"{of_text}, as the system counts it", None),
        ):
            urls = server.url(f"{reply.partition('-')[0]}-1"), server.url(reply)
            for way in WAYS:
                reads = [pool.submit(apart, count, name, way, *urls) for _ in range(rounds)]
                figures.append((text, way, bar, name, reads))
        return [
            Figure("P10", text, way, bar, [read.result() / MIB for read in reads], "MiB", name)
            for text, way, bar, name, reads in figures
        ]


def _as_the_system_counts(name: str, way: str, url_of_little: str, url: str) -> int:
    """Read a short stream, which brings whatever there is once, then a long one; return the memory above its text."""
    _read(name, way, url_of_little)
    growth = Growth()
    characters = _read(name, way, url)
    if characters < STREAMED_BYTES // 100:
        raise ValueError("not all of the text has arrived")
    return growth.bytes() - characters


def _as_python_counts(name: str, way: str, url_of_little: str, url: str) -> int:
    """Do the same; count what Python asks the C library for, not the holes that this leaves between."""
    _read(name, way, url_of_little)
    tracemalloc.start()
    characters = _read(name, way, url)
    return tracemalloc.get_traced_memory()[1] - characters


def _read(name: str, way: str, url: str) -> int:
    """Read a stream; return the characters of its text, all ASCII."""
    if name != CORE:
        face = next(face for face in FACES if face.name == name)
        return _of_face(face, face.ours(url), way)
    return _of_core(url) if way == "sync" else asyncio.run(_aof_core(url))


def _of_core(url: str) -> int:
    with BotClient(DifyApp(api_key=KEY, base_url=url), user="anna") as client, client.stream(QUESTION) as run:
        return sum(len(getattr(event, "text", "")) for event in run)


async def _aof_core(url: str) -> int:
    characters = 0
    async with (
        AsyncBotClient(DifyApp(api_key=KEY, base_url=url), user="anna") as client,
        client.stream(QUESTION) as run,
    ):
        async for event in run:
            characters += len(getattr(event, "text", ""))
    return characters


def _of_face(face: Face, model: object, way: str) -> int:
    async def read() -> int:
        characters = 0
        async for chunk in face.astream(model):
            characters += len(face.text_of(chunk))
        return characters

    if way == "async":
        return asyncio.run(read())
    return sum(len(face.text_of(chunk)) for chunk in face.stream(model))
