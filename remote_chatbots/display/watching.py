"""A stream that is shown while it is read: sync and async differ in the reading alone."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from contextlib import AsyncExitStack, ExitStack
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from remote_chatbots.display.screens import Screen, screen
from remote_chatbots.display.view import View

R_co = TypeVar("R_co", covariant=True)
_MOST_OF_TIME = 0.2  # that may go into showing, so that a long answer is not read later than it comes


class Gathered(Protocol[R_co]):
    """What a face makes of the pieces of its framework's stream."""

    def take(self, piece: Any) -> None:
        """Take one more piece."""

    def view(self) -> View:
        """Return what there is to show by now."""

    def result(self) -> R_co:
        """Return the whole answer, once the stream is over."""


def watch(stream: Iterable[Any], gathered: Gathered[R_co], *, load_media: bool) -> R_co:
    """Read a stream to its end, show it meanwhile, and return the whole answer. It is closed whatever happens."""
    with ExitStack() as stack:
        if close := getattr(stream, "close", None):
            stack.callback(close)
        shown = stack.enter_context(_Shown(gathered, screen(load_media=load_media)))
        for piece in stream:
            gathered.take(piece)
            shown.newer()
    return gathered.result()


async def awatch(stream: AsyncIterable[Any], gathered: Gathered[R_co], *, load_media: bool) -> R_co:
    """Read a stream by `async for`: as `watch`."""
    async with AsyncExitStack() as stack:
        if close := getattr(stream, "aclose", None):
            stack.push_async_callback(close)
        shown = stack.enter_context(_Shown(gathered, screen(load_media=load_media)))
        async for piece in stream:
            gathered.take(piece)
            shown.newer()
    return gathered.result()


class _Shown(Generic[R_co]):
    """Shows what is gathered at a bounded rate, and at the end what came last: the whole, or what broke it."""

    def __init__(self, gathered: Gathered[R_co], on: Screen) -> None:
        self._gathered, self._on = gathered, on
        self._not_before = 0.0

    def newer(self) -> None:
        """Show what there is by now, if the view before has stood long enough."""
        began = monotonic()
        if began < self._not_before:
            return
        self._on.put(self._gathered.view().ended(under_way=True, failure=""))
        done = monotonic()
        self._not_before = done + max(self._on.interval_s, (done - began) * (1 / _MOST_OF_TIME - 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        failure = "" if kind is None else str(error) or kind.__name__
        self._on.put(self._gathered.view().ended(under_way=False, failure=failure))
