"""Answers of LlamaIndex's shapes, shown in notebooks and on terminals."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llama_index_chatbots.sources import metadata_of
from llama_index_chatbots.streaming import RemoteStreamingResponse
from remote_chatbots.display.showing import show_as
from remote_chatbots.display.view import Medium, View, view_of
from remote_chatbots.display.watching import awatch, watch
from remote_chatbots.errors import BotUsageError
from remote_chatbots.file_types import type_named

_TEXTS = ("response", "response_txt", "text")


def show(answer: Any, *, load_media: bool = False) -> None:
    """Show an answer: in a notebook as HTML, elsewhere as text on the terminal.

    The answer's Markdown is rendered; marks like `[1]` lead to the numbered sources; a picture shows when which step
    ran, and what failed; tokens, price, files, reasoning and forms stand beside. What a bot says is data: no HTML,
    script or style of its own comes through, links lead to the web alone (and open apart), and formulas stand as they
    are written.

    Args:
        answer: A `ChatResponse` or `CompletionResponse`, a `ChatMessage`, what a chat engine or a query engine returned
            (of a streamed one what was read until now), an `Answer`, or the error of a broken turn, for the text so
            far.
        load_media: Whether pictures, sounds and films are loaded from their addresses. Default: they are links, for an
            address that the bot chose may carry what stands in the conversation to whoever owns it.

    Raises:
        BotUsageError: If it is no answer, or a notebook lacks what the extra `notebook` installs.
    """
    show_as(view_of_response, answer, load_media=load_media)


def show_live(stream: Any, *, load_media: bool = False) -> Any:
    """Show an answer while it arrives, at most ten times a second; return the whole.

    Args:
        stream: What `llm.stream_chat` or `stream_complete`, a chat engine's `stream_chat` or a streaming query engine
            returned. It is read to its end and closed; interrupting stops the server.
        load_media: As of `show`.

    Returns:
        The last response of an LLM's stream; of an engine, what it returned, which is read now.

    Raises:
        BotUsageError: If the stream is none of these, or a notebook lacks what the extra `notebook` installs.
        BotError: If the turn fails; what was said until then stays in view.

    Example:
        >>> answer = show_live(engine.stream_chat("When does the ferry leave?"))
    """
    if (pieces := getattr(stream, "response_gen", None)) is not None:
        return watch(pieces, _Engine(stream), load_media=load_media)
    return watch(stream, _Responses(), load_media=load_media)


async def ashow_live(stream: Any, *, load_media: bool = False) -> Any:
    """Show an answer while it arrives: as `show_live`, of what the async twins of these calls return."""
    if callable(pieces := getattr(stream, "async_response_gen", None)):
        return await awatch(pieces(), _Engine(stream), load_media=load_media)
    return await awatch(stream, _Responses(), load_media=load_media)


def view_of_response(answer: Any) -> View | None:
    """Return what there is to show of one of LlamaIndex's answers; None if it is none."""
    message = answer if isinstance(answer, ChatMessage) else getattr(answer, "message", None)
    if isinstance(message, ChatMessage):
        return _view_of_message(message)
    if isinstance(answer, RemoteStreamingResponse):
        return view_of(str(answer), answer.metadata)
    said = next((one for name in _TEXTS if isinstance(one := getattr(answer, name, None), str)), None)
    return None if said is None else view_of(said, metadata_of(answer) or {})


def _view_of_message(message: ChatMessage) -> View:
    thoughts = [block.content or "" for block in message.blocks if isinstance(block, ThinkingBlock)]
    calls = [
        {"kind": "tool", "id": block.tool_call_id, "name": block.tool_name, "status": ""}
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ]
    spoken = [
        Medium("audio", mime_type=type_named(f"speech.{block.format}"), data=block.resolve_audio().read())
        for block in message.blocks
        if isinstance(block, AudioBlock) and block.audio is not None
    ]
    said = "".join(block.text for block in message.blocks if isinstance(block, TextBlock))
    return view_of(said, message.additional_kwargs, reasoning="\n\n".join(thoughts), steps=calls, media=spoken)


class _Responses:
    """Each response of an LLM's stream holds all of the answer so far."""

    def __init__(self) -> None:
        self._last: Any = None

    def take(self, piece: Any) -> None:
        if not isinstance(piece, (ChatResponse, CompletionResponse)):
            raise BotUsageError(
                f"show_live takes the stream of an LLM or of an engine, and this one has {type(piece).__name__}. Give "
                "it what llm.stream_chat(…) or engine.stream_chat(…) returns."
            )
        self._last = piece

    def view(self) -> View:
        return (view_of_response(self._last) if self._last is not None else None) or View()

    def result(self) -> Any:
        return self._last


class _Engine:
    """An engine's response is read in pieces of text; it knows all else when it is read."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._pieces: list[str] = []

    def take(self, piece: str) -> None:
        self._pieces.append(piece)

    def view(self) -> View:
        response = self._response
        if isinstance(response, RemoteStreamingResponse):
            return view_of(str(response), response.metadata)
        return view_of("".join(self._pieces), response.metadata or {})

    def result(self) -> Any:
        if getattr(self._response, "response_txt", "") is None:  # it would read itself again, and find nothing
            self._response.response_txt = "".join(self._pieces)
        return self._response
