"""What error messages show of a platform's words: nothing that a caller sent, and on one line."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any, Self

from remote_chatbots.address import Key

_SHOWN_BYTES = 200
_LOOKED_AT_BYTES = 16 * 1024
_LONG_ENOUGH = 8
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")


class Hidden(tuple[str, ...]):
    """What no error message may repeat; a traceback that shows locals does not show it either.

    Args:
        key: The key.
        headers: What is sent beside it: as secret.
        *said: What a user wrote.
    """

    __slots__ = ()

    def __new__(cls, key: str, headers: Mapping[str, str], *said: str) -> Self:
        """Return all of it."""
        return super().__new__(cls, (Key(key), *map(Key, headers.values()), *said))

    def beside(self, *said: str) -> Self:
        """Return these, and what a user wrote."""
        return super().__new__(type(self), (*self, *said))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Those that nobody wrote: the key, the headers' values."""
        return tuple(one for one in self if isinstance(one, Key))

    def __repr__(self) -> str:
        return "<hidden>"


def without_secrets(text: str, hidden: tuple[str, ...]) -> str:
    """Return a code or an id without what is secret; what a user wrote may be in it by chance."""
    return without(text, hidden.secrets if isinstance(hidden, Hidden) else hidden[:1])


def plain(told: Any, hidden: tuple[str, ...] = ()) -> str:
    """Return a platform's sentence without what the caller sent, on one line and with a full stop; "" for no text."""
    if not isinstance(told, str):
        return ""
    line = on_one_line(without(told, hidden))
    return line if not line or line.endswith((".", "!", "?", "…", "。")) else line + "."


def on_one_line(text: str) -> str:
    """Return `text` without line ends and whatever else a terminal or a log would obey."""
    return " ".join(_CONTROL.sub(" ", text).split())


def shown(data: bytes, hidden: tuple[str, ...] = ()) -> str:
    """Return the first 200 bytes of a reply as error messages show them: escaped, so that they stay one line."""
    known = without(data[:_LOOKED_AT_BYTES].decode("utf-8", "replace"), hidden).encode()
    return repr(known[:_SHOWN_BYTES].decode("utf-8", "ignore")) + ("…" if len(known) > _SHOWN_BYTES else "")


def without(text: str, hidden: tuple[str, ...]) -> str:
    """Return `text` with every way of writing what is `hidden` replaced by an ellipsis."""
    for secret in filter(None, hidden):
        if len(secret) > len(text):
            continue
        written = (secret, html.escape(secret), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
        for form in dict.fromkeys(written):
            # A short question ("is it?") may stand in a sentence by chance: only as words of its own is it an echo.
            if len(form) >= _LONG_ENOUGH:
                text = text.replace(form, "…")
            else:
                text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "…", text)
    return text
