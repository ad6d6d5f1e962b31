"""Every recorded question to a real Dify server, asked again: the answer must be what that server said.

Played over a socket in the recorded pieces; as a cassette, every fourth, and in the matrix all.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import cycle

import pytest

from remote_chatbots import Answer
from tests.covering import covering
from tests.recorded.asking import ASKED, DRIVERS, KEY, NOT_ASKED, ask, expected_of, outcome_of, question_of
from tests.recorded.cassettes import URL, cassette_of
from tests.recorded.recordings import VERSIONS, Recording, calls_of_turn, meaning, questions, recording, told_by
from tests.recorded.replay import ReplayServer, reply_of

FOURTHS = dict(zip(map(str, ASKED[::4]), cycle(DRIVERS), strict=False))
both_drivers = pytest.mark.parametrize("driver", DRIVERS)


def test_every_recorded_question_is_asked_or_named_with_a_reason() -> None:
    assert Counter(exchange.version for exchange in questions()) == {"0.15.3": 97, "1.14.2": 114}
    assert Counter(exchange.version for exchange in ASKED) == {"0.15.3": 88, "1.14.2": 105}
    assert set(NOT_ASKED) <= {exchange.name for exchange in questions()}


@pytest.mark.parametrize(
    ("exchange", "driver"),
    covering(ASKED, DRIVERS, chosen=lambda exchange, driver: FOURTHS.get(str(exchange)) == driver),
)
def test_a_turn_played_from_the_cassette_comes_to_what_the_server_told(driver: str, exchange: Recording) -> None:
    with cassette_of(exchange):
        got = ask(driver, URL, question_of(exchange))
    assert outcome_of(got) == expected_of(exchange)


@pytest.mark.parametrize(("exchange", "driver"), covering(ASKED, DRIVERS))
def test_a_turn_over_a_socket_is_asked_as_recorded_and_comes_to_what_the_server_told(
    driver: str, exchange: Recording
) -> None:
    with ReplayServer(*map(reply_of, calls_of_turn(exchange))) as server:
        got = ask(driver, server.url, question_of(exchange))
    assert outcome_of(got) == expected_of(exchange)
    *before, request = server.received
    assert [one.path.partition("?")[0] for one in before] == ["/v1/parameters"] * bool(exchange.sent.get("files"))
    assert (request.method, request.path) == ("POST", "/v1/chat-messages")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert meaning(json.loads(request.body)) == meaning(exchange.sent)


@pytest.mark.parametrize("version", VERSIONS)
@both_drivers
def test_thoughts_stay_in_the_text_where_the_caller_wants_it_untouched(driver: str, version: str) -> None:
    exchange = recording(version, "chat-stream-think-tags")
    with cassette_of(exchange):
        got = ask(driver, URL, replace(question_of(exchange), reasoning=False))
    assert isinstance(got, Answer)
    assert (got.text, got.reasoning) == (told_by(exchange).text, "")
    assert got.text.startswith("<think>")


@both_drivers
def test_the_recorded_pings_keep_a_silent_stream_alive(driver: str) -> None:
    # A ping every 10 s, the first token after 25 s: here every 0.4 s and after 1 s.
    exchange = recording("1.14.2", "chat-stream-ping-while-waiting")
    with ReplayServer(reply_of(exchange, time_scale=0.04)) as server:
        got = ask(driver, server.url, question_of(exchange), timeout_s=0.9)
    assert outcome_of(got) == expected_of(exchange)
