"""What a client can do with files beside asking with them."""

from __future__ import annotations

from os import PathLike

from remote_chatbots.arguments import refusals_of
from remote_chatbots.attachments import Attachment
from remote_chatbots.management import AsyncCaller, Caller


class FileCalls(Caller):
    """The calls of `BotClient` that move files."""

    def upload(self, file: Attachment | bytes | str | PathLike[str], *, user: str = "") -> Attachment:
        """Upload a file now, and return it as one that goes with questions of the same user.

        Files that go with a question are uploaded by themselves; this is for one that is to go with many.

        Args:
            file: The file, its bytes, or its path on this machine.
            user: Whose file it is: nobody else can ask with it. Default: the client's.

        Returns:
            An `Attachment` with the server's `file_id`.

        Raises:
            BotUsageError: If the platform has no uploads (GPTBots: files go with the message), or it is no file.
            BotRejectedError: If it is too large (413), or of a type that the server does not take (415).
        """
        found: Attachment = self._call("upload", file_of(file, self.bot.name), user=user or self.user)
        return found

    def download(self, file_id: str, *, user: str = "", most_bytes: int | None = None) -> bytes:
        """Return the bytes of a file that some message refers to (Dify from 1.8, of August 2025).

        Args:
            file_id: The id that the upload returned, or that a message's file has as `upload_file_id`.
            user: Who asks. Default: the client's.
            most_bytes: No larger file is taken, in bytes. Default: the bot's `max_event_bytes`, 16 MiB.

        Raises:
            BotUsageError: If the platform does not offer it.
            BotNotFoundError: If no message refers to the file, or the server is older.
            BotProtocolError: If the file is larger.
        """
        found: bytes = self._call("download", file_id, user=user or self.user, most_bytes=most_bytes)
        return found


class AsyncFileCalls(AsyncCaller):
    """The calls of `AsyncBotClient` that move files: those of `FileCalls`, to be awaited."""

    async def upload(self, file: Attachment | bytes | str | PathLike[str], *, user: str = "") -> Attachment:
        """Upload a file: as `BotClient.upload`."""
        found: Attachment = await self._call("upload", file_of(file, self.bot.name), user=user or self.user)
        return found

    async def download(self, file_id: str, *, user: str = "", most_bytes: int | None = None) -> bytes:
        """Return the bytes of a file: as `BotClient.download`."""
        found: bytes = await self._call("download", file_id, user=user or self.user, most_bytes=most_bytes)
        return found


def file_of(given: Attachment | bytes | str | PathLike[str], platform: str) -> Attachment:
    """Return a file, its bytes, or its path, as a file.

    Raises:
        BotUsageError: If it is none; the message begins with `platform`.
    """
    if isinstance(given, Attachment):
        return given
    with refusals_of(platform):
        return Attachment.from_bytes(given) if isinstance(given, bytes) else Attachment.from_path(given)
