"""The speech of one answer: whatever its pieces are, what is told of them is one file."""

from __future__ import annotations

from base64 import b64decode
from itertools import pairwise

import pytest

from remote_chatbots import MediaProduced
from remote_chatbots.spoken import SpeechSoFar

SOUND = b"ID3\x04" + bytes(range(256)) * 3


def in_pieces(size_bytes: int) -> list[MediaProduced]:
    cuts = [*range(0, len(SOUND), size_bytes), len(SOUND)]
    return [MediaProduced("audio", data=SOUND[begin:end]) for begin, end in pairwise(cuts)]


@pytest.mark.parametrize("size_bytes", [1, 2, 3, 4, 100, 1000])
def test_what_is_told_of_the_pieces_may_be_glued_and_each_may_be_played_on(size_bytes: int) -> None:
    speech = SpeechSoFar()
    told = [*map(speech.take, in_pieces(size_bytes)), speech.rest()]
    assert b64decode("".join(told), validate=True) == SOUND
    assert b"".join(b64decode(one, validate=True) for one in told) == SOUND
    assert b64decode(speech.whole()) == SOUND
    assert speech.first(5) == SOUND[:5]


@pytest.mark.parametrize(("declared", "found"), [("audio/mpeg", "audio/mpeg"), ("", "audio/mpeg")])
def test_what_the_speech_is_the_server_says_or_its_first_bytes(declared: str, found: str) -> None:
    speech = SpeechSoFar()
    assert not speech
    speech.take(MediaProduced("audio", data=SOUND, mime_type=declared))
    assert speech
    assert speech.mime_type == found
