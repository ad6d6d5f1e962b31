"""LlamaIndex's metadata filters as Dify's conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters

from remote_chatbots import BotUsageError

# Each with what it is called where numbers are compared.
_OPERATORS: Mapping[FilterOperator, tuple[str, str]] = {
    FilterOperator.EQ: ("is", "="),
    FilterOperator.NE: ("is not", "≠"),
    FilterOperator.GT: (">", ">"),
    FilterOperator.LT: ("<", "<"),
    FilterOperator.GTE: ("≥", "≥"),
    FilterOperator.LTE: ("≤", "≤"),
    FilterOperator.IN: ("in", "in"),
    FilterOperator.NIN: ("not in", "not in"),
    FilterOperator.TEXT_MATCH: ("contains", "contains"),
    FilterOperator.CONTAINS: ("contains", "contains"),
    FilterOperator.IS_EMPTY: ("empty", "empty"),
}


def with_conditions(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in which `filters` has become `metadata_filtering_conditions`.

    Raises:
        BotUsageError: If both are given, or Dify has no such filter.
    """
    told = dict(given)
    filters = told.pop("filters", None)
    if filters is None:
        return told
    if told.get("metadata_filtering_conditions") is not None:
        raise _wrong("filters and metadata_filtering_conditions say the same thing. Give one of them.")
    if not isinstance(filters, MetadataFilters):
        raise _wrong("filters must be MetadataFilters. Give these, or metadata_filtering_conditions as Dify has them.")
    operator = "and" if filters.condition is None else filters.condition.value
    if operator not in ("and", "or"):
        raise _wrong(f'Dify joins filters by "and" or "or", not by {operator!r}. Give one of these.')
    conditions = [_condition(one) for one in filters.filters]
    return {**told, "metadata_filtering_conditions": {"logical_operator": operator, "conditions": conditions}}


def _condition(one: Any) -> dict[str, Any]:
    if not isinstance(one, MetadataFilter):
        raise _wrong("Dify has no filters within filters. Give a flat list of them.")
    if one.operator not in _OPERATORS:
        known = ", ".join(operator.value for operator in _OPERATORS)
        raise _wrong(f"Dify has no filter {one.operator.value!r}. Give one of {known}.")
    is_number = isinstance(one.value, (int, float))
    told = {"name": one.key, "comparison_operator": _OPERATORS[one.operator][is_number]}
    if one.value is None:
        return told
    return told | {"value": [str(each) for each in one.value] if isinstance(one.value, list) else one.value}


def _wrong(what: str) -> BotUsageError:
    return BotUsageError.of("dify", what)
