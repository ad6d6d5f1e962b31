"""What a server keeps of conversations: on the screen, and in files."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from remote_chatbots.bulk.exporting import export_conversations
from remote_chatbots.bulk.progress import Progress
from remote_chatbots.cli.named_files import path_of
from remote_chatbots.cli.turn_shown import is_worth_a_line, show_sources, show_step, source_in_words
from remote_chatbots.errors import BotError
from remote_chatbots.printable import on_a_line, printable
from remote_chatbots.steps import told_of

if TYPE_CHECKING:
    from pathlib import Path

    from remote_chatbots.cli.screen import Screen
    from remote_chatbots.cli.talk import Talk
    from remote_chatbots.stored import StoredMessage

_SPEAKERS = {"user": "You", "assistant": "Bot"}
_AT_ONCE = 100
_MARKS = re.compile(r"[!-,/:-@\[-`{-~]|(?<!\w)[-.]|[-.](?!\w)")  # within a word a dash or a point is none
_REACHES_OUT = re.compile(r"<[A-Za-z/!?]|!\[|\](?:\(|:)\s*<?(?!https?://)", re.IGNORECASE)
_FENCES = re.compile("~+")


def when(moment: int | None) -> str:
    """Return a time as people read it, in their zone."""
    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def show_kept(screen: Screen, kept: Iterable[StoredMessage]) -> None:
    """Show messages with what the server keeps beside them: thoughts, steps, files, sources, why a turn failed."""
    for one in kept:
        screen.write(f"{_SPEAKERS[one.role]} {when(one.created_at)}\n", "strong")
        if one.reasoning:
            screen.note(f"{printable(one.reasoning).strip()}\n")
        for step in filter(is_worth_a_line, one.steps):
            show_step(screen, step)
        screen.write(f"{printable(one.text)}\n" if one.text else "")
        for media in one.media:
            told = " ".join(filter(None, (on_a_line(media.name, 100), on_a_line(media.url))))
            screen.write(f"  {on_a_line(media.kind, 20)}: {told}\n")
        show_sources(screen, one.sources)
        if one.error:
            screen.note(f"  ✗ {on_a_line(one.error)}\n", "wrong")
        if one.role == "assistant":
            screen.write("\n")


def export(talk: Talk, where: str) -> None:
    """Write the conversation to a file, or all of the person's conversations, by the file's extension."""
    path = path_of(where)
    if path.suffix.lower() not in (".md", ".json", ".jsonl") or "\0" in where:
        talk.refuse("Give a file: .md or .json for this conversation, .jsonl for all of them.\n")
        return
    try:
        if path.suffix.lower() == ".jsonl":
            _export_all(talk, path)
        else:
            _export_this(talk, path)
    except OSError as error:
        told = "it is there already" if isinstance(error, FileExistsError) else error.strerror
        talk.refuse(f"{on_a_line(str(path))} cannot be written: {told}. Give another name.\n")


def _export_all(talk: Talk, path: Path) -> None:
    def tell(progress: Progress) -> None:
        talk.screen.progress(f"  {progress.done} of {progress.total} conversations")

    name = on_a_line(str(path))
    try:
        done = export_conversations(talk.client, path, progress=tell)
    except KeyboardInterrupt:
        talk.screen.note(f"Stopped. What was read is in {name}; the same again goes on.\n")
        return
    gone = f"; {done.gone} were deleted meanwhile" if done.gone else ""
    talk.screen.note(f"Conversations in {name}: {done.written} newly read, {done.unchanged} there already{gone}\n")


def _export_this(talk: Talk, path: Path) -> None:
    if not talk.conversation_id:
        talk.refuse("The conversation has not begun.\n")
        return
    if path.exists():
        raise FileExistsError
    kept: list[StoredMessage] = []
    try:
        while page := talk.client.history(talk.conversation_id, limit=_AT_ONCE, before=kept):
            kept[:0] = page
            if len(page) < _AT_ONCE:
                break
            talk.screen.progress(f"  {len(kept)} messages")
    except KeyboardInterrupt:
        talk.screen.note("Stopped, and nothing was written: only .jsonl goes on where it was.\n")
        return
    told = _as_json(talk, kept) if path.suffix.lower() == ".json" else _as_markdown(talk, kept)
    with open(path, "x", encoding="utf-8", opener=_for_the_owner) as file:
        file.write(told)
    talk.screen.note(f"{len(kept)} messages are in {on_a_line(str(path))}\n")


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _named(talk: Talk) -> str:
    """Return the name of the conversation; "" if it has none, or stands too far down in the list of them."""
    listed = talk.listed
    with suppress(BotError):  # what was said is worth more than its name
        listed = [*listed, *talk.client.conversations(limit=_AT_ONCE)]
    return next((one.name for one in listed if one.conversation_id == talk.conversation_id), "")


def _as_markdown(talk: Talk, kept: list[StoredMessage]) -> str:
    named, id_ = _inert(on_a_line(_named(talk), 200)), _inert(on_a_line(talk.conversation_id))
    begun = ", ".join(filter(None, (f"Conversation {id_}", when(kept[0].created_at) if kept else "")))
    parts = [f"# {named}\n\n{begun}\n" if named else f"# {begun}\n"]
    for one in kept:
        parts.append(f"**{_SPEAKERS[one.role]}** {when(one.created_at)}\n\n{_fenced(printable(one.text))}\n")
        if one.sources:
            lines = (source_in_words(source) for source in one.sources)
            parts.append("Sources:\n\n" + "".join(f"{at}. {_inert(line)}\n" for at, line in enumerate(lines, 1)))
    return "\n".join(parts)


def _inert(words: str) -> str:
    """Return words that are no Markdown as Markdown shows them."""
    return _MARKS.sub(r"\\\g<0>", words)


def _fenced(text: str) -> str:
    """Return Markdown as it is; with HTML, pictures, or links elsewhere than to the web in it, as text in a fence."""
    if not _REACHES_OUT.search(text):
        return text
    fence = "~" * (2 + max(map(len, _FENCES.findall(text)), default=1))
    return f"{fence}\n{text}\n{fence}"


def _as_json(talk: Talk, kept: list[StoredMessage]) -> str:
    messages: list[dict[str, Any]] = [
        {
            "role": one.role,
            "text": one.text,
            "reasoning": one.reasoning,
            "message_id": one.message_id,
            "created_at": one.created_at,
            "rating": one.rating,
            "steps": [told_of(step) for step in one.steps],
            "sources": [source.raw for source in one.sources],
            "files": [media.raw for media in one.media],
            "error": one.error,
        }
        for one in kept
    ]
    return json.dumps({"conversation_id": talk.conversation_id, "messages": messages}, indent=2, default=str) + "\n"
