"""What the emulator hears in a sound."""

from __future__ import annotations

from . import gptbots_speech, mp3


def heard(sound: bytes) -> str:
    """Return the text of a sound that the emulator made, of either platform; of any other, how long the file is."""
    said = mp3.heard(sound)
    return gptbots_speech.heard(sound) if said is None else said
