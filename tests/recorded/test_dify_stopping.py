"""A caller leaves in the middle of a recorded stream: the stop call is the one that was recorded beside it.

Both recordings of a pair are of one turn: the stream, and the call that stopped it.
"""

from __future__ import annotations

import json

import pytest

from remote_chatbots import DifyApp, TextDelta
from remote_chatbots.flow import Aside, Read, Send, Turn
from remote_chatbots.wire import HttpRequest, ResponseHead
from tests.recorded.asking import KEY, question_of
from tests.recorded.cassettes import URL
from tests.recorded.recordings import VERSIONS, Recording, recording

APPS = ("chat", "chatflow")
LEAVES_AFTER = 4  # pieces of text; the recorder stopped there as well


def head_of(exchange: Recording) -> ResponseHead:
    return ResponseHead(exchange.status, {name.lower(): value for name, value in exchange.headers.items()})


def left(stream: Recording, stop: Recording) -> tuple[list[HttpRequest], int]:
    """Leave the recorded stream; return the calls made beside it, and how many of its pieces were not read."""
    turn = Turn(DifyApp(KEY, URL).ask(question_of(stream)))
    pieces, heard = iter(stream.pieces), 0
    calls: list[HttpRequest] = []
    step = turn.resume()
    while step is not None:
        if isinstance(step, Send):
            step = turn.resume(head_of(stream))
        elif isinstance(step, Read):
            step = turn.resume(next(pieces, b""))
        elif isinstance(step, Aside):
            calls.append(step.request)
            step = turn.resume((head_of(stop), stop.body))
        else:
            heard += isinstance(step, TextDelta)
            step = turn.abandon() if heard == LEAVES_AFTER and not calls else turn.resume()
    return calls, len(list(pieces))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("app", APPS)
def test_leaving_makes_the_recorded_stop_call_and_reads_on_to_the_end_of_the_turn(app: str, version: str) -> None:
    stream, stop = recording(version, f"{app}-stream-stopped"), recording(version, f"{app}-stop-call")
    (call,), unread = left(stream, stop)
    assert (call.method, call.url) == ("POST", URL.removesuffix("/v1") + stop.target)
    assert json.loads(call.body) == stop.sent
    assert unread == 0
