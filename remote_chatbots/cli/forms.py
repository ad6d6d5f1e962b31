"""Forms, filled in at the screen: the one that a bot waits for, and an app's own variables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from remote_chatbots.cli.screen import Screen
from remote_chatbots.described import InputField
from remote_chatbots.printable import on_a_line, printable
from remote_chatbots.reading import mapping, objects, text

# How a form's text shows where a field belongs (recorded: 1.14.2/human-2-form).
_PLACE = re.compile(r"\{\{#\$output\.(\w+)#\}\}")


def fill_form(screen: Screen, form: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Have a person fill in the form of a paused turn; return the chosen action and the fields, None if they will not.

    A field that is left empty has its default.
    """
    title = on_a_line(text(form.get("node_title")))
    content = _PLACE.sub(r"[\1]", printable(text(form.get("form_content")))).strip()
    screen.note(f"\n{title or 'It asks a person'}\n", "strong")
    screen.write(f"{content}\n" if content else "")
    inputs = {}
    for one in objects(form.get("inputs")):
        name = text(one.get("output_variable_name"))
        default = mapping(form.get("resolved_default_values")).get(name, mapping(one.get("default")).get("value"))
        hint = f" [{on_a_line(str(default), 40)}]" if default else ""
        value = screen.ask(f"  {on_a_line(name)}{hint}: ")
        if value is None:
            return None
        if value:
            inputs[name] = value
    actions = objects(form.get("actions"))
    titles = [on_a_line(text(one.get("title")) or text(one.get("id"))) for one in actions]
    chosen = _chosen(screen, titles, [text(one.get("id")) for one in actions])
    return None if chosen is None else (chosen, inputs)


def fill_inputs(screen: Screen, form: Sequence[InputField], known: dict[str, str]) -> bool:
    """Have a person fill in what an app requires and `known` lacks; return whether it is all there."""
    for one in form:
        if not one.required or one.name in known or one.default is not None or one.files is not None:
            continue
        label = on_a_line(one.label or one.name)
        if one.options:
            screen.note(f"{label}\n", "strong")
            value = _chosen(screen, [on_a_line(option) for option in one.options], list(one.options))
        else:
            most = f" (at most {one.max_length} characters)" if one.max_length is not None else ""
            value = screen.ask(f"{label}{most}: ")
        if not value:
            return False
        known[one.name] = value
    return True


def _chosen(screen: Screen, titles: Sequence[str], values: Sequence[str]) -> str | None:
    """Return the value that a person chooses, by its number, its title or itself."""
    if not values:
        return ""
    for number, title in enumerate(titles, 1):
        screen.write(f"  {number}  {title}\n")
    while (said := screen.ask("  which? ")) is not None:
        said = said.strip()
        if said.isdecimal() and 1 <= int(said) <= len(values):
            return values[int(said) - 1]
        for title, value in zip(titles, values, strict=True):
            if said and said in (title, value):
                return value
        screen.note(f"  Give a number from 1 to {len(values)}.\n")
    return None
