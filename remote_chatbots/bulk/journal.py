"""The journal of a long run: what was asked, and what came of it, so that another run goes on where it ended.

A file of JSON lines, appended to and never changed. Each is one event of one question:

    {"journal": "remote_chatbots.bulk", "version": 1, "bot": "dify:…"}      the first line
    {"id": "7", "asked": digest, "since": server's time}                    before it is posted; on the disk by then
    {"id": "7", "put_off": true}                                            the server did not take it: not asked
    {"id": "7", "begun": {ids}}                                             as the server tells them
    {"id": "7", "answered" | "refused" | "failed" | "unknown": {…}, …}      what it came to

A killed process loses nothing that was written. A machine that loses power may lose what came in the last moments,
but no "asked": a question is posted after its line is on the disk (fsync, one for all that wait at a time).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, TypeVar

from remote_chatbots.bulk.questions import Item
from remote_chatbots.bulk.written import line_of
from remote_chatbots.errors import BotUsageError

try:
    import fcntl
except ImportError:  # Windows has no such lock
    fcntl = None  # type: ignore[assignment]

_KIND, _VERSION = "remote_chatbots.bulk", 1
_NO_JOURNAL = "is no journal of this version. Give another path."
_DAMAGED = "is damaged at byte {}. Cut the file off there, or give another path."

T = TypeVar("T")
ENDS = ("answered", "refused", "failed", "unknown")


@dataclass(slots=True)
class Entry:
    """What the journal knows of a question.

    Attributes:
        digest: Which question.
        state: "asked", "put_off", or what it came to.
        since: The server's time, in Unix seconds, before it was posted, as far as it was known.
        ids: The ids that the server told.
        at: Where the line that tells what it came to begins.
    """

    digest: str
    state: str
    since: float = 0.0
    ids: dict[str, Any] = field(default_factory=dict)
    at: int = -1


class Journal:
    """A journal that is being read and written, by this process alone.

    Args:
        path: The file; it is made if it is not there, for its owner alone to read.
        bot_id: Whose it is.

    Raises:
        BotUsageError: If it cannot be opened, is no journal, is damaged, is another bot's, or another process has it.
    """

    def __init__(self, path: str | PathLike[str], bot_id: str) -> None:
        try:
            self._path = fspath(path)
        except TypeError:
            raise BotUsageError(f"journal must be a path, not {type(path).__name__}. Give a file's.") from None
        self.entries: dict[str, Entry] = {}
        self._written = self._on_disk = 0
        self._syncing = asyncio.Lock()
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise BotUsageError(
                f"The journal {self._path!r} cannot be opened ({why}). Give a file that may be written, in a folder "
                "that is there."
            ) from error
        try:
            self._lock()
            self._read(bot_id)
        except BaseException:
            self.close()
            raise

    def entry(self, item: Item) -> Entry | None:
        """Return what is known of a question; None if nothing is.

        Raises:
            BotUsageError: If what is known under its id is another question's.
        """
        entry = self.entries.get(item.id)
        if entry is not None and entry.digest != item.digest:
            raise self._wrong(
                f"is one of other questions: {item.id!r} was another one, or another user's. Give the questions that "
                "it was begun with, or another journal."
            )
        return entry

    def end_of(self, entry: Entry, of: Callable[[dict[str, Any]], T]) -> T:
        """Return what `of` makes of the line that tells what a question came to.

        Raises:
            BotUsageError: If it can make nothing of it: somebody else wrote there.
        """
        with open(self._path, "rb") as file:  # noqa: PTH123  the path may be of any kind
            file.seek(entry.at)
            line = file.readline()
        try:
            return of(json.loads(line))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            raise self._wrong(_DAMAGED.format(entry.at)) from None

    async def asked(self, item: Item, since: float) -> None:
        """Note that a question is about to be posted; it is on the disk when this returns."""
        self._write({"id": item.id, "asked": item.digest, "since": since})
        mine = self._written
        async with self._syncing:
            if self._on_disk < mine:
                upto = self._written
                await asyncio.to_thread(os.fsync, self._file)
                self._on_disk = upto

    def put_off(self, item: Item) -> None:
        """Note that the server did not take a question."""
        self._write({"id": item.id, "put_off": True})

    def begun(self, item: Item, ids: Mapping[str, str]) -> None:
        """Note ids that the server told."""
        self._write({"id": item.id, "begun": dict(ids)})

    def ended(self, item: Item, status: str, told: Mapping[str, Any], **more: Any) -> None:
        """Note what a question came to.

        Args:
            item: The question.
            status: One of `ENDS`.
            told: The answer, or the error.
            **more: What else there is to keep.
        """
        self._write({"id": item.id, status: told, "digest": item.digest, **more})

    def close(self) -> None:
        """Let another process have it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self.close()

    def _write(self, event: dict[str, Any]) -> None:
        line = line_of(event).encode()
        at = self._written
        while line:  # a signal, or a disk that is nearly full, may cut a write short
            done = os.write(self._file, line)
            self._written += done
            line = line[done:]
        self._note(event, at)

    def _note(self, event: dict[str, Any], at: int) -> None:
        id_ = event["id"]
        if "asked" in event:
            self.entries[id_] = Entry(event["asked"], "asked", float(event["since"]))
        elif "put_off" in event:
            self.entries[id_].state = "put_off"
        elif "begun" in event:
            self.entries[id_].ids |= {name: _text(value) for name, value in event["begun"].items()}
        else:
            entry = self.entries.setdefault(id_, Entry(event["digest"], ""))
            entry.state, entry.at = next(state for state in ENDS if state in event), at

    def _read(self, bot_id: str) -> None:
        head = json.dumps({"journal": _KIND, "version": _VERSION, "bot": bot_id}).encode() + b"\n"
        whole = 0
        with open(self._path, "rb") as file:  # noqa: PTH123  the path may be of any kind
            for line in file:
                if not line.endswith(b"\n"):
                    if whole == 0 and not head.startswith(line):
                        raise self._wrong(_NO_JOURNAL)
                    break  # a process was killed while it wrote this: nothing followed from it
                self._take(line, whole, bot_id)
                whole += len(line)
        os.ftruncate(self._file, whole)
        self._written = self._on_disk = whole or os.write(self._file, head)

    def _take(self, line: bytes, at: int, bot_id: str) -> None:
        try:
            event = json.loads(line)
            if at > 0:
                self._note(event, at)
        except (AttributeError, ValueError, KeyError, TypeError, StopIteration):
            raise self._wrong(_DAMAGED.format(at) if at else _NO_JOURNAL) from None
        if at == 0:
            if not isinstance(event, dict) or (event.get("journal"), event.get("version")) != (_KIND, _VERSION):
                raise self._wrong(_NO_JOURNAL)
            if event.get("bot") != bot_id:
                raise self._wrong(f"is of the bot {event.get('bot')}, and this one is {bot_id}. Give another path.")

    def _lock(self) -> None:
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise self._wrong("is in use by another run. Wait for its end, or give another path.") from None

    def _wrong(self, what: str) -> BotUsageError:
        return BotUsageError(f"The journal {self._path} {what}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
