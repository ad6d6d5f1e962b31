"""What a turn costs when much was said before: bytes on the wire, and the processor's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, HumanMessage
from llama_index.core.base.llms.types import ChatMessage

from llama_index_chatbots import RemoteChatEngine
from tests.benchmarks import wire
from tests.benchmarks.contenders import QUESTION, adrain, drain
from tests.benchmarks.faces import LANGCHAIN, chat_dify, dify
from tests.benchmarks.figure import Cost, Figure, alternating, ratios
from tests.benchmarks.server import FEW, Server

SHORT, LONG = 10, 10_000  # messages
TURNS = 4  # in one run, for a turn takes some milliseconds


class Asked(NamedTuple):
    """One turn behind a history of so many messages, by its face and way.

    Attributes:
        face: The face.
        way: "sync" or "async".
        turn: Asks our model.
        framework: Asks the framework alone, where it is a good part of the turn.
    """

    face: str
    way: str
    turn: Callable[[int], None]
    framework: Callable[[int], None] | None = None


def measure(rounds: int) -> list[Figure]:
    """Measure P6.

    LangChain looks at each message some four times before a model is asked at all: the cost is what lies above that,
    and the whole is told beside it.
    """
    with Server() as server, asyncio.Runner() as runner:
        url = server.url("short")
        bytes_: list[Figure] = []
        cpu: list[Figure] = []
        for asked in [*_in_langchain(url, runner), *_in_llama_index(url, runner)]:
            what = f"a turn behind {LONG:,} messages against one behind {SHORT}"
            sent = _sent_bytes(server, asked, LONG) / _sent_bytes(server, asked, SHORT)
            bytes_.append(Figure("P6", f"{what}: bytes sent", asked.way, 1.1, [sent], face=asked.face))
            cpu += _costs(asked, f"{what}: cost", rounds)
    return [*bytes_, *cpu]


def _costs(asked: Asked, what: str, rounds: int) -> list[Figure]:
    lengths = {"short": SHORT, "long": LONG}
    actions = {name: _turns(asked.turn, length) for name, length in lengths.items()}
    if asked.framework is not None:
        actions |= {f"{name}, framework": _turns(asked.framework, length) for name, length in lengths.items()}
    costs = alternating(actions, rounds)
    by_cpu, by_wall = ratios(costs["long"], [costs["short"]])
    if asked.framework is None:
        return [Figure("P6", what, asked.way, 2.0, by_cpu, face=asked.face, by_wall=by_wall)]
    whole = Figure(
        "P6", f"{what}, {asked.face}'s own with it", asked.way, None, by_cpu, face=asked.face, by_wall=by_wall
    )
    ours = {name: _less(costs[name], costs[f"{name}, framework"]) for name in lengths}
    by_cpu, by_wall = ratios(ours["long"], [ours["short"]])
    return [Figure("P6", what, asked.way, 2.0, by_cpu, face=asked.face, by_wall=by_wall), whole]


def _less(costs: Sequence[Cost], own: Sequence[Cost]) -> list[Cost]:
    return [Cost(a.cpu_s - b.cpu_s, a.wall_s - b.wall_s) for a, b in zip(costs, own, strict=True)]


def _sent_bytes(server: Server, asked: Asked, messages: int) -> int:
    asked.turn(messages)  # opens the connection
    before = server.counts().received_bytes
    asked.turn(messages)
    return server.counts().received_bytes - before


def _turns(turn: Callable[[int], None], messages: int) -> Callable[[], None]:
    def turns() -> None:
        for _ in range(TURNS):
            turn(messages)

    return turns


def _in_langchain(url: str, runner: asyncio.Runner) -> list[Asked]:
    model, amodel, memory = chat_dify(url), chat_dify(url), LANGCHAIN.memory(wire.pieces(FEW))
    answer = model.invoke(QUESTION)
    before = {n: _talk(n, lambda: HumanMessage(QUESTION), lambda: answer.model_copy()) for n in (SHORT, LONG)}
    return [
        Asked("LangChain", "sync", lambda n: drain(model.stream(before[n])), lambda n: drain(memory.stream(before[n]))),
        Asked(
            "LangChain",
            "async",
            lambda n: runner.run(adrain(amodel.astream(before[n]))),
            lambda n: runner.run(adrain(memory.astream(before[n]))),
        ),
    ]


def _in_llama_index(url: str, runner: asyncio.Runner) -> list[Asked]:
    llm, allm = dify(url), dify(url)
    answer = llm.chat([ChatMessage(QUESTION)]).message
    before = {n: _talk(n, lambda: ChatMessage(QUESTION), lambda: answer.model_copy()) for n in (SHORT, LONG)}
    engine, aengine = RemoteChatEngine.from_llm(llm), RemoteChatEngine.from_llm(allm)

    async def aturn(n: int) -> None:
        await adrain(await allm.astream_chat(before[n]))

    async def aturn_of_engine(n: int) -> None:
        await adrain((await aengine.astream_chat(QUESTION, chat_history=before[n][:-1])).async_response_gen())

    return [
        Asked("LlamaIndex", "sync", lambda n: drain(llm.stream_chat(before[n]))),
        Asked("LlamaIndex", "async", lambda n: runner.run(aturn(n))),
        Asked(
            "LlamaIndex engine",
            "sync",
            lambda n: drain(engine.stream_chat(QUESTION, chat_history=before[n][:-1]).response_gen),
        ),
        Asked("LlamaIndex engine", "async", lambda n: runner.run(aturn_of_engine(n))),
    ]


def _talk(messages: int, question: Callable[[], Any], answer: Callable[[], AIMessage | ChatMessage]) -> list[Any]:
    """Return so many messages, and a question behind them."""
    return [made() for _ in range(messages // 2) for made in (question, answer)] + [question()]
