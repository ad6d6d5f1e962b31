"""GPTBots' streams in every framing, cut in two at every byte, and off after every byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest

from remote_chatbots import Answer, BotTruncatedError, GPTBotsAgent, Question
from tests.unit.test_json_framing import FRAMINGS, at_any_byte

Drive = Callable[..., Any]

QUESTION = Question("HI!", conversation_id="c-1")
CITATION = {"index": "1", "name": "天气.md", "dataId": "d-1", "content": "西风带来雨。"}
FLOW = [
    {"code": 11, "message": "MessageInfo", "data": {"message_id": "m-1"}},
    {"code": 3, "message": "Text", "data": "<think>下雨</think>雨 🌧️$[1"},
    {"code": 3, "message": "Text", "data": ']$ "{}", 带伞 \u2028👩‍👩‍👧'},
    {"code": 20, "message": "Citation", "data": [{"citation": CITATION}]},
    {"code": 4, "message": "Cost", "data": {"total_tokens": 7}},
    {"code": 0, "message": "End", "data": None},
]
BODIES = {
    "raw": b"".join(b"data:" + json.dumps(one, ensure_ascii=False).encode() + b"\n\n" for one in FLOW),
    "escaped, as lines": b"\n".join(json.dumps(one).encode() for one in FLOW),
    "glued": b"".join(json.dumps(one, ensure_ascii=False).encode() for one in FLOW),
}
TEXT = '雨 🌧️ "{}", 带伞 \u2028👩‍👩‍👧'
ASKED = Question("HI!", conversation_id="c-1", options={"corner_citation": True, "citation_marks": False})


# The framer by itself meets every framing at every byte; see test_json_framing.
REPRESENTATIVE = ("sse", "lines", "glued", "over several data lines")
framings = pytest.mark.parametrize(
    "framing", [name if name in REPRESENTATIVE else pytest.param(name, marks=pytest.mark.matrix) for name in FRAMINGS]
)


@pytest.fixture
def asked(agent: GPTBotsAgent, drive: Drive) -> Callable[..., Any]:
    def asked(chunks: Iterable[bytes], question: Question = QUESTION) -> Any:
        return drive(agent.ask(question), list(filter(None, chunks)))

    return asked


def checked(answer: Answer) -> None:
    assert (answer.text, answer.reasoning, answer.message_id) == (TEXT, "下雨", "m-1")
    assert answer.usage is not None
    assert answer.usage.total_tokens == 7
    (source,) = answer.sources
    assert [answer.text[begin:end] for begin, end in source.spans] == ["雨 🌧️"]
    assert (answer.finish_reason, answer.unrecognized) == ("stop", ())


@at_any_byte
@framings
def test_every_framing_cut_at_any_byte_gives_one_and_the_same_answer(asked: Any, framing: str, step: int) -> None:
    body = FRAMINGS[framing]
    whole = asked([FRAMINGS["lines"]])
    assert (whole.answer.finish_reason, whole.answer.message_id) == ("stop", "m-1")
    for at in range(0, len(body) + 1, step):
        played = asked([body[:at], body[at:]])
        assert (played.error, played.answer) == (None, whole.answer), at


@at_any_byte
@pytest.mark.parametrize("body", BODIES)
def test_thoughts_marks_and_wide_characters_survive_a_cut_at_any_byte(asked: Any, body: str, step: int) -> None:
    for at in range(0, len(BODIES[body]) + 1, step):
        checked(asked([BODIES[body][:at], BODIES[body][at:]], ASKED).answer)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_stream_in_small_pieces_gives_the_same_answer(asked: Any, body: str, size: int) -> None:
    pieces = (BODIES[body][at : at + size] for at in range(0, len(BODIES[body]), size))
    checked(asked(pieces, ASKED).answer)


@at_any_byte
@framings
def test_a_stream_cut_off_before_its_end_is_truncated_and_keeps_the_text_so_far(
    asked: Any, framing: str, step: int
) -> None:
    body = FRAMINGS[framing]
    texts = [""]
    for at in range(0, body.rindex(b"}") + 1, step):
        played = asked([body[:at]])
        assert isinstance(played.error, BotTruncatedError), at
        assert (played.error.conversation_id, played.error.partial_text) == ("c-1", played.answer.text)
        if played.answer.text != texts[-1]:
            texts.append(played.answer.text)
    assert all(longer.startswith(shorter) for shorter, longer in pairwise(texts))
    assert texts[-1] == asked([body]).answer.text
    assert len(texts) == 5
