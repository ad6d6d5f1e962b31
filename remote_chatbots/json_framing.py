"""Bytes to frames, where a server streams bare JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator

from remote_chatbots.framing import Frame, too_large

_GAP = re.compile(rb"(?:[\s,]|data:|\[DONE\]|\xef\xbb\xbf)*")
_SAYS_NOTHING = re.compile(rb":|(?:event|id|retry):")
_IN_STRING = re.compile(rb'["\\\r\n]')
_IN_OBJECT = re.compile(rb'["{}]')
_NEXT_LINE = re.compile(rb"[\r\n]+data:")


class JSONFramer:
    """JSON objects, however a server separates them: by `data:` prefixes, lines, blank lines, or not at all.

    Between objects may stand a `data:`, white space, commas, comments, other fields of server-sent events and the
    literal `[DONE]`. Any other line is a frame as well, so that whoever reads it can say what it is.

    Args:
        max_event_bytes: The largest object that is taken.
        platform: With which an error's message begins.

    Raises:
        BotProtocolError: From `feed`, if an object grows larger than that.
    """

    def __init__(self, max_event_bytes: int, platform: str = "") -> None:
        self._max_event_bytes = max_event_bytes
        self._platform = platform
        self._between = b""  # the beginning of a line that is no object
        self._object: list[bytes] = []  # whose end has not come; joined once
        self._object_bytes = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the frames that `chunk` completes.

        Raises:
            BotProtocolError: If an object grows larger than `max_event_bytes`.
        """
        chunk, self._between = self._between + chunk, b""
        at = 0
        while at < len(chunk):
            if not self._depth:
                at = _GAP.match(chunk, at).end()  # type: ignore[union-attr]  # an empty gap matches as well
                end_of_line = chunk.find(b"\n", at)
                if chunk[at : at + 1] != b"{":
                    if end_of_line < 0:
                        self._between = chunk[at:]
                        self._bound(len(self._between))
                        return
                    line = chunk[at:end_of_line].rstrip()
                    at = end_of_line + 1
                    if not _SAYS_NOTHING.match(line):
                        self._bound(len(line))
                        yield Frame("", line)
                    continue
                small = 0 <= end_of_line - at <= self._max_event_bytes
                line = chunk[at:end_of_line].rstrip() if small else b""
                if line[-1:] == b"}" and line.count(b"{") == 1 and line.count(b"}") == 1:
                    # A line, an object, and nothing nested in it: as nearly all frames are.
                    yield Frame("", line)
                    at = end_of_line + 1
                    continue
            end = self._scanned(chunk, at)
            self._keep(chunk[at:end])
            at = end
            if not self._depth:
                yield Frame("", self._taken())

    def close(self) -> Iterator[Frame]:
        """Yield what the end of the body leaves: an object or a line that never ended, marked incomplete."""
        rest = self._taken() + self._between.strip()
        self._between, self._depth = b"", 0
        if rest and not _SAYS_NOTHING.match(rest):
            yield Frame("", rest, complete=False)

    def _scanned(self, chunk: bytes, at: int) -> int:
        """Return where the object under way ends in `chunk`, or else where the chunk does."""
        if self._escaped:
            self._escaped = False
            at += 1
        while found := (_IN_STRING if self._in_string else _IN_OBJECT).search(chunk, at):
            at, mark = found.end(), found.group()
            if mark == b'"':
                self._in_string = not self._in_string
            elif mark == b"\\":
                self._escaped = at == len(chunk)
                at += 1
            elif mark == b"{":
                self._depth += 1
            else:
                # The object ends; or it is broken, because no string holds the end of a line: the next may be whole.
                self._depth = self._depth - 1 if mark == b"}" else 0
                self._in_string = False
                if not self._depth:
                    return at
        return len(chunk)

    def _keep(self, part: bytes) -> None:
        self._object.append(part)
        self._object_bytes += len(part)
        self._bound(self._object_bytes)

    def _taken(self) -> bytes:
        data = b"".join(self._object)
        self._object, self._object_bytes = [], 0
        # An object that was printed over several lines has a `data:` before each.
        return _NEXT_LINE.sub(b"\n", data) if b"\n" in data else data

    def _bound(self, size_bytes: int) -> None:
        if size_bytes > self._max_event_bytes:
            raise too_large("an event of the stream", self._max_event_bytes, self._platform)
