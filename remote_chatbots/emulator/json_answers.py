"""What the pretend model says when a question asks for JSON: the least value that a JSON Schema in it allows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_DECODER = json.JSONDecoder()
_MARKS = frozenset({"properties", "$defs", "$ref", "items", "anyOf", "enum"})
_DEEPEST = 20


def schema_in(query: str) -> dict[str, Any] | None:
    """Return the last JSON Schema that stands in a query; None if there is none."""
    found: dict[str, Any] | None = None
    at = query.find("{")
    while at >= 0:
        try:
            value, end = _DECODER.raw_decode(query, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict) and value.keys() & _MARKS:
                found = value
        at = query.find("{", end)
    return found


def instance(schema: Mapping[str, Any], says: str) -> Any:
    """Return the least value that fits; a text that may be anything is `says`."""
    return _instance(schema, schema, says, 0)


def _instance(schema: Mapping[str, Any], root: Mapping[str, Any], says: str, depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    deeper = depth + 1
    if "$ref" in schema:
        named: Any = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            named = named.get(part, {})
        return _instance(named, root, says, deeper)
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    if schema.get("enum"):
        return schema["enum"][0]
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several):
            return _instance(schema[several][0], root, says, deeper)
    match schema.get("type", "object" if "properties" in schema else "string"):
        case "object":
            required = schema.get("required", [])
            return {
                name: _instance(one, root, says, deeper)
                for name, one in schema.get("properties", {}).items()
                if name in required
            }
        case "array":
            return [_instance(schema.get("items", {}), root, says, deeper) for _ in range(schema.get("minItems", 0))]
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
        case "null":
            return None
    return says[: schema.get("maxLength", len(says))]
