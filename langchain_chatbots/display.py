"""Answers of LangChain's shapes, shown in notebooks and on terminals."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message

from langchain_chatbots.sources import newest_answer
from remote_chatbots.display.showing import show_as
from remote_chatbots.display.view import Medium, View, view_of
from remote_chatbots.display.watching import awatch, watch
from remote_chatbots.errors import BotUsageError
from remote_chatbots.events import Usage
from remote_chatbots.reading import mapping, text
from remote_chatbots.steps import joined

_MEDIA = ("image", "audio", "video", "file")


def show(answer: Any, *, load_media: bool = False) -> None:
    """Show an answer: in a notebook as HTML, elsewhere as text on the terminal.

    The answer's Markdown is rendered; marks like `[1]` lead to the numbered sources; a picture shows when which step
    ran, and what failed; tokens, price, files, reasoning and forms stand beside. What a bot says is data: no HTML,
    script or style of its own comes through, links lead to the web alone (and open apart), and formulas stand as they
    are written.

    Args:
        answer: An `AIMessage`, a chunk or a sum of chunks, a message read from a history, a result that holds messages
            (then the newest answer in it), an `Answer`, or the error of a broken turn, for the text so far.
        load_media: Whether pictures, sounds and films are loaded from their addresses. Default: they are links, for an
            address that the bot chose may carry what stands in the conversation to whoever owns it.

    Raises:
        BotUsageError: If there is no answer in it, or a notebook lacks what the extra `notebook` installs.
    """
    show_as(_view_of, answer, load_media=load_media)


def show_live(stream: Iterable[Any], *, load_media: bool = False) -> AIMessage:
    """Show an answer while it arrives, at most ten times a second; return it as `invoke` would.

    Args:
        stream: What `model.stream` returns. It is read to its end and closed; interrupting stops the server.
        load_media: As of `show`.

    Raises:
        BotUsageError: If the stream is none of a chat model, or a notebook lacks what the extra `notebook` installs.
        BotError: If the turn fails; what was said until then stays in view.

    Example:
        >>> answer = show_live(model.stream("When does the ferry leave?"))
    """
    return watch(stream, _Chunks(), load_media=load_media)


async def ashow_live(stream: AsyncIterable[Any], *, load_media: bool = False) -> AIMessage:
    """Show an answer while it arrives: as `show_live`, of what `model.astream` returns."""
    return await awatch(stream, _Chunks(), load_media=load_media)


def _view_of(answer: Any) -> View | None:
    message = newest_answer(answer)
    return None if message is None else view_of_message(message)


def view_of_message(message: AIMessage) -> View:
    """Return what there is to show of a message."""
    blocks = [cast("Mapping[str, Any]", block) for block in message.content_blocks]
    reasoning = [text(block.get("reasoning")) for block in blocks if block.get("type") == "reasoning"]
    counted = message.usage_metadata
    return view_of(
        str(message.text),
        message.response_metadata,
        reasoning="\n\n".join(reasoning),
        steps=_steps(blocks),
        media=[_medium(block) for block in blocks if block.get("type") in _MEDIA],
        usage=Usage(counted["input_tokens"], counted["output_tokens"], counted["total_tokens"]) if counted else None,
    )


def _steps(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps that a stream has told until now; the whole answer has them in its metadata."""
    return joined((), _told(blocks))


def _told(blocks: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for block in blocks:
        match block.get("type"):
            case "non_standard":
                if step := mapping(mapping(block.get("value")).get("step")):
                    yield step
            case "server_tool_call":
                yield {"kind": "tool", "id": block.get("id"), "name": block.get("name"), "status": "running"}
            case "server_tool_result":
                status = "failed" if block.get("status") == "error" else "succeeded"
                yield {"kind": "tool", "id": block.get("tool_call_id"), "status": status}


def _medium(block: Mapping[str, Any]) -> Medium:
    name = text(mapping(block.get("extras")).get("filename"))
    try:
        data = base64.b64decode(text(block.get("base64")))
    except (binascii.Error, ValueError):
        data = b""
    return Medium(text(block.get("type")), text(block.get("url")), name, text(block.get("mime_type")), data)


class _Chunks:
    def __init__(self) -> None:
        self._sum: AIMessageChunk | None = None

    def take(self, piece: Any) -> None:
        if isinstance(piece, AIMessageChunk):
            self._sum = piece if self._sum is None else self._sum + piece
        elif isinstance(piece, AIMessage):  # a chain may end in a whole message
            self._sum = AIMessageChunk(**piece.model_dump(exclude={"type"}))
        else:
            raise BotUsageError(
                f"show_live takes the stream of a chat model, and this one has {type(piece).__name__}. Give it what "
                "model.stream(…) returns."
            )

    def view(self) -> View:
        return View() if self._sum is None else view_of_message(self._sum)

    def result(self) -> AIMessage:
        return AIMessage("") if self._sum is None else cast("AIMessage", message_chunk_to_message(self._sum))
