"""The emulator's faults as the command line writes them: `cut,after_bytes=900:3`."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from typing import Any

from remote_chatbots import emulator as emulators
from remote_chatbots.cli.ends import Unusable
from remote_chatbots.emulator import Fault, Faults
from remote_chatbots.printable import on_a_line

_ALWAYS = "*"
_INDENT = " " * 4


def named_faults() -> dict[str, type[Fault]]:
    """Return the kinds of faults there are, by their names on the command line."""
    kinds = {name: getattr(emulators, name) for name in emulators.__all__}
    return {_spelt(name): kind for name, kind in sorted(kinds.items()) if _is_fault(kind)}


def faults_in_words() -> str:
    """Return of each fault its name, its fields with what they are if they are not given, and what it does."""
    lines = []
    for name, kind in named_faults().items():
        fields = "".join(
            f",{field.name}={_in_words(field.default)}"
            for field in dataclasses.fields(kind)  # type: ignore[arg-type]
        )
        told = " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
        lines += [*textwrap.wrap(f"{name}{fields}", 79, subsequent_indent=_INDENT, break_on_hyphens=False)]
        lines += textwrap.wrap(told, 79, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return "\n".join(lines) + "\n"


def add_fault(faults: Faults, told: str) -> None:
    """Add a fault as the command line writes it: `cut,after_bytes=900:3`.

    Raises:
        Unusable: If there is no such fault, or it takes no such value.
    """
    what, _, often = told.partition(":")
    name, *fields = what.split(",")
    kind = {_key(spelt): kind for spelt, kind in named_faults().items()}.get(_key(name))
    if kind is None:
        raise Unusable(
            f"There is no fault {on_a_line(name)!r}. `remote-chatbots serve --list-faults` tells those there are."
        )
    try:
        times = None if often == _ALWAYS else int(often or 1)
        faults.add(kind(**dict(_value(kind, field) for field in fields)), times=times)
    except (ValueError, TypeError) as error:
        raise Unusable(
            f"--fault {on_a_line(told)}: {on_a_line(str(error))}. See `remote-chatbots serve --list-faults`."
        ) from None


def _value(kind: Any, told: str) -> tuple[str, Any]:
    name, equals, value = told.partition("=")
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    if not equals or name not in defaults:
        raise ValueError(f"it takes {', '.join(f'{each}=…' for each in defaults) or 'no fields'}, not {told!r}")
    like = defaults[name]
    if isinstance(like, bool):
        if value not in ("true", "false"):
            raise ValueError(f"{name} is true or false, not {value!r}")
        return name, value == "true"
    if isinstance(like, str):
        return name, value
    return name, float(value) if isinstance(like, float) else int(value)


def _in_words(default: Any) -> str:
    if isinstance(default, float):
        return f"{default:g}"
    if default is None or " " in str(default):
        return "…"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _is_fault(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Fault) and dataclasses.is_dataclass(kind)


def _spelt(name: str) -> str:
    """Return a class's name as the command line writes it: "HtmlPage" as "html-page"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Z])", "-", name).lower()


def _key(name: str) -> str:
    return re.sub("[-_ ]", "", name).lower()
