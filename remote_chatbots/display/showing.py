"""Showing the core's own values: an `Answer`, an error of a broken turn, a stream of events."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

from remote_chatbots.answer import Answer, AnswerBuilder
from remote_chatbots.display.screens import screen
from remote_chatbots.display.view import View, view_of_answer, view_of_error
from remote_chatbots.display.watching import awatch, watch
from remote_chatbots.errors import BotError, BotUsageError
from remote_chatbots.events import Event


def show(answer: Answer | BotError, *, load_media: bool = False) -> None:
    """Show an answer: in a notebook as HTML, elsewhere as text on the terminal.

    The answer's Markdown is rendered; marks like `[1]` lead to the numbered sources; a picture shows when which step
    ran, and what failed; tokens, price, files, reasoning and forms stand beside. What a bot says is data: no HTML,
    script or style of its own comes through, links lead to the web alone (and open apart), and formulas stand as they
    are written.

    Args:
        answer: The answer; or the error of a broken turn, for the text so far.
        load_media: Whether pictures, sounds and films are loaded from their addresses. Default: they are links, for an
            address that the bot chose may carry what stands in the conversation to whoever owns it.

    Raises:
        BotUsageError: If `answer` is neither, or a notebook lacks what the extra `notebook` installs.
    """
    show_as(view_of_core, answer, load_media=load_media)


def show_live(stream: Iterable[Event], *, load_media: bool = False) -> Answer:
    """Show an answer while it arrives, at most ten times a second; return it.

    Args:
        stream: What `BotClient.stream` returns. It is read to its end and closed; interrupting stops the server.
        load_media: As of `show`.

    Raises:
        BotUsageError: If a notebook lacks what the extra `notebook` installs.
        BotError: If the turn fails; what was said until then stays in view.
    """
    return watch(stream, _Events(), load_media=load_media)


async def ashow_live(stream: AsyncIterable[Event], *, load_media: bool = False) -> Answer:
    """Show an answer while it arrives: as `show_live`, of an async stream."""
    return await awatch(stream, _Events(), load_media=load_media)


def show_as(view_of: Callable[[Any], View | None], answer: Any, *, load_media: bool) -> None:
    """Show an answer: one of the core's own, or what `view_of` knows.

    Raises:
        BotUsageError: If it is neither.
    """
    view = view_of_core(answer) or view_of(answer)
    if view is None:
        if hasattr(answer, "__next__") or hasattr(answer, "__anext__"):
            raise BotUsageError(
                "show takes an answer, and this is a stream of one. Give it to show_live or ashow_live."
            )
        raise BotUsageError(f"show takes an answer, not {type(answer).__name__}. Give what the bot answered.")
    screen(load_media=load_media).put(view)


def view_of_core(answer: Any) -> View | None:
    """Return what there is to show of a value of the core's; None if it is none."""
    if isinstance(answer, Answer):
        return view_of_answer(answer)
    return view_of_error(answer) if isinstance(answer, BotError) else None


class _Events:
    def __init__(self) -> None:
        self._builder = AnswerBuilder()

    def take(self, piece: Event) -> None:
        self._builder.add(piece)

    def view(self) -> View:
        return view_of_answer(self._builder.build())

    def result(self) -> Answer:
        return self._builder.build()
