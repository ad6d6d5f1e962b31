"""The speech of one answer: its pieces are cut anywhere, and one file together."""

from __future__ import annotations

from base64 import b64encode

from remote_chatbots.events import MediaProduced
from remote_chatbots.file_types import type_of

_WHOLE_BYTES = 3  # so many are four letters of base64 without padding


class SpeechSoFar:
    """Adds up the pieces, and hands them on in base64 that may be glued as it is: padding stands at its end alone."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._told_bytes = 0
        self.mime_type = ""

    def __len__(self) -> int:
        return len(self._data)

    def take(self, piece: MediaProduced) -> str:
        """Take the next piece; return, in base64, what is new and may be told already."""
        if not self:
            self.mime_type = piece.mime_type or type_of(piece.data)
        self._data += piece.data
        return self._tell(len(self._data) // _WHOLE_BYTES * _WHOLE_BYTES)

    def rest(self) -> str:
        """Return what was held back, once no more can come."""
        return self._tell(len(self._data))

    def whole(self) -> str:
        """Return all of it in base64."""
        return b64encode(self._data).decode()

    def first(self, n_bytes: int) -> bytes:
        """Return what it began with."""
        return bytes(self._data[:n_bytes])

    def _tell(self, end: int) -> str:
        told = b64encode(memoryview(self._data)[self._told_bytes : end]).decode()
        self._told_bytes = end
        return told
