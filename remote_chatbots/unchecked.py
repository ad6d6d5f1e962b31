"""Objects of pydantic that come by the thousand, made without checking each.

pydantic comes with both frameworks: nothing of the core imports this module, the faces do.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

Made = TypeVar("Made", bound=BaseModel)
_put = object.__setattr__  # pydantic's own takes fields alone


def unchecked(
    kind: type[Made],
    fields: dict[str, Any],
    told: set[str],
    extra: dict[str, Any] | None = None,
    private: dict[str, Any] | None = None,
) -> Made:
    """Return an object of these fields: pydantic's `model_construct`, without its price.

    Args:
        kind: Its class.
        fields: All of its fields but those that the class makes when they are read. The object keeps this dict.
        told: The fields that count as set. The object keeps this set.
        extra: What it holds beside its fields, where the class allows that.
        private: Its private attributes, where the class has some.
    """
    one = kind.__new__(kind)
    # The four that pydantic documents of each object.
    _put(one, "__dict__", fields)
    _put(one, "__pydantic_fields_set__", told)
    _put(one, "__pydantic_extra__", extra)
    _put(one, "__pydantic_private__", private)
    return one
