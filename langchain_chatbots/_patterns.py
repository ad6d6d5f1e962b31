"""Objects of pydantic that come by the thousand, made as copies of one that was checked."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel

Made = TypeVar("Made", bound=BaseModel)


class Pattern(Generic[Made]):
    """What many objects are copies of, each with values of its own.

    To check each anew would cost twice as much. So would pydantic's `model_copy`, and all that it is told would count
    as set: a set of so many names takes half a kilobyte.

    Args:
        one: The pattern, which nobody else holds.
        kind: The class of the copies, which has the same fields.
    """

    def __init__(self, one: BaseModel, kind: type[Made]) -> None:
        self._kind = kind
        self._fields = vars(one)
        self._set = one.model_fields_set
        self._extra = one.model_extra

    def with_(self, fields: dict[str, Any]) -> Made:
        """Return a copy with these fields, unchecked. Give all that can be changed in place, or copies share it."""
        one = self._kind.__new__(self._kind)
        # The four that pydantic documents of each object; its own `__setattr__` takes fields alone.
        _put(one, "__dict__", {**self._fields, **fields})
        _put(one, "__pydantic_fields_set__", self._set.copy())
        _put(one, "__pydantic_extra__", None if self._extra is None else self._extra.copy())
        _put(one, "__pydantic_private__", None)
        return one


_put = object.__setattr__
