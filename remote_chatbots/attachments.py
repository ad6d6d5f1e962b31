"""Files that go with a question: by their bytes, an address, or the id of an upload."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import basename, splitext
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from remote_chatbots.contents import Base64Text, Content, FileOnDisk, Octets, head_of
from remote_chatbots.errors import BotUsageError
from remote_chatbots.file_types import extension_of, type_of
from remote_chatbots.question import check, half_a_character_in

if TYPE_CHECKING:
    from os import PathLike

AttachmentKind = Literal["image", "document", "audio", "video", "custom"]
ATTACHMENT_KINDS: tuple[str, ...] = ("image", "document", "audio", "video", "custom")
_NO_TYPE = re.compile(r"[^ -~]")
_DATA_URL = re.compile(r"data:(?P<type>[^;,]*)(?:;[^;,=]*=[^;,]*)*(?P<base64>;base64)?,", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a question: one the server can fetch, one that was uploaded before, or its bytes.

    `from_path`, `from_bytes`, `from_base64` and `from_url` find out the kind and the type by themselves.

    Attributes:
        kind: "image", "document", "audio", "video" or "custom".
        url: Where the server finds the file; or
        file_id: The id that the platform's upload call returned, to the same user; or
        data: The file's bytes, or a `Content` that reads them. Not in `repr`.
        name: The file's name with its extension, which tells servers the type; "" if it is not known.
        width_px: An image's width in pixels; None if it is not known.
        height_px: An image's height in pixels; None if it is not known.
        mime_type: The file's media type; "" if it is not known.

    Raises:
        BotUsageError: If the kind is unknown, a text is none, or there is not exactly one of `url`, `file_id`, `data`.
    """

    kind: AttachmentKind
    url: str = ""
    file_id: str = ""
    data: bytes | Content = field(default=b"", repr=False)
    name: str = ""
    width_px: int | None = None
    height_px: int | None = None
    mime_type: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ATTACHMENT_KINDS:
            raise BotUsageError(f"files: kind must be one of {', '.join(ATTACHMENT_KINDS)}. Give one of these.")
        for field_name in ("url", "file_id", "name", "mime_type"):
            value = getattr(self, field_name)
            check(isinstance(value, str), f"files: {field_name}", "a string", type(value))
            if half_a_character_in(value) or (field_name == "mime_type" and _NO_TYPE.search(value)):
                raise BotUsageError(f"files: {field_name} holds a character that it cannot have. Give it without.")
        if sum(map(bool, (self.url, self.file_id, self.data))) != 1:
            raise BotUsageError("files: give exactly one of url, file_id and data, and no empty file.")

    @classmethod
    def from_bytes(
        cls, data: bytes | Content, *, name: str = "", mime_type: str = "", kind: AttachmentKind | None = None
    ) -> Attachment:
        """Return a file of these bytes.

        Args:
            data: The bytes.
            name: The file's name. Default: its kind, and the extension of its type.
            mime_type: The file's media type. What its bytes say goes before it, where they say something.
            kind: Default: by the type.

        Raises:
            BotUsageError: If there are no bytes.
        """
        given = isinstance(data, (bytes, bytearray, memoryview))
        held = hasattr(data, "__len__") and not isinstance(data, (str, type))
        check(given or held, "files: data", "bytes", type(data))
        _check_names(name, mime_type)
        content = Octets(bytes(data)) if isinstance(data, (bytes, bytearray, memoryview)) else data
        mime_type = type_of(head_of(content), declared=mime_type, name=name)
        return cls(kind or _kind_of(mime_type), data=content, name=basename(name), mime_type=mime_type)

    @classmethod
    def from_base64(
        cls, text: str, *, name: str = "", mime_type: str = "", kind: AttachmentKind | None = None
    ) -> Attachment:
        """Return a file of the bytes that `text` stands for, which are made when they are sent; as `from_bytes`.

        Raises:
            BotUsageError: If it is no base64.
        """
        check(isinstance(text, (str, bytes)), "files: base64", "a string", type(text))
        return cls.from_bytes(Base64Text(text), name=name, mime_type=mime_type, kind=kind)

    @classmethod
    def from_path(
        cls, path: str | PathLike[str], *, name: str = "", mime_type: str = "", kind: AttachmentKind | None = None
    ) -> Attachment:
        """Return a file on this machine, which is read when it is sent; as `from_bytes`.

        Raises:
            BotUsageError: If it is not there, or cannot be read.
        """
        check(isinstance(path, str) or hasattr(path, "__fspath__"), "files: path", "a path", type(path))
        file = Path(path)
        readable = file.name.encode(errors="replace").decode()  # a disk may hold names that are no text
        return cls.from_bytes(FileOnDisk(file), name=name or readable, mime_type=mime_type, kind=kind)

    @classmethod
    def from_url(
        cls, url: str, *, name: str = "", mime_type: str = "", kind: AttachmentKind | None = None
    ) -> Attachment:
        """Return a file that the server fetches from `url`; of a `data:` URL, the file that is in it.

        Args:
            url: An address of http or https that the server can reach, or a `data:` URL.
            name: The file's name. Default: the last part of the address.
            mime_type: The file's media type. Default: by the name.
            kind: Default: by the type; "document" if that is not known.

        Raises:
            BotUsageError: If it is neither. A `file:` URL is not followed: give the path to `from_path`.
        """
        check(isinstance(url, str), "files: url", "a string", type(url))
        if found := _DATA_URL.match(url):
            if not found["base64"]:
                data = unquote_to_bytes(url[found.end() :])
                return cls.from_bytes(data, name=name, mime_type=mime_type or found["type"], kind=kind)
            data_in_it = Base64Text(url, begin=found.end())
            return cls.from_bytes(data_in_it, name=name, mime_type=mime_type or found["type"], kind=kind)
        if not url.lower().startswith(("http://", "https://")):
            raise BotUsageError("files: a url begins with https://, http:// or data:. Give such a one, or a path.")
        _check_names(name, mime_type)
        if not _host(url):
            raise BotUsageError("files: the url names no server. Give a whole one, like https://example.com/a.png.")
        by_name = type_of(b"", name=name or _last_part(url))
        known = type_of(b"", declared=mime_type, name=name or _last_part(url))
        return cls(kind or _kind_of(known), url=url, name=name, mime_type="" if known == by_name else known)

    @property
    def content(self) -> Content:
        """The file's bytes; none, if it has an address or an id."""
        return Octets(self.data) if isinstance(self.data, bytes) else self.data

    @property
    def file_name(self) -> str:
        """The name, with the extension of its type where it has none; bytes without a name are named by their kind."""
        name = self.name or (_last_part(self.url) if self.url else self.kind)
        return name if not name or splitext(name)[1] else name + extension_of(self.media_type)

    @property
    def media_type(self) -> str:
        """The media type; where none is given, what the bytes or the name say."""
        return self.mime_type or type_of(head_of(self.content), name=self.name or _last_part(self.url))


def _check_names(name: object, mime_type: object) -> None:
    check(isinstance(name, str), "files: name", "a string", type(name))
    check(isinstance(mime_type, str), "files: mime_type", "a string", type(mime_type))


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _last_part(url: str) -> str:
    return basename(unquote(urlsplit(url).path)) if _host(url) else ""


def _kind_of(mime_type: str) -> AttachmentKind:
    family = mime_type.partition("/")[0]
    return cast("AttachmentKind", family) if family in ("image", "audio", "video") else "document"
