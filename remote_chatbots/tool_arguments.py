"""The arguments of a bot that is a tool of somebody else's agent: a question, and the variables of its input form.

pydantic comes with both frameworks: nothing of the core imports this module, the faces do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from remote_chatbots.errors import BotUsageError

if TYPE_CHECKING:
    from remote_chatbots.described import InputField
    from remote_chatbots.learned import Learned

_SILENT = "Ask a bot that has knowledge and tools of its own; it answers in words."
QUESTION = "What to ask, in whole sentences: the bot knows nothing of this conversation."
# The question's own, and those that the frameworks' tools keep for themselves.
_TAKEN = frozenset({"question", "self", "config", "run_manager"})
_TYPES: dict[str, Any] = {
    "text": str,
    "paragraph": str,
    "select": str,
    "number": int | float,
    "checkbox": bool,
    "object": dict[str, Any],
}
_FILES = ("file", "file-list")


def description_of(learned: Learned) -> str:
    """Return what a tool says of itself: the bot's own description, or that it is a bot."""
    return (learned.info.description if learned.info else "") or _SILENT


def arguments_of(form: Iterable[InputField], name: str, *, known: Collection[str] = ()) -> type[BaseModel]:
    """Return the model of a tool's arguments: `question`, and one for each variable of the form that text can fill.

    Left out are variables that the bot's own settings fill, and files, which no model can hand over. A variable that is
    named like a word of Python's, or like an argument that the frameworks keep for themselves, has "_" behind its name.

    Args:
        form: The bot's input form; empty where it is not known.
        name: The model's name.
        known: The variables that are filled already.

    Raises:
        BotUsageError: If a variable that must be filled is a file, or has a name that no argument can have.
    """
    form = tuple(form)
    fields: dict[str, Any] = {"question": (str, Field(description=QUESTION))}
    for variable in form:
        if variable.name in known or variable.kind not in (*_TYPES, *_FILES):
            continue
        argument = _named(variable.name, form) if variable.kind in _TYPES else ""
        if argument:
            fields[argument] = _argument(variable, argument)
        elif variable.required and variable.default is None:
            raise BotUsageError(
                f"The app's variable {variable.name} cannot be an argument of a tool. Give it to the model in inputs."
            )
    return create_model(name, __config__=ConfigDict(protected_namespaces=()), **fields)


def inputs_of(arguments: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a call of the bot is told of the arguments of its tool, apart from the question."""
    names = {argument: field.serialization_alias for argument, field in arguments.model_fields.items()}
    filled = {names.get(argument) or argument: value for argument, value in given.items() if value is not None}
    return {"inputs": filled} if filled else {}


def _named(name: str, form: Iterable[InputField]) -> str:
    """Return the argument's name for a variable; "" if it can have none."""
    if _can_be_named(name):
        return name
    other = f"{name}_"
    return other if _can_be_named(other) and all(variable.name != other for variable in form) else ""


def _can_be_named(name: str) -> bool:
    free = name not in _TAKEN and not iskeyword(name) and not hasattr(BaseModel, name)
    return free and name.isidentifier() and not name.startswith("_")


def _argument(variable: InputField, argument: str) -> tuple[Any, Any]:
    kind: Any = _TYPES[variable.kind]
    if variable.kind == "select" and variable.options:
        kind = Literal[variable.options]
    told: dict[str, Any] = {
        "description": ". ".join(filter(None, (variable.label, variable.description))),
        "max_length": variable.max_length,
        "serialization_alias": variable.name if argument != variable.name else None,
    }
    try:
        default = None if variable.default is None else TypeAdapter(kind).validate_python(variable.default)
    except ValidationError:
        default = None  # the server's own, whatever it means by it
    if isinstance(default, str) and len(default) > (variable.max_length or len(default)):
        default = None
    if variable.required and variable.default is None:
        return kind, Field(**told)
    return (kind if default is not None else kind | None), Field(default, **told)
