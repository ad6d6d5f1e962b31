"""The network may cut a body anywhere, and a proxy may change its line ends: the turn stays the same."""

from __future__ import annotations

from functools import cache

import pytest

from remote_chatbots import Answer, BotError
from tests.covering import covering
from tests.recorded.asking import DRIVERS, ask, question_of
from tests.recorded.recordings import Recording, recording
from tests.recorded.replay import (
    A_BREATH_S,
    Recut,
    ReplayServer,
    cut_at_random,
    cut_between_cr_and_lf,
    in_one_piece,
    one_byte_at_a_time,
    reply_of,
    with_comments,
    with_crlf,
)

# One of each kind: apps, escaped and raw UTF-8, replaced text, speech after the end, every way to end or to fail.
REPRESENTATIVE = [
    ("0.15.3", "agent-stream-1-one-tool"),
    ("0.15.3", "chat-stream-1-first-turn"),
    ("0.15.3", "chat-stream-output-moderated"),
    ("0.15.3", "chatflow-stream-model-fail500"),
    ("0.15.3", "chatflow-stream-stopped"),
    ("1.14.2", "agent-stream-zh-emoji"),
    ("1.14.2", "chat-stream-2-second-turn"),
    ("1.14.2", "chat-stream-markdown-tricky"),
    ("1.14.2", "chat-stream-model-failmid"),
    ("1.14.2", "chat-stream-ping-while-waiting"),
    ("1.14.2", "chat-stream-server-killed"),
    ("1.14.2", "chat-stream-tts-on"),
    ("1.14.2", "chatflow-stream-model-fail500"),
    ("1.14.2", "chatflow-stream-two-answers"),
    ("1.14.2", "human-1-stream-paused"),
]
RECUTS: dict[str, Recut] = {
    "one byte at a time": one_byte_at_a_time,
    "in one piece": in_one_piece,
    "cut at random, seed 1": cut_at_random(1),
    "cut at random, seed 2": cut_at_random(2),
    "cut at random, seed 3": cut_at_random(3),
    "CRLF": with_crlf,
    "cut between CR and LF": cut_between_cr_and_lf,
    "comments": with_comments,
}

KINDS = [recording(*which) for which in REPRESENTATIVE]
every_kind = pytest.mark.parametrize("exchange", KINDS, ids=str)


def played(driver: str, exchange: Recording, recut: Recut | None) -> Answer | dict[str, object]:
    # Thousands of single bytes do without the breath: it would add up, and the client outruns most of them anyway.
    apart_s = 0.0 if recut is one_byte_at_a_time else A_BREATH_S
    with ReplayServer(reply_of(exchange, recut, apart_s=apart_s)) as server:
        got = ask(driver, server.url, question_of(exchange))
    return {"raises": type(got), "says": str(got), **got.details()} if isinstance(got, BotError) else got


@cache
def as_recorded(exchange: Recording) -> Answer | dict[str, object]:
    return played("requests", exchange, None)


@pytest.mark.parametrize(("exchange", "recut", "driver"), covering(KINDS, list(RECUTS), DRIVERS, times=2))
def test_the_turn_is_the_same_however_its_bytes_are_cut(driver: str, recut: str, exchange: Recording) -> None:
    assert played(driver, exchange, RECUTS[recut]) == as_recorded(exchange)


@every_kind
def test_a_recut_changes_what_its_name_says_and_nothing_else(exchange: Recording) -> None:
    pieces = exchange.pieces
    body = b"".join(pieces)
    for recut in (one_byte_at_a_time, in_one_piece, cut_at_random(1), cut_at_random(2)):
        assert b"".join(recut(pieces)) == body
    assert b"".join(with_crlf(pieces)).replace(b"\r\n", b"\n") == body
    assert b"".join(cut_between_cr_and_lf(pieces)) == b"".join(with_crlf(pieces))
    assert any(piece.endswith(b"\r") for piece in cut_between_cr_and_lf(pieces))
    lines = b"".join(with_comments(pieces)).split(b"\n")
    events = [line for line in lines if line and not line.startswith(b":")]
    assert events == [line for line in body.split(b"\n") if line]
    assert sum(line.startswith(b":") for line in lines) > body.count(b"\n\n")
