"""The recorded questions, asked through `ChatDify`; and what came of it, in the form that tests compare."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from langchain_core import exceptions
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable

from langchain_chatbots import ChatDify, sources
from remote_chatbots import (
    BotAuthError,
    BotError,
    BotNotFoundError,
    BotRejectedError,
    BotServerError,
    BotTruncatedError,
    DifyApp,
    Question,
)
from tests.recorded.asking import KEY, PATIENT, TIMEOUT_S, expected_of_error, outcome_of_error
from tests.recorded.recordings import Told
from tests.recorded.steps import blocks_of, steps_of

Model = Runnable[LanguageModelInput, AIMessage]
# Asks, and appends each message or chunk to the list as it comes.
Way = Callable[[Model, Sequence[BaseMessage], list[AIMessage]], None]

# What handlers that know LangChain alone catch; a key that lacks the right (403) is a class of its own.
LANGCHAINS: dict[type[BotError], type[exceptions.ModelError]] = {
    BotAuthError: exceptions.ModelAuthenticationError,
    BotNotFoundError: exceptions.ModelNotFoundError,
    BotRejectedError: exceptions.ModelInvalidRequestError,
    BotServerError: exceptions.ModelAPIError,
    BotTruncatedError: exceptions.ModelAPIError,
}


@dataclass(frozen=True)
class Came:
    """What came of a question.

    Attributes:
        message: The answer, or as much as was streamed of it before the turn failed; None if nothing was.
        error: How the turn failed; None if it did not.
    """

    message: AIMessage | None
    error: BotError | None = None


def by_invoke(model: Model, messages: Sequence[BaseMessage], came: list[AIMessage]) -> None:
    """Ask by `invoke`."""
    came.append(model.invoke(messages))


def by_ainvoke(model: Model, messages: Sequence[BaseMessage], came: list[AIMessage]) -> None:
    """Ask by `ainvoke`."""
    came.append(asyncio.run(model.ainvoke(messages)))


def by_stream(model: Model, messages: Sequence[BaseMessage], came: list[AIMessage]) -> None:
    """Ask by `stream`."""
    for chunk in model.stream(messages):
        came.append(chunk)


def by_astream(model: Model, messages: Sequence[BaseMessage], came: list[AIMessage]) -> None:
    """Ask by `astream`."""

    async def read() -> None:
        async for chunk in model.astream(messages):
            came.append(chunk)

    asyncio.run(read())


def by_v3(model: Model, messages: Sequence[BaseMessage], came: list[AIMessage]) -> None:
    """Ask by `stream_events(version="v3")`."""
    came.append(model.stream_events(messages, version="v3").output)


def by_async_v3(model: Model, messages: Sequence[BaseMessage], came: list[AIMessage]) -> None:
    """Ask by `astream_events(version="v3")`."""

    async def read() -> None:
        came.append(await (await model.astream_events(messages, version="v3")))

    asyncio.run(read())


def model_for(question: Question, url: str, **fields: Any) -> ChatDify:
    """Return a model that asks as the question's user, with its inputs, in its form of reply."""
    return ChatDify(
        api_key=KEY,
        base_url=url,
        user=question.user,
        inputs=question.inputs,
        streaming=False if question.blocking else None,
        timeout=TIMEOUT_S,
        end_grace_s=PATIENT.end_grace_s,
        **fields,
    )


def bare(blocks: Any) -> list[dict[str, Any]]:
    """Return content blocks without their numbers."""
    return [{key: value for key, value in block.items() if key != "index"} for block in blocks]


def bot_at(url: str) -> str:
    """Return the id that the tests' bot has at `url`."""
    return DifyApp(KEY, url).bot_id


def ask_by(way: Way, model: Model, messages: Sequence[BaseMessage]) -> Came:
    """Ask, and return what came; chunks are added up as LangChain adds them."""
    came: list[AIMessage] = []
    error = None
    try:
        way(model, messages, came)
    except BotError as caught:
        error = caught
    return Came(reduce(add, came) if came else None, error)


def outcome_of(came: Came) -> dict[str, Any]:
    """Return what `came` says, to be compared with `expected_of`."""
    if came.error is not None:
        kinds = type(came.error).__mro__
        return {
            **outcome_of_error(came.error),
            "raises": next(kind for kind in kinds if kind.__module__ == "remote_chatbots.errors"),
            "langchain": next(kind for kind in kinds if kind.__module__ == exceptions.__name__),
        }
    message = came.message
    assert message is not None
    return {
        "text": message.content,
        "id": message.id,
        "tool_calls": message.tool_calls,
        "usage": message.usage_metadata,
        "metadata": message.response_metadata,
        "blocks": message.content_blocks,
        "sources": [(document.page_content, document.id, document.metadata) for document in sources(message)],
    }


def expected_of(told: Told, bot: str) -> dict[str, Any]:
    """Return what must come of a recorded question, asked of `bot`."""
    failure = told.failure
    if failure is not None:
        denied = failure.kind is BotAuthError and failure.http_status == 403
        langchains = exceptions.ModelPermissionDeniedError if denied else LANGCHAINS[failure.kind]
        return {**expected_of_error(told), "langchain": langchains}
    return {
        "text": told.answer,
        "id": told.ids["message_id"],
        "tool_calls": [],
        "usage": _expected_usage(told),
        "metadata": _expected_metadata(told, bot),
        "blocks": _expected_blocks(told),
        "sources": _expected_sources(told, bot),
    }


def _expected_usage(told: Told) -> dict[str, int] | None:
    if told.usage is None:
        return None
    # The server's own total of an agent may be 0; LangChain's is the sum.
    into, out = told.usage["prompt_tokens"], told.usage["completion_tokens"]
    return {"input_tokens": into, "output_tokens": out, "total_tokens": max(told.usage["total_tokens"], into + out)}


def _expected_metadata(told: Told, bot: str) -> dict[str, Any]:
    known = {
        **told.ids,
        "created_at": told.created_at,
        "usage": told.usage,
        "retriever_resources": told.resources,
        "input_required": told.forms,
        "replaced": told.replaced,
        "steps": steps_of(told.events),
    }
    return {
        "model_provider": "dify",
        "model_name": "dify-app",
        "bot": bot,
        "finish_reason": told.finish_reason,
        **{key: value for key, value in known.items() if value},
        **{key: value for key, value in told.metadata.items() if value is not None},
    }


def _expected_blocks(told: Told) -> list[dict[str, Any]]:
    citations = [
        {
            "type": "citation",
            "title": resource["document_name"],
            "cited_text": resource["content"],
            "extras": {key: value for key, value in resource.items() if key != "content"},
        }
        for resource in told.resources
    ]
    blocks = blocks_of(told.events or [{"event": "message", "answer": told.text}], citations)
    # Recorded speech comes after all else.
    spoken = {"type": "audio", "mime_type": "audio/mpeg", "base64": b64encode(told.speech).decode()}
    return [*blocks, spoken] if told.speech else blocks


def _expected_sources(told: Told, bot: str) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (
            resource["content"],
            resource["segment_id"],
            {key: value for key, value in resource.items() if key != "content"}
            | {"source": resource["document_name"], "title": resource["document_name"], "score": resource["score"]}
            | {"bot": bot, "message_id": told.ids["message_id"]},
        )
        for resource in told.resources
    ]
