"""Speech without a voice, as Dify sends it: a silent MP3 whose tag holds the text. Any player plays it."""

from __future__ import annotations

_TAG = b"ID3\x04\x00\x00"
_COMMENT = b"COMM"
_UTF_8, _LANGUAGE = b"\x03", b"und"
# MPEG 1, layer III, 32 kbit/s, 44.1 kHz, one channel, no padding; a frame of zeros is silence.
_FRAME = b"\xff\xfb\x10\xc0" + bytes(100)
_FRAME_S = 1152 / 44_100
_TOKEN_S = 0.02


def spoken(text: str) -> bytes:
    """Return an MP3 of silence, as long as the text is, with the text in its ID3 tag."""
    said = _UTF_8 + _LANGUAGE + b"\x00" + text.encode("utf-8", "replace")
    frame = _COMMENT + _synchsafe(len(said)) + b"\x00\x00" + said
    frames = max(1, round(_TOKEN_S * len(text.split()) / _FRAME_S))
    return _TAG + _synchsafe(len(frame)) + frame + _FRAME * frames


def heard(sound: bytes) -> str | None:
    """Return the text of a sound that `spoken` made; None for any other."""
    if not sound.startswith(_TAG) or sound[10:14] != _COMMENT:
        return None
    length = _number(sound[14:18])
    return sound[20 : 20 + length][5:].decode("utf-8", "replace")


def _synchsafe(number: int) -> bytes:
    """Return a number as ID3 writes it: seven bits in each byte."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _number(synchsafe: bytes) -> int:
    value = 0
    for byte in synchsafe:
        value = value << 7 | byte
    return value
