"""A recording that is to be written down: its bytes, and what they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from remote_chatbots.arguments import refusals_of
from remote_chatbots.attachments import Attachment
from remote_chatbots.contents import Content, FileOnDisk, Octets, head_of
from remote_chatbots.errors import BotUsageError
from remote_chatbots.file_types import type_of

if TYPE_CHECKING:
    from os import PathLike

Audio: TypeAlias = "Attachment | bytes | bytearray | str | PathLike[str]"


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording.

    Attributes:
        content: Its bytes.
        mime_type: What they are, told by the bytes themselves where they say it.
        name: The file's name; "" if it has none.
    """

    content: Content = field(repr=False)
    mime_type: str
    name: str = ""

    @classmethod
    def of(cls, audio: Audio, platform: str) -> Sound:
        """Return a recording.

        Args:
            audio: Its bytes, its path, or a file with its bytes.
            platform: With which an error's message begins.

        Raises:
            BotUsageError: If it is none of these, or empty.
        """
        name, declared = "", ""
        data: Any = audio
        content: Content
        if isinstance(audio, Attachment):
            data, name, declared = audio.data, audio.name, audio.mime_type
            if audio.url or audio.file_id:
                raise _refused(platform, "a recording is sent as its bytes. Give them, or the path of a file.")
        if isinstance(data, (bytes, bytearray, memoryview)):
            content = Octets(bytes(data))
        elif isinstance(data, str) or hasattr(data, "__fspath__"):
            with refusals_of(platform):
                content, name = FileOnDisk(Path(data)), Path(data).name
        elif hasattr(data, "__iter__") and hasattr(data, "__len__") and not isinstance(data, type):
            content = data
        else:
            what = type(audio).__name__
            raise _refused(platform, f"audio must be bytes, a path or an Attachment, not {what}. Give one of these.")
        if not len(content):
            raise _refused(platform, "the recording is empty. Give one with sound in it.")
        with refusals_of(platform):
            return cls(content, type_of(head_of(content), declared=declared, name=name), name)

    def check_size(self, most_bytes: int, platform: str) -> None:
        """Refuse a recording that is too large.

        Raises:
            BotUsageError: If it has more than `most_bytes`.
        """
        if len(self.content) > most_bytes:
            raise _refused(
                platform,
                f"the recording has {len(self.content)} bytes, and the platform takes at most {most_bytes}. Send it in "
                "parts, or compress it.",
            )


def _refused(platform: str, what: str) -> BotUsageError:
    return BotUsageError.of(platform, what)
