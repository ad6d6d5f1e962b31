"""A user's conversations in a file, one a line; done again, it reads only what has changed."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Generator
from contextlib import closing, nullcontext
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from remote_chatbots.bulk.askable import Askable
from remote_chatbots.bulk.progress import Shown, check, shown
from remote_chatbots.bulk.written import line_of
from remote_chatbots.client import AsyncBotClient, BotClient
from remote_chatbots.concealing import concealed
from remote_chatbots.errors import BotNotFoundError, BotUsageError
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.stored import StoredConversation


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to, in conversations.

    Attributes:
        written: How many were read and written.
        unchanged: How many were in the file already, as they are now.
        gone: How many were deleted while the export ran.
    """

    written: int = 0
    unchanged: int = 0
    gone: int = 0


def export_conversations(
    bot: Askable, path: str | PathLike[str], *, user: str = "", progress: Shown = False
) -> Exported:
    """Write all conversations of a user, with their messages, to a JSONL file: one conversation a line.

    A line holds "conversation" and "messages", the fields of `StoredConversation` and `StoredMessage` without what the
    server sent raw, and "read_at" (Unix seconds). One conversation at a time is held in memory, and written before the
    next is read. With the same file an export that broke off goes on, and one that was whole is brought up to date:
    conversations that the server says nothing new of are not read again, those that it has no longer stay in the file.
    What changes without a new time there (a rating) is not noticed, and a server that tells no time of the last message
    (Dify before 0.10) is read anew.

    Args:
        bot: A bot, a client of it, or a model of LangChain or LlamaIndex.
        path: The file; it is made if it is not there.
        user: Whose conversations. Default: the client's or model's user.
        progress: True for a bar (tqdm), or a function that is called with a `Progress` for each conversation.

    Returns:
        How many were written, unchanged, gone.

    Raises:
        BotUsageError: If the platform lists no conversations, or the file holds something else.
        BotError: If the server cannot be read; what was written by then stays.
    """
    bot = concealed("bot", bot)
    check(progress)
    with (
        _client_of(bot, BotClient, "_sync_client") as client,
        closing(_exporting(path, user or _user_of(bot, client), progress)) as work,
    ):
        try:
            call = next(work)
            while True:
                try:
                    outcome = getattr(client, call.name)(**call.given)
                except BotNotFoundError as error:
                    call = work.throw(error)
                else:
                    call = work.send(outcome)
        except StopIteration as over:
            exported: Exported = over.value
            return exported


async def aexport_conversations(
    bot: Askable, path: str | PathLike[str], *, user: str = "", progress: Shown = False
) -> Exported:
    """Do as `export_conversations`, with the same arguments, results and errors.

    The file is read and written in the event loop itself: at once, but for one of many megabytes that is begun with.
    """
    bot = concealed("bot", bot)
    check(progress)
    async with _client_of(bot, AsyncBotClient, "_loop_client") as client:
        with closing(_exporting(path, user or _user_of(bot, client), progress)) as work:
            try:
                call = next(work)
                while True:
                    try:
                        outcome = await getattr(client, call.name)(**call.given)
                    except BotNotFoundError as error:
                        call = work.throw(error)
                    else:
                        call = work.send(outcome)
            except StopIteration as over:
                exported: Exported = over.value
                return exported


class _Call(NamedTuple):
    """A call of the client, which has one name in both colours."""

    name: str
    given: dict[str, Any]


def _exporting(path: str | PathLike[str], user: str, progress: Shown) -> Generator[_Call, Any, Exported]:
    """Yield the calls that an export makes of a client; take what each gives, and that a conversation is not there."""
    conversations = yield _Call("conversations", {"user": user})
    counts: Counter[str] = Counter()
    with _opened(path) as file, shown(progress, len(conversations), "conversation") as tell:
        written = _Written.in_file(file)
        for conversation in conversations:
            word = yield from _export(user, conversation, file, written)
            counts[word] += 1
            tell(word)
        os.fsync(file.fileno())
        if written.outdated:
            _tidied(file, written, Path(path))
    return Exported(**counts)


def _export(
    user: str, conversation: StoredConversation, file: BinaryIO, written: _Written
) -> Generator[_Call, Any, str]:
    if written.has(conversation):
        return "unchanged"
    read_at = time.time()
    try:
        messages = yield _Call("history", {"conversation_id": conversation.conversation_id, "user": user})
    except BotNotFoundError:
        return "gone"
    told = {
        "conversation": _plain(conversation),
        "messages": [_plain(message) for message in messages],
        "read_at": read_at,
    }
    line = line_of(told, _plain).encode()
    at = file.seek(0, os.SEEK_END)
    file.write(line)
    file.flush()
    written.note(told, at)
    return "written"


@dataclass(frozen=True, slots=True)
class _Line:
    """What is to know of a line.

    Attributes:
        at: Where it begins.
        updated_at: The server's time of the conversation's last change, as it was then.
        read_at: When its messages were read.
        under_way: Whether its last answer had not come by then.
    """

    at: int
    updated_at: int | None
    read_at: float
    under_way: bool


class _Written:
    """What is in the file: of each conversation, where its newest line begins, and what it says of its age."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self.outdated = 0

    @classmethod
    def in_file(cls, file: BinaryIO) -> _Written:
        """Return what `file` holds; a line that was cut off at its end is removed.

        Raises:
            BotUsageError: If it holds something else.
        """
        written, whole = cls(), 0
        for line in file:
            if not line.endswith(b"\n") and (whole or line.startswith(_BEGINS[: len(line)])):
                break
            try:
                written.note(json.loads(line), whole)
            except (ValueError, KeyError, TypeError):
                raise BotUsageError(
                    f"{file.name} is no export of conversations (byte {whole}). Give another path."
                ) from None
            whole += len(line)
        file.truncate(whole)
        return written

    @property
    def places(self) -> list[int]:
        """Where the lines that count begin."""
        return sorted(line.at for line in self._lines.values())

    def note(self, told: dict[str, Any], at: int) -> None:
        """Take the line that begins at `at`."""
        conversation = told["conversation"]
        self.outdated += conversation["conversation_id"] in self._lines
        last = told["messages"][-1] if told["messages"] else None
        under_way = last is not None and last["role"] == "assistant" and not (last["text"] or last["error"])
        self._lines[conversation["conversation_id"]] = _Line(at, conversation["updated_at"], told["read_at"], under_way)

    def has(self, conversation: StoredConversation) -> bool:
        """Return whether the file has a conversation as it is now."""
        line = self._lines.get(conversation.conversation_id)
        changed_at = conversation.updated_at
        if line is None or line.under_way or changed_at is None:
            return False
        return line.updated_at == changed_at and line.read_at >= changed_at + _SETTLED_S


def _tidied(file: BinaryIO, written: _Written, path: Path) -> None:
    """Leave of each conversation its newest line."""
    tidy = path.with_name(path.name + ".tidy")
    with tidy.open("wb") as new:
        tidy.chmod(0o600)
        for at in written.places:
            file.seek(at)
            new.write(file.readline())
        new.flush()
        os.fsync(new.fileno())
    tidy.replace(path)


# A message is listed a moment after its conversation has the new time, up to a second by what they say of themselves
# (recorded: messages-with-feedback, conversations-page-2); and servers count whole seconds.
_SETTLED_S = 2
_BEGINS = b'{"conversation": {"conversation_id": '


def _opened(path: str | PathLike[str]) -> BinaryIO:
    made = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    return cast("BinaryIO", open(made, "r+b"))  # noqa: PTH123  the caller closes it


def _plain(value: Any) -> Any:
    """Return a value of ours as JSON takes it, without what the server sent raw, and without bytes."""
    if hasattr(value, "__dataclass_fields__"):
        names = [one.name for one in fields(value) if one.name not in ("raw", "data")]
        return {name: getattr(value, name) for name in names}
    return str(value)


def _client_of(bot: Askable, kind: type[BotClient | AsyncBotClient], of_model: str) -> Any:
    """Return what gives a client of a kind (a model's, by its method `of_model`), and closes it if it was made here."""
    if isinstance(bot, kind):
        return nullcontext(bot)
    if isinstance(bot, (BotClient, AsyncBotClient)):
        return kind(bot.bot, user=bot.user, timeout=bot.timeouts)
    if hasattr(bot, of_model):
        return nullcontext(getattr(bot, of_model)())
    return kind(cast("BotProtocol", bot))


def _user_of(bot: Askable, client: BotClient | AsyncBotClient) -> str:
    return client.user or str(getattr(bot, "user", ""))
