"""Every way to ask one question through both frameworks: whole or streamed, sync or async."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

from llama_index.core.base.llms.types import ChatMessage

from langchain_chatbots import ChatDify, ChatGPTBots
from llama_index_chatbots import Dify, GPTBots
from remote_chatbots import BotError, BotReplyError, TextDelta
from remote_chatbots.emulator import Emulator


@dataclass
class Came:
    """What came of a question.

    Attributes:
        pieces: The text as it came; one piece where it came whole.
        text: The answer's text, as the framework has it in the end, or as far as it came.
        told: The metadata of the answer, as far as it came.
        error: How the turn failed; None if it did not.
    """

    pieces: list[str] = field(default_factory=list)
    text: str = ""
    told: dict[str, Any] = field(default_factory=dict)
    error: BotError | None = None

    def known(self) -> dict[str, Any]:
        """Return the error's class and all it knows, alike for equal faults: of ids only whether they are there."""
        assert self.error is not None
        kinds = (kind for kind in type(self.error).__mro__ if kind.__module__ == "remote_chatbots.errors")
        ids = ("conversation_id", "message_id", "task_id", "workflow_run_id")
        told = {name: value for name, value in self.error.details().items() if name in _KNOWN}
        return {"kind": next(kinds), **told, **{name: bool(getattr(self.error, name)) for name in ids}}


_KNOWN = set(BotReplyError("").details()) | {"phase"}


def _invoke(model: Any, text: str, came: Came) -> None:
    _whole(came, model.invoke(text))


async def _ainvoke(model: Any, text: str, came: Came) -> None:
    _whole(came, await model.ainvoke(text))


def _whole(came: Came, message: Any) -> None:
    came.pieces, came.text, came.told = [message.text], message.text, message.response_metadata


def _stream(model: Any, text: str, came: Came) -> None:
    chunks: list[Any] = []
    for chunk in model.stream(text):
        _more(came, chunks, chunk)


async def _astream(model: Any, text: str, came: Came) -> None:
    chunks: list[Any] = []
    async for chunk in model.astream(text):
        _more(came, chunks, chunk)


def _more(came: Came, chunks: list[Any], chunk: Any) -> None:
    chunks.append(chunk)
    came.pieces.append(chunk.text)
    total = reduce(add, chunks)
    came.text, came.told = total.text, total.response_metadata


def _chat(llm: Any, text: str, came: Came) -> None:
    _response(came, llm.chat([ChatMessage(text)]))


async def _achat(llm: Any, text: str, came: Came) -> None:
    _response(came, await llm.achat([ChatMessage(text)]))


def _stream_chat(llm: Any, text: str, came: Came) -> None:
    for response in llm.stream_chat([ChatMessage(text)]):
        _response(came, response, response.delta)


async def _astream_chat(llm: Any, text: str, came: Came) -> None:
    async for response in await llm.astream_chat([ChatMessage(text)]):
        _response(came, response, response.delta)


def _response(came: Came, response: Any, delta: str | None = None) -> None:
    came.text, came.told = response.message.content or "", response.message.additional_kwargs
    came.pieces.append(came.text if delta is None else delta)


def _client(model: Any, text: str, came: Came) -> None:
    with model._sync_client().stream(text, user="anna") as run:
        for event in run:
            _event(came, run, event)


async def _async_client(model: Any, text: str, came: Came) -> None:
    async with model._loop_client().stream(text, user="anna") as run:
        async for event in run:
            _event(came, run, event)


def _event(came: Came, run: Any, event: Any) -> None:
    came.pieces.append(event.text if isinstance(event, TextDelta) else "")
    came.text = run.answer.text


WAYS: dict[str, Callable[[Any, str, Came], Any]] = {
    "LangChain invoke": _invoke,
    "LangChain ainvoke": _ainvoke,
    "LangChain stream": _stream,
    "LangChain astream": _astream,
    "LlamaIndex chat": _chat,
    "LlamaIndex achat": _achat,
    "LlamaIndex stream_chat": _stream_chat,
    "LlamaIndex astream_chat": _astream_chat,
    "client stream": _client,
    "client astream": _async_client,
}
FACES = [way for way in WAYS if not way.startswith("client")]
STREAMED = [way for way in FACES if "stream" in way]
_MODELS = {
    ("LangChain", "dify"): ChatDify,
    ("LangChain", "gptbots"): ChatGPTBots,
    ("LlamaIndex", "dify"): Dify,
    ("LlamaIndex", "gptbots"): GPTBots,
}


def model_of(way: str, emulator: Emulator, kind: str, **fields: Any) -> Any:
    """Return a model of the emulator's bot of a kind, in the framework of `way`."""
    platform = "gptbots" if kind.startswith("gptbots") else "dify"
    url = emulator.gptbots_url if platform == "gptbots" else emulator.dify_url
    given = {"api_key": emulator.key(kind), "base_url": url, "user": "anna", **fields}
    return _MODELS[way.split(" ")[0].replace("client", "LangChain"), platform](**given)


def asked_by(way: str, model: Any, text: str) -> Came:
    """Ask, and return what came of it."""
    came = Came()
    try:
        if asyncio.iscoroutinefunction(WAYS[way]):
            asyncio.run(WAYS[way](model, text, came))
        else:
            WAYS[way](model, text, came)
    except BotError as error:
        came.error = error
    return came
