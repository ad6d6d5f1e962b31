"""Whether a token costs more, the longer the answer is already: LlamaIndex's responses hold the answer so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from llama_index_chatbots import RemoteChatEngine
from tests.benchmarks.contenders import QUESTION, adrain, drain
from tests.benchmarks.faces import LLAMA_INDEX, dify
from tests.benchmarks.figure import Figure, alternating, ratios
from tests.benchmarks.server import Server

SHORT, LONG = 1_000, 20_000  # tokens


def measure(rounds: int) -> list[Figure]:
    """Measure P9: one chunk a token, read by its `delta`."""
    with Server() as server, asyncio.Runner() as runner:
        short, long = (server.url(f"burst-{tokens}") for tokens in (SHORT, LONG))
        measured = [
            ("LlamaIndex", "sync", _chat),
            ("LlamaIndex", "async", lambda url: _achat(url, runner)),
            ("LlamaIndex engine", "sync", _engine),
            ("LlamaIndex engine", "async", lambda url: _aengine(url, runner)),
        ]
        return [_figure(face, way, action(short), action(long), rounds) for face, way, action in measured]


def _figure(face: str, way: str, short: Callable[[], None], long: Callable[[], None], rounds: int) -> Figure:
    costs = alternating({"short": short, "long": long}, rounds)
    by_turn = ratios(costs["long"], [costs["short"]])
    by_cpu, by_wall = ([ratio * SHORT / LONG for ratio in found] for found in by_turn)
    what = f"`stream_chat`: cost of a token of {LONG:,} against one of {SHORT:,}"
    return Figure("P9", what, way, 2.0, by_cpu, face=face, by_wall=by_wall)


def _chat(url: str) -> Callable[[], None]:
    llm = dify(url, coalesce=False)
    return lambda: drain(LLAMA_INDEX.stream(llm))


def _achat(url: str, runner: asyncio.Runner) -> Callable[[], None]:
    llm = dify(url, coalesce=False)
    return lambda: runner.run(adrain(LLAMA_INDEX.astream(llm)))


def _engine(url: str) -> Callable[[], None]:
    engine = RemoteChatEngine.from_llm(dify(url, coalesce=False))
    return lambda: drain(engine.stream_chat(QUESTION, chat_history=[]).response_gen)


def _aengine(url: str, runner: asyncio.Runner) -> Callable[[], None]:
    engine = RemoteChatEngine.from_llm(dify(url, coalesce=False))

    async def turn() -> None:
        await adrain((await engine.astream_chat(QUESTION, chat_history=[])).async_response_gen())

    return lambda: runner.run(turn())
