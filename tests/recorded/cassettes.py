"""The recordings as vcrpy cassettes: the very files, read by a serializer of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import vcr
from vcr.request import Request

from tests.recorded.recordings import Recording, calls_of_turn, meaning, recording

URL = "http://dify.invalid/v1"


class _RecordingSerializer:
    """Reads a recording as a cassette of one turn; HTTP's chunking and all times are lost in it."""

    @staticmethod
    def deserialize(text: str) -> dict[str, Any]:
        told = json.loads(text)
        exchange = recording(told["server"].removeprefix("dify "), told["name"])
        return {"version": 1, "interactions": [_interaction(one) for one in calls_of_turn(exchange)]}

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        raise AssertionError("recordings are played, never written")


def _interaction(exchange: Recording) -> dict[str, Any]:
    return {
        "request": {
            "method": exchange.method,
            "uri": "http://dify.invalid" + exchange.target,
            "body": json.dumps(exchange.sent),
            "headers": {},
        },
        "response": {
            "status": {"code": exchange.status, "message": exchange.reason},
            "headers": {name: [value] for name, value in exchange.headers.items()},
            "body": {"string": exchange.body.decode()},
        },
    }


def _same_question(asked: Request, recorded: Request) -> None:
    if asked.method == recorded.method == "POST":
        assert meaning(json.loads(asked.body)) == meaning(json.loads(recorded.body))


_PLAYER = vcr.VCR(serializer="dify-recording", record_mode="none", match_on=["method", "path", "question"])
_PLAYER.register_serializer("dify-recording", _RecordingSerializer)
_PLAYER.register_matcher("question", _same_question)


@contextmanager
def cassette_of(exchange: Recording) -> Iterator[None]:
    """Answer the recorded question with the recorded response, once, and nothing but what belongs to the turn.

    Raises:
        AssertionError: At the end, if the question did not come; the client sees another one as a broken connection.
    """
    with _PLAYER.use_cassette(str(exchange.path)) as cassette:
        yield
    assert cassette.all_played, f"asked {cassette.play_count} times for {exchange}"
