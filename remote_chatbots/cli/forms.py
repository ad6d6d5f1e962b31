"""Forms, filled in at the screen: the one that a bot waits for, and an app's own variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from remote_chatbots.attachments import Attachment
from remote_chatbots.cli.named_files import file_of
from remote_chatbots.cli.numbers import number_in
from remote_chatbots.cli.screen import Screen
from remote_chatbots.described import InputField
from remote_chatbots.display.words import form_words
from remote_chatbots.errors import BotUsageError
from remote_chatbots.printable import on_a_line, printable
from remote_chatbots.reading import mapping, objects, text


def fill_form(screen: Screen, form: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Have a person fill in the form of a paused turn; return the chosen action and the fields, None if they will not.

    A field that is left empty has its default.
    """
    title = on_a_line(text(form.get("node_title")))
    content = printable(form_words(form)).strip()
    screen.note(f"\n{title or 'It asks a person'}\n", "strong")
    screen.write(f"{content}\n" if content else "")
    inputs = {}
    for one in objects(form.get("inputs")):
        name = text(one.get("output_variable_name"))
        default = mapping(form.get("resolved_default_values")).get(name, mapping(one.get("default")).get("value"))
        value: Any
        if one.get("type") in ("file", "file-list"):
            what = f"  {on_a_line(name)} (a file's path or address)"
            value = _files_at(screen, what, several=one["type"] == "file-list")
        else:
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


def as_the_form_has_them(pairs: Iterable[tuple[str, str]], form: Iterable[InputField]) -> dict[str, Any]:
    """Return given names and values as the app's inputs: of a field that takes files, files.

    Raises:
        BotUsageError: If there is no such file.
    """
    fields = {one.name: one for one in form}
    inputs: dict[str, Any] = {}
    for name, value in pairs:
        put_in(inputs, fields.get(name), name, value)
    return inputs


def put_in(inputs: dict[str, Any], field: InputField | None, name: str, value: str) -> None:
    """Set an input to what was written; to a list of files a file is added.

    Raises:
        BotUsageError: If there is no such file.
    """
    if field is None or field.files is None:
        inputs[name] = value
    elif field.kind == "file-list":
        inputs[name] = [*inputs.get(name, ()), file_of(value)]
    else:
        inputs[name] = file_of(value)


def fill_inputs(screen: Screen, form: Sequence[InputField], known: dict[str, Any]) -> bool:
    """Have a person fill in what an app requires and `known` lacks; return whether it is all there."""
    for one in form:
        if not one.required or one.name in known or one.default is not None:
            continue
        label = on_a_line(one.label or one.name)
        value: Any
        if one.files is not None:
            kinds = ", ".join(on_a_line(kind) for kind in one.files.kinds)
            what = f"{label} ({kinds or 'a file'}; its path or address)"
            value = _files_at(screen, what, several=one.kind == "file-list")
        elif one.options:
            screen.note(f"{label}\n", "strong")
            value = _chosen(screen, [on_a_line(option) for option in one.options], list(one.options))
        else:
            most = f" (at most {one.max_length} characters)" if one.max_length is not None else ""
            value = screen.ask(f"{label}{most}: ")
        if not value:
            return False
        known[one.name] = value
    return True


def _files_at(screen: Screen, what: str, *, several: bool) -> Attachment | list[Attachment] | None:
    """Return the file that a person names, or the files until they name no more; None for none."""
    found: list[Attachment] = []
    while said := screen.ask(f"{what}{', one more, or nothing' if found else ''}: "):
        try:
            found.append(file_of(said))
        except BotUsageError as error:
            screen.note(f"  ✗ {on_a_line(str(error))}\n", "wrong")
            continue
        if not several:
            return found[0]
    return found or None


def _chosen(screen: Screen, titles: Sequence[str], values: Sequence[str]) -> str | None:
    """Return the value that a person chooses, by its number, its title or itself."""
    if not values:
        return ""
    for number, title in enumerate(titles, 1):
        screen.write(f"  {number}  {title}\n")
    while (said := screen.ask("  which? ")) is not None:
        said = said.strip()
        if 1 <= number_in(said) <= len(values):
            return values[int(said) - 1]
        for title, value in zip(titles, values, strict=True):
            if said and said in (title, value):
                return value
        screen.note(f"  Give a number from 1 to {len(values)}.\n")
    return None
