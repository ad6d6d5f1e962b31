"""Conversation variables of a chatflow: what a conversation remembers between its turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from .refusals import Refusal

Kind = Literal["string", "number", "boolean", "object", "array[string]"]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list_of_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_FITS: Mapping[Kind, Callable[[Any], bool]] = MappingProxyType(
    {
        "string": lambda value: isinstance(value, str),
        "number": _is_number,
        "boolean": lambda value: isinstance(value, bool),
        "object": lambda value: isinstance(value, dict),
        "array[string]": _is_list_of_strings,
    }
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """A variable as the app has it: every conversation begins with its first value."""

    name: str
    kind: Kind
    first_value: Any
    description: str = ""


@dataclass(slots=True)
class HeldVariable:
    """A variable of one conversation."""

    id: str
    of: Remembered
    value: Any
    created_at: int
    updated_at: int

    def set(self, value: Any, now: int) -> None:
        """Store another value.

        Raises:
            Refusal: 400 if it is of another type (Dify API reference, "Update conversation variable").
        """
        if not _FITS[self.of.kind](value):
            raise Refusal(400, "bad_request", f"Type mismatch: variable '{self.of.name}' expects {self.of.kind}")
        self.value, self.updated_at = value, now

    def told(self) -> dict[str, Any]:
        """Return what the server tells of it; its value is text, as Python prints it (Dify API reference)."""
        return {
            "id": self.id,
            "name": self.of.name,
            "value_type": self.of.kind,
            "value": str(self.value),
            "description": self.of.description,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }
