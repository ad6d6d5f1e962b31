"""Dify's conditions on the metadata of documents, as its API reference has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Metadata = Mapping[str, Any]

OPERATORS = (
    "contains", "not contains", "start with", "end with", "is", "is not", "empty", "not empty", "in", "not in",
    "=", "≠", ">", "<", "≥", "≤", "before", "after",
)  # fmt: skip


def fits(conditions: Mapping[str, Any], metadata: Metadata) -> bool:
    """Whether a document's metadata are as the conditions want them."""
    outcomes = [_holds(condition, metadata) for condition in conditions.get("conditions") or ()]
    return any(outcomes) if conditions.get("logical_operator") == "or" else all(outcomes)


def _holds(condition: Mapping[str, Any], metadata: Metadata) -> bool:
    held, wanted = metadata.get(condition["name"]), condition.get("value")
    operator = condition["comparison_operator"]
    if operator in ("empty", "not empty"):
        return (held is None or held == "") is (operator == "empty")
    if held is None:
        return False  # what a document does not say is neither like something nor unlike it
    return _OPERATORS[operator](held, wanted)


def _compared(test: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    def holds(held: Any, wanted: Any) -> bool:
        try:
            return test(float(held), float(wanted))
        except (TypeError, ValueError):
            return False

    return holds


def _listed(wanted: Any) -> list[str]:
    return [str(one) for one in wanted] if isinstance(wanted, list) else str(wanted).split(",")


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "contains": lambda held, wanted: str(wanted) in str(held),
    "not contains": lambda held, wanted: str(wanted) not in str(held),
    "start with": lambda held, wanted: str(held).startswith(str(wanted)),
    "end with": lambda held, wanted: str(held).endswith(str(wanted)),
    "is": lambda held, wanted: str(held) == str(wanted),
    "is not": lambda held, wanted: str(held) != str(wanted),
    "in": lambda held, wanted: str(held) in _listed(wanted),
    "not in": lambda held, wanted: str(held) not in _listed(wanted),
    "=": _compared(lambda held, wanted: held == wanted),
    "≠": _compared(lambda held, wanted: held != wanted),
    ">": _compared(lambda held, wanted: held > wanted),
    "<": _compared(lambda held, wanted: held < wanted),
    "≥": _compared(lambda held, wanted: held >= wanted),
    "≤": _compared(lambda held, wanted: held <= wanted),
    # Times are Unix seconds.
    "before": _compared(lambda held, wanted: held < wanted),
    "after": _compared(lambda held, wanted: held > wanted),
}
