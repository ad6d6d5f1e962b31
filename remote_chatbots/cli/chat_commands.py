"""What a person can write in a chat beside questions: a slash, a word, and what belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from remote_chatbots.attachments import Attachment
from remote_chatbots.cli.forms import put_in
from remote_chatbots.cli.kept import export, show_kept, when
from remote_chatbots.cli.named_files import file_of
from remote_chatbots.cli.numbers import number_in
from remote_chatbots.cli.talk import Talk
from remote_chatbots.cli.turn_shown import source_in_full
from remote_chatbots.described import InputField
from remote_chatbots.errors import BotError
from remote_chatbots.printable import on_a_line
from remote_chatbots.stored import Rating

_LISTED = 20
_MESSAGES = 20


class Command(NamedTuple):
    """One command: what it does to a talk, given the rest of its line; how it is written; what it is for."""

    do: Callable[[Talk, str], None]
    written: str
    purpose: str


def obey(talk: Talk, line: str) -> None:
    """Do what a line that begins with a slash says. What goes wrong is told, and the talk goes on."""
    name, _, rest = line.strip().partition(" ")
    command = COMMANDS.get(name.lower())
    if command is None:
        talk.refuse(f"There is no {on_a_line(name, 40)}. /help tells what there is.\n")
        return
    try:
        command.do(talk, rest.strip())
    except KeyboardInterrupt:
        talk.screen.note("\n")
    except BotError as error:
        talk.refuse(f"  ✗ {on_a_line(str(error))}\n")


def _new(talk: Talk, _: str) -> None:
    talk.begin()


def _list(talk: Talk, how_many: str) -> None:
    most = _number(how_many, _LISTED)
    talk.listed = talk.client.conversations(limit=most)
    for number, one in enumerate(talk.listed, 1):
        then = when(one.updated_at or one.created_at)
        here = "*" if one.conversation_id == talk.conversation_id else " "
        talk.screen.write(
            talk.screen.fit(f"{here} {number:>2}  {then}  {on_a_line(one.name) or on_a_line(one.conversation_id)}")
            + "\n"
        )
    more = f" For older ones: /list {5 * most}" if len(talk.listed) == most else ""
    talk.screen.note(f"/open NUMBER goes on with one.{more}\n" if talk.listed else "There are none yet.\n")


def _open(talk: Talk, which: str) -> None:
    number = number_in(which)
    if number and not talk.listed:
        talk.listed = talk.client.conversations(limit=_LISTED)
    if 1 <= number <= len(talk.listed):
        which = talk.listed[number - 1].conversation_id
    if not which or which.isdecimal():
        talk.refuse("Give a number that /list shows, or a conversation's id.\n")
        return
    go_on_with(talk, which)


def go_on_with(talk: Talk, which: str) -> None:
    """Go on with a conversation, and show its newest turn.

    Raises:
        BotError: If the server does not tell of it; the talk is where it was.
    """
    kept = talk.client.history(which, limit=2)
    talk.go_on_with(which, kept)
    talk.screen.note(f"conversation {on_a_line(which)}\n")
    show_kept(talk.screen, kept)


def _history(talk: Talk, how_many: str) -> None:
    if not talk.conversation_id:
        talk.screen.note("The conversation has not begun.\n")
        return
    most = _number(how_many, _MESSAGES)
    kept = talk.client.history(talk.conversation_id, limit=most)
    if len(kept) == most:
        talk.screen.note(f"The newest {most} messages; for older ones: /history {5 * most}\n")
    show_kept(talk.screen, kept)


def _number(written: str, default: int) -> int:
    return number_in(written) or default


def _file(talk: Talk, where: str) -> None:
    name, equals, path = where.partition("=")
    field = next((one for one in talk.told.input_form if one.files is not None and one.name == name.strip()), None)
    if equals and field is not None:
        _file_of_the_form(talk, field, path.strip())
        return
    if where == "-":
        talk.files = []
    elif where:
        files = [*talk.files, file_of(where)]
        talk.check_files(*files)
        talk.files = files
    talk.screen.note(f"With the next question: {_named(talk.files) or 'no file'}\n")


def _file_of_the_form(talk: Talk, field: InputField, where: str) -> None:
    if where == "-":
        talk.inputs.pop(field.name, None)
    elif where:
        inputs = dict(talk.inputs)
        put_in(inputs, field, field.name, where)
        talk.check_files(**{field.name: inputs[field.name]})
        talk.inputs[field.name] = inputs[field.name]
    held = talk.inputs.get(field.name, [])
    files = held if isinstance(held, list) else [held]
    talk.screen.note(f"{on_a_line(field.label or field.name)}: {_named(files) or 'no file'}\n")


def _named(files: Sequence[Attachment]) -> str:
    return ", ".join(f"{on_a_line(one.file_name)} ({one.kind})" for one in files)


def _feedback(talk: Talk, said: str) -> None:
    rating, _, comment = said.partition(" ")
    if rating not in ("like", "dislike", "none"):
        talk.refuse("Give like, dislike or none, and a comment if you like.\n")
    elif talk.answer is None or not talk.answer.message_id:
        talk.screen.note("There is no answer yet to be rated.\n")
    else:
        given = None if rating == "none" else cast("Rating", rating)
        talk.client.feedback(talk.answer.message_id, given, comment=comment.strip())
        talk.screen.note(f"Rated: {rating}\n")


def _sources(talk: Talk, _: str) -> None:
    found = talk.sources()
    for number, source in enumerate(found, 1):
        talk.screen.write(source_in_full(number, source))
    if not found:
        talk.screen.note("The newest answer names no sources.\n" if talk.answer else "There is no answer yet.\n")


def _form(talk: Talk, _: str) -> None:
    if talk.paused is None:
        talk.screen.note("No form waits.\n")
    else:
        talk.fill(talk.paused)


def _recover(talk: Talk, _: str) -> None:
    talk.recover()


def _help(talk: Talk, _: str) -> None:
    width = max(len(command.written) for command in COMMANDS.values())
    for command in COMMANDS.values():
        talk.screen.write(f"  {command.written:<{width}}  {command.purpose}\n")
    talk.screen.note("  A number alone asks that follow-up. Two slashes at the beginning send one.\n")


def _quit(_: Talk, __: str) -> None:
    raise EOFError


COMMANDS = {
    command.written.partition(" ")[0]: command
    for command in (
        Command(_new, "/new", "begin a new conversation"),
        Command(_list, "/list [NUMBER]", "your conversations, the newest first"),
        Command(_open, "/open NUMBER|ID", "go on with one of them"),
        Command(_history, "/history [NUMBER]", "its newest messages, as the server has them"),
        Command(_sources, "/sources", "the passages behind the newest answer, in full"),
        Command(_file, "/file [INPUT=]PATH|URL", "a file for the next question, or an input; - undoes"),
        Command(_feedback, "/feedback RATING [WORDS]", "rate the newest answer: like, dislike or none"),
        Command(_recover, "/recover", "look for an answer that broke off"),
        Command(_form, "/form", "fill in the form that the bot waits for"),
        Command(export, "/export FILE", "this talk (.md, .json), or all, resumable (.jsonl)"),
        Command(_help, "/help", "this"),
        Command(_quit, "/quit", "leave; so does Ctrl-D"),
    )
}
