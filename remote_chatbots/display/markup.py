"""HTML that is put together so that whatever is not HTML of ours is escaped. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from remote_chatbots.printable import printable


class Html(str):
    """HTML that may stand as it is. Any other text is escaped where it is put in."""

    __slots__ = ()


def html(value: str) -> Html:
    """Return text as HTML that shows it: without what would turn the direction of writing, or is no character."""
    return value if isinstance(value, Html) else Html(escape(printable(value)))


def joined(parts: Iterable[str]) -> Html:
    """Return the parts, one behind the other."""
    return Html("".join(map(html, parts)))


def tag(name: str, *inner: str, **attributes: str | int | float | bool | None) -> Html:
    """Return an element.

    Args:
        name: Its name; a word of ours.
        *inner: What stands in it.
        **attributes: Its attributes; `_` stands for `-`, one behind the name for nothing. None and False leave one out.
    """
    told = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not None and value is not False
    )
    if name in _EMPTY:
        return Html(f"<{name}{told}>")
    return Html(f"<{name}{told}>{joined(inner)}</{name}>")


def _attribute(key: str, value: str | int | float | bool) -> str:
    key = key.removesuffix("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{escape(printable(str(value)))}"'


def is_web(url: str) -> bool:
    """Return whether an address is one of the web, and so a link may lead there."""
    return url.lower().startswith(("https://", "http://"))


_EMPTY = frozenset({"img", "br"})
