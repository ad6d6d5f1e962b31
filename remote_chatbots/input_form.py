"""Whether `inputs` fit a bot's input form. What a server may take after all is never refused.

Source: the refusals of Dify 0.15.3 and 1.14.2 (recorded: the err-input-* and err-required-* files), and those of its
API's `_validate_inputs` for controls that no recording has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from remote_chatbots.attachments import Attachment
from remote_chatbots.described import InputField

_SWITCH_WORDS = frozenset({"true", "1", "yes", "on", "false", "0", "no", "off"})


def missing(form: Iterable[InputField], inputs: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields that must be filled in, have no default, and are not filled in."""
    return [
        field.name
        for field in form
        if field.required and field.kind in _WRONG and field.default is None and inputs.get(field.name) in (None, "")
    ]


def wrong_inputs(form: Iterable[InputField], inputs: Mapping[str, Any]) -> list[str]:
    """Return for each field that is not filled in as it must be what is wrong: its name first, never its value."""
    form = tuple(form)
    lacking = missing(form, inputs)
    found = []
    for field in form:
        value = inputs.get(field.name)
        if field.name in lacking:
            found.append(f"{field.name} is required, and missing")
        elif value not in (None, "") and field.kind in _WRONG and (wrong := _WRONG[field.kind](field, value)):
            found.append(f"{field.name} {wrong}")
    return found


def _text(field: InputField, value: Any) -> str:
    if not isinstance(value, str):
        return f"must be text, not {type(value).__name__}"
    if field.max_length is not None and len(value) > field.max_length:
        return f"has {len(value)} characters, and at most {field.max_length} are taken"
    return ""


def _option(field: InputField, value: Any) -> str:
    if not isinstance(value, str):
        return f"must be text, not {type(value).__name__}"
    return "" if value in field.options or not field.options else f"must be one of {', '.join(field.options)}"


def _number(_: InputField, value: Any) -> str:
    if isinstance(value, str):
        try:
            float(value or 0)
        except ValueError:
            return "must be a number" if value.strip() else ""
    return "" if isinstance(value, (int, float, str)) else f"must be a number, not {type(value).__name__}"


def _switch(_: InputField, value: Any) -> str:
    known = value.strip().lower() in _SWITCH_WORDS if isinstance(value, str) else value in (0, 1)
    return "" if known else "must be True or False"


def _object(_: InputField, value: Any) -> str:
    return "" if isinstance(value, Mapping) else f"must be a mapping, not {type(value).__name__}"


def _file(_: InputField, value: Any) -> str:
    if isinstance(value, (Mapping, Attachment)):
        return ""
    return f"must be a file (an Attachment), not {type(value).__name__}"


def _files(field: InputField, value: Any) -> str:
    if not isinstance(value, (list, tuple)) or any(_file(field, one) for one in value):
        return "must be a list of files (Attachment)"
    most = field.files.number_limit if field.files else None
    return f"holds {len(value)} files, and at most {most} are taken" if most and len(value) > most else ""


_WRONG: Mapping[str, Callable[[InputField, Any], str]] = {
    "text": _text,
    "paragraph": _text,
    "select": _option,
    "number": _number,
    "checkbox": _switch,
    "object": _object,
    "file": _file,
    "file-list": _files,
}
