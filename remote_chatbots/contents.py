"""The bytes of a file, wherever they are: they are handed out slice by slice, so that nobody holds them twice."""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from remote_chatbots.errors import BotUsageError

SLICE_BYTES = 192 * 1024  # a multiple of three, so that a slice is whole in base64 too


class Content(Protocol):
    """Bytes of a known number, that can be read slice by slice, from the beginning each time."""

    def __len__(self) -> int:
        """Return how many bytes there are."""

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """Yield the bytes, `SLICE_BYTES` at a time."""


@dataclass(frozen=True, slots=True)
class Octets:
    """Bytes in memory; not copied."""

    data: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        view = memoryview(self.data)
        return (view[at : at + SLICE_BYTES] for at in range(0, len(view), SLICE_BYTES))


@dataclass(frozen=True)
class Base64Text:
    """Bytes in memory as base64, with or without line breaks and padding, of the usual alphabet or that of URLs.

    Attributes:
        text: A text that ends with the base64, or its ASCII bytes; not copied, unless it must be put right.
        begin: Where in it the base64 begins.

    Raises:
        BotUsageError: If it is no base64.
    """

    text: str | bytes = field(repr=False)
    begin: int = 0

    def __post_init__(self) -> None:
        if not self._is_whole():
            rest = self.text[self.begin :]
            plain = "".join((rest if isinstance(rest, str) else rest.decode("latin-1")).split())
            plain = plain.translate(_OF_URLS).rstrip("=")
            object.__setattr__(self, "text", plain + "=" * (-len(plain) % 4))
            object.__setattr__(self, "begin", 0)
            if not self._is_whole():
                raise BotUsageError("files: the text is no base64. Give what base64.b64encode(…).decode() returns.")

    def __len__(self) -> int:
        end = self.text[max(self.begin, len(self.text) - 2) :]
        return (len(self.text) - self.begin) // 4 * 3 - (end.count("=") if isinstance(end, str) else end.count(b"="))

    def __iter__(self) -> Iterator[bytes | memoryview]:
        length = SLICE_BYTES // 3 * 4
        return (binascii.a2b_base64(self.text[at : at + length]) for at in range(self.begin, len(self.text), length))

    def _is_whole(self) -> bool:
        if (len(self.text) - self.begin) % 4:
            return False
        text, begin = self.text, self.begin
        return bool(_BASE64.fullmatch(text, begin) if isinstance(text, str) else _BASE64_BYTES.fullmatch(text, begin))


@dataclass(frozen=True)
class FileOnDisk:
    """The bytes of a file, read when they are asked for.

    Raises:
        BotUsageError: If it is not there, or no file; while it is read, if it has another length by now.
    """

    path: Path

    def __post_init__(self) -> None:
        try:
            there = self.path.is_file()
        except OSError:  # a name that is too long, a folder that nobody may look into
            there = False
        if not there:
            raise BotUsageError(f"files: there is no file {str(self.path)!r}. Give the path of one.")
        len(self)

    def __len__(self) -> int:
        return self._size_bytes

    def __iter__(self) -> Iterator[bytes | memoryview]:
        left_bytes = self._size_bytes
        try:
            with self.path.open("rb") as file:
                while slice_ := file.read(SLICE_BYTES):
                    left_bytes -= len(slice_)
                    if left_bytes < 0:
                        break
                    yield slice_
        except OSError as error:
            raise self._unreadable(error) from error
        if left_bytes:
            raise BotUsageError(f"files: {str(self.path)!r} has another length than when it was given. Give it again.")

    @cached_property
    def _size_bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> BotUsageError:
        return BotUsageError(f"files: {str(self.path)!r} cannot be read ({error.strerror}). Give a file that can be.")


@dataclass(frozen=True, slots=True)
class Joined:
    """Several contents, one after the other."""

    parts: tuple[Content, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[bytes | memoryview]:
        for part in self.parts:
            yield from part


@dataclass(frozen=True, slots=True)
class AsBase64:
    """A content in base64, as it stands inside JSON."""

    content: Content

    def __len__(self) -> int:
        return -(-len(self.content) // 3) * 4

    def __iter__(self) -> Iterator[bytes | memoryview]:
        return map(b64encode, self.content)


def head_of(content: Content) -> bytes:
    """Return the first bytes of a content, as many as tell its type.

    Raises:
        BotUsageError: If it holds none, but something else.
    """
    first = next(iter(content), b"")
    if not isinstance(first, (bytes, bytearray, memoryview)):
        raise BotUsageError(f"files: data must be bytes, not pieces of {type(first).__name__}. Give bytes, or a path.")
    return bytes(first[:HEAD_BYTES])


def digest_of(content: Content) -> str:
    """Return the SHA-256 of a content, in hex."""
    digest = hashlib.sha256()
    for slice_ in content:
        digest.update(slice_)
    return digest.hexdigest()


HEAD_BYTES = 4096
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_BASE64_BYTES = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_OF_URLS = str.maketrans("-_", "+/")
