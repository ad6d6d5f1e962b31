"""What is secret among a constructor's arguments, wrapped before anything can fail: no traceback's locals show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from remote_chatbots.address import Key

P = ParamSpec("P")
C = TypeVar("C")

_HEADERS = ("headers", "default_headers")
_PERHAPS_A_KEY = ("bot", "knowledge")  # of clients, which want more than the key


class Concealed:
    """What is no key and stands where one should: it is refused, and may still be secret."""

    def __init__(self, value: object) -> None:
        """Forget the value."""

    def __repr__(self) -> str:
        return "<hidden>"


def concealed(name: str, value: Any) -> Any:
    """Return an argument as it may stand in a frame: a key and the values of headers wrapped, all else as it is."""
    if name == "api_key":
        return value if not value or hasattr(value, "get_secret_value") else _as_key(value)
    if name in _PERHAPS_A_KEY and isinstance(value, str):
        return Key(value)
    if name not in _HEADERS or not value:
        return value
    return {name: _as_key(one) for name, one in value.items()} if isinstance(value, Mapping) else Concealed(value)


def all_concealed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by name, as `concealed` has each."""
    return {name: concealed(name, value) for name, value in given.items()}


def concealing(init: Callable[P, None]) -> Callable[P, None]:
    """Return a constructor that is given its key and headers wrapped, however it was called."""
    names = init.__code__.co_varnames[: init.__code__.co_argcount]

    @wraps(init)
    def __init__(*args: Any, **given: Any) -> None:  # noqa: N807
        args = (*map(concealed, names, args), *map(Concealed, args[len(names) :]))
        given = all_concealed(given)
        init(*args, **given)

    return __init__


def conceals(made: type[C]) -> type[C]:
    """Let a dataclass, whose constructor is written for it, be `concealing`."""
    made.__init__ = concealing(made.__init__)  # type: ignore[method-assign]
    return made


def _as_key(value: Any) -> Any:
    return Key(value) if isinstance(value, str) else Concealed(value)
