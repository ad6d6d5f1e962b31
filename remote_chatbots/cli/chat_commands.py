"""What a person can write in a chat beside questions: a slash, a word, and what belongs to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

from remote_chatbots.cli.talk import Talk
from remote_chatbots.cli.turn_shown import source_in_full
from remote_chatbots.errors import BotError
from remote_chatbots.printable import on_a_line, printable
from remote_chatbots.question import Attachment
from remote_chatbots.stored import Rating, StoredMessage

_LISTED = 20
_SPEAKERS = {"user": "You", "assistant": "Bot"}


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
        talk.screen.note(f"There is no {on_a_line(name, 40)}. /help tells what there is.\n", "wrong")
        return
    try:
        command.do(talk, rest.strip())
    except KeyboardInterrupt:
        talk.screen.note("\n")
    except BotError as error:
        talk.screen.note(f"  ✗ {on_a_line(str(error))}\n", "wrong")


def _new(talk: Talk, _: str) -> None:
    talk.begin()


def _list(talk: Talk, _: str) -> None:
    talk.listed = talk.client.conversations(limit=_LISTED)
    for number, one in enumerate(talk.listed, 1):
        when = _when(one.updated_at or one.created_at)
        here = "*" if one.conversation_id == talk.conversation_id else " "
        talk.screen.write(
            talk.screen.fit(f"{here} {number:>2}  {when}  {on_a_line(one.name) or one.conversation_id}") + "\n"
        )
    talk.screen.note("/open NUMBER goes on with one.\n" if talk.listed else "There are none yet.\n")


def _open(talk: Talk, which: str) -> None:
    if which.isdecimal() and 1 <= int(which) <= len(talk.listed):
        which = talk.listed[int(which) - 1].conversation_id
    if not which or which.isdecimal():
        talk.screen.note("Give a number that /list shows, or a conversation's id.\n", "wrong")
        return
    kept = talk.client.history(which, limit=2)
    talk.conversation_id, talk.answer, talk.lost, talk.paused, talk.follow_ups = which, None, None, None, ()
    talk.screen.note(f"conversation {on_a_line(which)}\n")
    _show(talk, kept)


def _history(talk: Talk, _: str) -> None:
    if not talk.conversation_id:
        talk.screen.note("The conversation has not begun.\n")
        return
    _show(talk, talk.client.history(talk.conversation_id))


def _file(talk: Talk, where: str) -> None:
    where = where.strip("'\"")
    if where == "-":
        talk.files = []
    elif where.lower().startswith(("http://", "https://")):
        talk.files.append(Attachment.from_url(where))
    elif where:
        talk.files.append(Attachment.from_path(Path(where).expanduser()))
    names = ", ".join(f"{on_a_line(one.file_name)} ({one.kind})" for one in talk.files)
    talk.screen.note(f"With the next question: {names or 'no file'}\n")


def _feedback(talk: Talk, said: str) -> None:
    rating, _, comment = said.partition(" ")
    if rating not in ("like", "dislike", "none"):
        talk.screen.note("Give like, dislike or none, and a comment if you like.\n", "wrong")
    elif talk.answer is None or not talk.answer.message_id:
        talk.screen.note("There is no answer yet to be rated.\n")
    else:
        given = None if rating == "none" else cast("Rating", rating)
        talk.client.feedback(talk.answer.message_id, given, comment=comment.strip())
        talk.screen.note(f"Rated: {rating}\n")


def _sources(talk: Talk, _: str) -> None:
    found = talk.answer.sources if talk.answer else ()
    for number, source in enumerate(found, 1):
        talk.screen.write(source_in_full(number, source))
    if not found:
        talk.screen.note("The newest answer names no sources.\n")


def _export(talk: Talk, where: str) -> None:
    if not where or not talk.conversation_id:
        talk.screen.note("Give a file (.md or .json), once the conversation has begun.\n", "wrong")
        return
    path = Path(where.strip("'\"")).expanduser()
    kept = talk.client.history(talk.conversation_id)
    written = _as_json(talk, kept) if path.suffix.lower() == ".json" else _as_markdown(talk, kept)
    try:
        with path.open("x", encoding="utf-8") as file:  # never over what is there
            file.write(written)
    except OSError as error:
        told = "it is there already" if isinstance(error, FileExistsError) else error.strerror
        talk.screen.note(f"{on_a_line(str(path))} cannot be written: {told}. Give another name.\n", "wrong")
        return
    talk.screen.note(f"{len(kept)} messages are in {on_a_line(str(path))}\n")


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
        Command(_list, "/list", "your conversations, the newest first"),
        Command(_open, "/open NUMBER|ID", "go on with one of them"),
        Command(_history, "/history", "this conversation, as the server has it"),
        Command(_sources, "/sources", "the passages behind the newest answer, in full"),
        Command(_file, "/file PATH|URL", "send a file with the next question; - takes back"),
        Command(_feedback, "/feedback RATING [WORDS]", "rate the newest answer: like, dislike or none"),
        Command(_recover, "/recover", "look for an answer that broke off"),
        Command(_form, "/form", "fill in the form that the bot waits for"),
        Command(_export, "/export FILE", "write the conversation to FILE (.md or .json)"),
        Command(_help, "/help", "this"),
        Command(_quit, "/quit", "leave; so does Ctrl-D"),
    )
}


def _show(talk: Talk, kept: list[StoredMessage]) -> None:
    for one in kept:
        talk.screen.write(f"{_SPEAKERS[one.role]} {_when(one.created_at)}\n", "strong")
        if one.reasoning:
            talk.screen.note(f"{printable(one.reasoning).strip()}\n")
        talk.screen.write(f"{printable(one.text)}\n" if one.text else "")
        if one.error:
            talk.screen.note(f"  ✗ {on_a_line(one.error)}\n", "wrong")
        if one.role == "assistant":
            talk.screen.write("\n")


def _when(moment: int | None) -> str:
    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def _as_markdown(talk: Talk, kept: list[StoredMessage]) -> str:
    parts = [f"# Conversation {on_a_line(talk.conversation_id)}\n"]
    for one in kept:
        parts.append(f"**{_SPEAKERS[one.role]}** {_when(one.created_at)}\n\n{printable(one.text)}\n")
        parts += [f"{number}. {on_a_line(source.title)}\n" for number, source in enumerate(one.sources, 1)]
    return "\n".join(parts)


def _as_json(talk: Talk, kept: list[StoredMessage]) -> str:
    messages: list[dict[str, Any]] = [
        {
            "role": one.role,
            "text": one.text,
            "reasoning": one.reasoning,
            "message_id": one.message_id,
            "created_at": one.created_at,
            "rating": one.rating,
            "sources": [source.raw for source in one.sources],
            "files": [media.raw for media in one.media],
            "error": one.error,
        }
        for one in kept
    ]
    return json.dumps({"conversation_id": talk.conversation_id, "messages": messages}, indent=2, default=str) + "\n"
