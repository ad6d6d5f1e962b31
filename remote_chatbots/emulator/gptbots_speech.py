"""Speech without a voice: a short sound whose file holds the text, so that it can be written down again."""

from __future__ import annotations

import io
import wave

_RATE_HZ = 8000
_TOKEN_S = 0.02
_LIST, _INFO, _COMMENT = b"LIST", b"INFO", b"ICMT"


def spoken(text: str) -> bytes:
    """Return a WAV file of silence, as long as the text is, with the text in its comment."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(_RATE_HZ)
        sound.writeframes(b"\x80" * int(seconds(text) * _RATE_HZ))
    data = _even(text.encode())
    chunk = _INFO + _COMMENT + len(data).to_bytes(4, "little") + data
    whole = out.getvalue() + _LIST + len(chunk).to_bytes(4, "little") + chunk
    return whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:]


def heard(sound: bytes) -> str:
    """Return the text of a sound that `spoken` made; of any other, how long the file is."""
    _, found, rest = sound.rpartition(_INFO + _COMMENT)
    if not found:
        return f"A sound of {len(sound)} bytes."
    length = int.from_bytes(rest[:4], "little")
    return rest[4 : 4 + length].rstrip(b"\x00").decode("utf-8", "replace")


def seconds(text: str) -> float:
    """Return how long the sound of a text is."""
    return _TOKEN_S * max(1, len(text.split()))


def _even(data: bytes) -> bytes:
    # A chunk of an odd length would need a byte that its length does not count.
    return data + b"\x00" * (len(data) % 2)
