"""A turn ends with its last event: Dify 1.14 keeps the body of a chatflow open for about a second more."""

from __future__ import annotations

import pytest

from remote_chatbots import Settings
from tests.recorded.asking import DRIVERS, ask, expected_of, outcome_of, question_of
from tests.recorded.recordings import recording
from tests.recorded.replay import ReplayServer, reply_of

# Longer than any test may wait: a caller that waits for the end of the body fails on the order of the marks.
HELD_S = 10.0


@pytest.mark.parametrize(
    "name",
    [
        "chatflow-stream-1-first-turn",
        "chatflow-stream-2-second-turn",
        "chatflow-stream-model-fail500",
        "chatflow-stream-output-moderated",
        "chatflow-stream-stopped",
        "human-1-stream-paused",
    ],
)
@pytest.mark.parametrize("driver", DRIVERS)
def test_the_caller_has_the_whole_turn_before_the_server_ends_the_body(driver: str, name: str) -> None:
    exchange = recording("1.14.2", name)
    with ReplayServer(reply_of(exchange, held_s=HELD_S)) as server:
        got = ask(driver, server.url, question_of(exchange), settings=Settings())
        server.marks.append("the caller went on")
        server.release.set()
    assert server.marks == ["last piece sent", "the caller went on", "body ended"]
    assert outcome_of(got) == expected_of(exchange)
    assert [request.path for request in server.received] == ["/v1/chat-messages"]  # and nothing had to be stopped
