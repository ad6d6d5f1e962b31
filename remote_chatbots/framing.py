"""Bytes to frames. A framer knows chunks, lines and their ends; it knows no platform."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, repeat
from math import isfinite
from typing import Any, NamedTuple, Protocol

from remote_chatbots.errors import BotProtocolError


class Frame(NamedTuple):
    """One event of a stream.

    Attributes:
        event: The name of its `event:` line; "" if it had none.
        data: Its data lines, joined by newlines.
        complete: False for what stood at the end of a body without the blank line that ends an event.
    """

    event: str
    data: bytes
    complete: bool = True


# Frames come by the thousand, and the constructor that NamedTuple writes takes twice as long as this.
_frame_of: Callable[[tuple[str, bytes, bool]], Frame] = partial(tuple.__new__, Frame)


class Framer(Protocol):
    """Cuts a body into frames, wherever the network cut it into chunks."""

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the frames that `chunk` completes."""

    def close(self) -> Iterator[Frame]:
        """Yield what the end of the body leaves."""


class SSEFramer:
    """Server-sent events, by the WHATWG standard, on bytes.

    Lines end in LF, CRLF or CR and nothing else: U+2028 and U+0085 are text (Dify 1.14 sends them raw, recorded:
    1.14.2/chat-stream-markdown-tricky). An event without data (a bare `event: ping`) is no frame.

    Args:
        max_event_bytes: The largest event that is taken.
        platform: With which an error's message begins.

    Raises:
        BotProtocolError: From `feed`, if an event grows larger than that.
    """

    def __init__(self, max_event_bytes: int, platform: str = "") -> None:
        self._max_event_bytes = max_event_bytes
        self._platform = platform
        self._rest = bytearray()  # of a line whose end has not come
        self._after_cr = False
        self._at_start = True
        self._event = ""
        self._data: bytearray | None = None  # the event's data lines so far, joined by newlines

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the frames that `chunk` completes.

        Raises:
            BotProtocolError: If an event grows larger than `max_event_bytes`.
        """
        if self._after_cr and chunk:
            # The LF of a CRLF that the network cut in two is no line of its own.
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            return self._feed_lines(chunk)
        if self._rest and b"\n" not in chunk:
            return self._feed_part(chunk)  # joined once, or a long line costs its square
        return self._feed_plain(chunk)

    def _feed_part(self, chunk: bytes) -> Iterator[Frame]:
        self._keep(chunk)
        yield from ()

    def _feed_lines(self, chunk: bytes) -> Iterator[Frame]:
        lines = (self._with_rest(chunk) if self._rest else chunk).splitlines(keepends=True)
        self._after_cr = lines[-1].endswith(b"\r")
        rest = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        for line in lines:
            frame = self._line(line.rstrip(b"\r\n"))
            if frame is not None:
                yield frame
        self._keep(rest)

    def _feed_plain(self, chunk: bytes) -> Iterator[Frame]:
        """Take a chunk whose lines end in LF alone, as nearly all do: cut at blank lines, not line by line."""
        text = self._with_rest(chunk) if self._rest else chunk
        end = text.rfind(b"\n\n")
        if 6 <= end <= self._max_event_bytes and text.startswith(b"data: ") and self._data is None and not self._event:
            datas = text[6:end].split(b"\n\ndata: ")
            if text.count(b"\n", 0, end) == 2 * (len(datas) - 1):
                # Nothing but events of one data line each: one cut makes them all.
                self._at_start = False
                frames = map(_frame_of, zip(repeat(""), datas, repeat(True)))
                return chain(frames, self._feed_lines(text[end + 2 :])) if end + 2 < len(text) else frames
        return self._feed_lines(text) if text else iter(())

    def close(self) -> Iterator[Frame]:
        """Yield what the end of the body leaves: an event whose blank line never came, marked incomplete."""
        if self._rest:
            self._line(bytes(self._rest))
        frame = self._line(b"")
        if frame is not None:
            yield frame._replace(complete=False)

    def _with_rest(self, chunk: bytes) -> bytes:
        rest, self._rest = self._rest, bytearray()
        return b"".join((rest, chunk))

    def _keep(self, part: bytes) -> None:
        self._rest += part
        self._bound(len(self._rest) + len(self._data or b""))

    def _line(self, line: bytes) -> Frame | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            if self._data is None:
                self._data = bytearray(value)
            else:
                self._data += b"\n" + value
            self._bound(len(self._data))
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        return None

    def _dispatch(self) -> Frame | None:
        frame = None if self._data is None else Frame(self._event, bytes(self._data))
        self._event, self._data = "", None
        return frame

    def _bound(self, size_bytes: int) -> None:
        if size_bytes > self._max_event_bytes:
            raise too_large("an event of the stream", self._max_event_bytes, self._platform)


def _loads(data: bytes | str) -> Any:
    """Bring the parser in at its first use, in place of this: a face imports what its framework does, and no more."""
    global _loads  # noqa: PLW0603
    from orjson import loads as _loads

    return _loads(data)


def parse_json(data: bytes) -> Any:
    """Return the JSON value in `data`.

    What orjson refuses but servers have been known to send (NaN, lone surrogates, a broken UTF-8 sequence, a
    byte order mark) is read leniently: NaN and 1e999 become None, broken characters become U+FFFD.

    Raises:
        ValueError: If `data` is no JSON value.
    """
    try:
        return _loads(data)
    except ValueError:
        pass
    return _read_leniently(data)


def _read_leniently(data: bytes) -> Any:
    try:
        value = json.loads(data.decode("utf-8-sig", "replace"), parse_constant=lambda _: None, parse_float=_finite)
        # A lone surrogate passes json, but no encoder that comes later.
        return _loads(re.sub("[\ud800-\udfff]", "\ufffd", json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        problem = "nested too deeply"
    except ValueError:
        problem = "no JSON"
    # Outside the except: a parser's error holds the text, and some pickles take contexts along.
    raise ValueError(problem)


def _finite(written: str) -> float | None:
    value = float(written)
    return value if isfinite(value) else None


def too_large(what: str, limit_bytes: int, platform: str) -> BotProtocolError:
    """Return the error of something that is larger than `max_event_bytes`."""
    told = f"{what} is larger than max_event_bytes ({limit_bytes}). Raise it if so much is meant to come at once."
    return BotProtocolError.of(platform, told)
