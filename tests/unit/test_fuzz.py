"""Whatever bytes come: frames or a typed error from both framers, an answer or a typed error from every interpreter."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remote_chatbots import BotError, BotProtocolError, DifyApp, GPTBotsAgent, LostAnswer, Question, Settings
from remote_chatbots.framing import Frame, SSEFramer
from remote_chatbots.json_framing import JSONFramer
from remote_chatbots.wire import ResponseHead
from tests.unit.test_dify_every_event import SAMPLES

Drive = Callable[..., Any]

LIMIT_BYTES = 1024
JSON = ResponseHead(200, {"content-type": "application/json"})
STREAM = ResponseHead(200, {"content-type": "text/event-stream"})
# `make fuzz` chooses "long". The fixtures hold no state.
settings.register_profile(
    "quick",
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile("long", settings.get_profile("quick"), max_examples=2_000, derandomize=False)
settings.load_profile(os.environ.get("FUZZ", "quick"))

PIECES_OF_SYNTAX = (
    b"data: ", b"data:", b"event: ping", b": comment", b"id: 1", b"\n", b"\n\n", b"\r\n", b"\r", b"[DONE]", b"{", b"}",
    b'"', b"\\", b"\\u", b"null", b",", b"\xef\xbb\xbf", "\u2028".encode(), "👋".encode(), b"\xf0\x9f", b"\0",
)  # fmt: skip
NAMES = (
    "event id answer task_id message_id conversation_id workflow_run_id created_at data metadata usage audio thought "
    "tool retriever_resources position observation code status message url type reason outputs error files text "
    "content total_tokens prompt_tokens total_price role output conversation_content citation index dataId title "
    "score reasoning"
).split()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**12) | st.floats(allow_nan=False) | st.text(max_size=12) |
    st.sampled_from(["<think>", "</think>", "succeeded", "failed", "stopped", "$[1]$", "c-1", "m-1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=6,
)  # fmt: skip
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)
DIFY = st.builds(
    lambda name, given, odd: {"event": name, **given, **odd},
    st.sampled_from([*SAMPLES, "error", "brand_new"]),
    st.sampled_from([fields for fields, _ in SAMPLES.values()]),
    OBJECTS,
)
GPTBOTS = st.builds(
    lambda code, data, odd: {"code": code, "message": "Text", "data": data, **odd},
    st.sampled_from([0, 3, 4, 10, 11, 20, 39, 40000, 50000, -50000, "3", "11", None]),
    VALUES,
    OBJECTS,
)


def written(objects: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[bytes]:
    """Return a strategy of an object as some server writes it."""
    forms = st.sampled_from([b"data: %b\n\n", b"data:%b\r\n\r\n", b"%b\n", b"%b", b"data: %b\r\r", b"data: %b"])
    return st.builds(lambda form, one, raw: form % json.dumps(one, ensure_ascii=raw).encode("utf-8", "replace"),
                     forms, objects, st.booleans())  # fmt: skip


def bodies(objects: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[bytes]]:
    """Return a strategy of bodies, in the pieces in which they arrive: what servers write, and noise."""
    parts = written(objects) | written(objects) | st.binary(max_size=24) | st.sampled_from(PIECES_OF_SYNTAX)
    return st.builds(cut, st.lists(parts, max_size=12).map(b"".join), st.lists(st.integers(1, 40), max_size=30))


def cut(body: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(body[:size])
        body = body[size:]
    return [piece for piece in [*pieces, body] if piece]


NOISE = bodies(OBJECTS)


def frames_of(framer: Any, pieces: list[bytes]) -> tuple[list[Frame], bool]:
    """Return the frames, and whether one was too large."""
    frames: list[Frame] = []
    try:
        for piece in pieces:
            frames.extend(framer.feed(piece))
        frames.extend(framer.close())
    except BotProtocolError:
        return frames, True
    return frames, False


@pytest.mark.parametrize("framer", [SSEFramer, JSONFramer])
@given(pieces=NOISE)
def test_any_bytes_are_frames_however_they_are_cut(framer: Any, pieces: list[bytes]) -> None:
    in_pieces = frames_of(framer(1 << 20), pieces)
    at_once = frames_of(framer(1 << 20), [b"".join(pieces)])
    byte_by_byte = frames_of(framer(1 << 20), cut(b"".join(pieces), [1] * sum(map(len, pieces))))
    assert in_pieces == at_once == byte_by_byte
    assert not at_once[1]


@pytest.mark.parametrize("framer", [SSEFramer, JSONFramer])
@given(pieces=NOISE, times=st.integers(1, 200))
def test_no_frame_is_larger_than_it_may_be(framer: Any, pieces: list[bytes], times: int) -> None:
    frames, _ = frames_of(framer(LIMIT_BYTES), pieces * times)
    assert all(len(frame.data) <= LIMIT_BYTES for frame in frames)


def checked(played: Any) -> None:
    assert played.over
    assert played.error is None or isinstance(played.error, BotError)
    answer = played.answer
    texts = [answer.text, answer.reasoning, answer.conversation_id, answer.message_id, answer.task_id]
    assert all(type(text) is str for text in texts)
    if played.error is not None:
        assert str(played.error).startswith(("dify: ", "gptbots: "))
        assert "app-secret-key-123" not in str(played.error)
        assert "could not be read (" not in str(played.error)  # our own platforms say what was wrong
    else:
        assert answer.finish_reason is not None


QUESTIONS = st.builds(
    Question, st.just("Will it rain?"), user=st.just("ann"), conversation_id=st.just("c-1"), coalesce=st.booleans(),
    reasoning=st.booleans(), stop=st.sampled_from([(), ("rain",), ("\n", "</think>")]),
)  # fmt: skip
LATER = [(JSON, b"{}")] * 30


@given(pieces=bodies(DIFY), question=QUESTIONS)
def test_any_stream_of_dify_is_an_answer_or_a_typed_error(
    app: DifyApp, drive: Drive, pieces: list[bytes], question: Question
) -> None:
    checked(drive(app.ask(question), (STREAM, pieces), *LATER))


@given(pieces=bodies(DIFY))
def test_any_run_of_dify_that_is_joined_is_an_answer_or_a_typed_error(
    app: DifyApp, drive: Drive, pieces: list[bytes]
) -> None:
    lost = LostAnswer("c-1", "m-1", "r-1", user="ann", said="It")
    checked(drive(app.recover(lost), (STREAM, pieces), *LATER))


@given(told=written(DIFY | OBJECTS) | st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_whole_answer_of_dify_is_an_answer_or_a_typed_error(app: DifyApp, drive: Drive, told: bytes) -> None:
    checked(drive(app.ask(Question("Will it rain?", user="ann", blocking=True)), (JSON, told), *LATER))


@given(pieces=bodies(GPTBOTS), question=QUESTIONS)
def test_any_stream_of_gptbots_is_an_answer_or_a_typed_error(
    agent: GPTBotsAgent, drive: Drive, pieces: list[bytes], question: Question
) -> None:
    checked(drive(agent.ask(question), (STREAM, pieces), *LATER))


@given(told=written(GPTBOTS | OBJECTS) | st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_whole_answer_of_gptbots_is_an_answer_or_a_typed_error(
    agent: GPTBotsAgent, drive: Drive, told: bytes
) -> None:
    question = Question("Will it rain?", user="ann", conversation_id="c-1", blocking=True)
    checked(drive(agent.ask(question), (JSON, told), *LATER))


@given(pieces=bodies(DIFY | GPTBOTS))
def test_memory_is_bounded_by_the_limit(app: DifyApp, agent: GPTBotsAgent, drive: Drive, pieces: list[bytes]) -> None:
    del app, agent  # their limits are the default; these have small ones
    small = Settings(max_event_bytes=LIMIT_BYTES)
    flood = [*pieces, *[b"data: {" + b"x" * 500] * 20]
    for bot in (DifyApp("app-secret-key-123", settings=small), GPTBotsAgent("app-secret-key-123", settings=small)):
        played = drive(bot.ask(Question("Rain?", user="ann", conversation_id="c-1")), (STREAM, flood), *LATER)
        checked(played)
