"""What frozen dataclasses have in common."""

from __future__ import annotations

from dataclasses import fields
from reprlib import recursive_repr
from typing import Any


class Value:
    """Is shown, compared and hashed by its fields, as `dataclass` would have it.

    `dataclass` compiles these methods anew for each class: a third of what a class costs at the import, and two dozen
    of them are imported before a first question.
    """

    __slots__ = ()

    @recursive_repr()
    def __repr__(self) -> str:
        shown = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)  # type: ignore[arg-type]
        return f"{type(self).__qualname__}({shown})"

    def __eq__(self, other: object) -> bool:
        return _compared(self) == _compared(other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        return hash(_compared(self))


def _compared(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, one.name) for one in fields(value) if one.compare)
