"""The recordings as vcrpy cassettes: the very files, read by a serializer of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import vcr
from vcr.request import Request

from tests.recorded.recordings import Recording, meaning

URL = "http://dify.invalid/v1"


class _RecordingSerializer:
    """Reads a recording as a cassette of one exchange; HTTP's chunking and all times are lost in it."""

    @staticmethod
    def deserialize(text: str) -> dict[str, Any]:
        told = json.loads(text)
        request, response = told["request"], told["response"]
        chunks = response.get("chunks") or [{"text": response.get("body", "")}]
        exchange = {
            "request": {
                "method": request["method"],
                "uri": "http://dify.invalid" + request["path"],
                "body": json.dumps(request["body"]),
                "headers": request["headers"],
            },
            "response": {
                "status": {"code": response["status"], "message": response["reason"]},
                "headers": {name: [value] for name, value in response["headers"].items()},
                "body": {"string": "".join(chunk["text"] for chunk in chunks)},
            },
        }
        return {"version": 1, "interactions": [exchange]}

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        raise AssertionError("recordings are played, never written")


def _same_question(asked: Request, recorded: Request) -> None:
    assert meaning(json.loads(asked.body)) == meaning(json.loads(recorded.body))


_PLAYER = vcr.VCR(serializer="dify-recording", record_mode="none", match_on=["method", "path", "question"])
_PLAYER.register_serializer("dify-recording", _RecordingSerializer)
_PLAYER.register_matcher("question", _same_question)


@contextmanager
def cassette_of(exchange: Recording) -> Iterator[None]:
    """Answer the recorded question with the recorded response, once, and nothing else at all.

    Raises:
        AssertionError: At the end, if the question did not come; the client sees another one as a broken connection.
    """
    with _PLAYER.use_cassette(str(exchange.path)) as cassette:
        yield
    assert cassette.play_count == 1, f"asked {cassette.play_count} times for {exchange}"
