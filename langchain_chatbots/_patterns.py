"""Objects of pydantic that come by the thousand, made as copies of one that was checked."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel

Made = TypeVar("Made", bound=BaseModel)


class Pattern(Generic[Made]):
    """What many objects are copies of, each with values of its own.

    They are made as pickle makes them. To check each anew would cost half as much again. So would pydantic's
    `model_copy`, and all that it is told would count as set: a set of so many names takes half a kilobyte.

    Args:
        one: The pattern, which nobody else holds.
    """

    def __init__(self, one: Made) -> None:
        self._kind = type(one)
        self._state = one.__getstate__()

    def with_(self, **fields: Any) -> Made:
        """Return a copy with these fields, unchecked. Give all that can be changed in place, or copies share it."""
        state = self._state
        extra = state["__pydantic_extra__"]
        one = self._kind.__new__(self._kind)
        one.__setstate__(
            {
                **state,
                "__dict__": {**state["__dict__"], **fields},
                "__pydantic_fields_set__": state["__pydantic_fields_set__"].copy(),
                "__pydantic_extra__": None if extra is None else extra.copy(),
            }
        )
        return one
