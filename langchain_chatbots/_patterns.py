"""Objects of pydantic that come by the thousand, made as copies of one that was checked."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from remote_chatbots.unchecked import unchecked

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
        extra = None if self._extra is None else self._extra.copy()
        return unchecked(self._kind, {**self._fields, **fields}, self._set.copy(), extra)
