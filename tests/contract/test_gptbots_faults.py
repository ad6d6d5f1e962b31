"""What goes wrong on the way to a GPTBots agent, and is no part of the matrix: one outcome, post and conversation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from remote_chatbots import (
    Answer,
    BotNotFoundError,
    BotProtocolError,
    BotRateLimitError,
    BotReplyError,
    GPTBotsAgent,
    GPTBotsOptions,
    Question,
    Settings,
)
from remote_chatbots.emulator import (
    EmptyOutput,
    Emulator,
    ErrorsAt200,
    Fault,
    HugeEvent,
    LateCitations,
    RateLimit,
    StringContent,
    TooManyRequests,
    V2Missing,
)
from tests.contract.gptbots_asking import FERRY, UNKNOWN_ID
from tests.contract.scripted import Driver, Turn

TEXT = "[[echo]]Grüße aus 游客中心 👋, one two three four five six seven."
ALL = "/gptbots/*"
COLOURS = ("requests", "aiohttp")
VERSIONS = ("v1", "v2")


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    yield running
    running.faults.clear()


def agent(emulator: Emulator, version: str = "auto", kind: str = "gptbots", **settings: Any) -> GPTBotsAgent:
    options = settings.pop("options", GPTBotsOptions())
    key, settings_ = emulator.key(kind), Settings(**{"max_retries": 2, **settings})
    return GPTBotsAgent(key, emulator.gptbots_url, version, settings=settings_, options=options)


def asked(
    emulator: Emulator,
    bot: GPTBotsAgent,
    colour: str,
    *faults: Fault,
    times: int | None = 1,
    silence_s: float = 5,
    text: str = TEXT,
    **fields: Any,
) -> tuple[Turn, Counter[str]]:
    """Return what a turn came to, and how often each path was asked for it."""
    emulator.faults.clear()
    if faults:
        emulator.faults.add(*faults, times=times)
    before = len(emulator.requests)
    question = Question(text, **{"user": "ann", **fields})
    (turn,) = Driver(colour).ask_bot(bot, question, timeout=(5, silence_s))
    return turn, Counter(request.path.removeprefix("/gptbots") for request in emulator.requests[before:])


def seen(answer: Answer) -> dict[str, Any]:
    """Return what of an answer does not depend on when it was given."""
    sources = [(one.title, one.content, one.spans) for one in answer.sources]
    ids = (bool(answer.conversation_id), bool(answer.message_id))
    return {"text": answer.text, "ids": ids, "sources": sources, "usage": answer.usage, "reason": answer.finish_reason}


def known(error: Any) -> dict[str, Any]:
    """Return all that an error knows, ids only as far as there are some."""
    return {**error.details(), "conversation_id": bool(error.conversation_id), "message_id": bool(error.message_id)}


def posts(version: str, sends: int = 1) -> Counter[str]:
    return Counter({"/v1/conversation": 1, f"/{version}/conversation/message": sends})


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_v2_is_asked_by_v1_and_remembered(emulator: Emulator, colour: str, status: int) -> None:
    bot = agent(emulator)
    emulator.faults.add(V2Missing(status), times=None, path=ALL)
    before = len(emulator.requests)
    turns = Driver(colour).ask_bot(bot, Question(TEXT, user="ann"), Question(TEXT, user="ann"))
    assert [turn.error for turn in turns] == [None, None]
    assert "游客中心 👋" in turns[0].answer.text
    paths = [request.path.removeprefix("/gptbots") for request in emulator.requests[before:]]
    create, v1, v2 = "/v1/conversation", "/v1/conversation/message", "/v2/conversation/message"
    assert paths == [create, v2, v1, create, v1]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("version", VERSIONS)
def test_put_off_for_good_is_a_rate_limit_error_in_one_conversation(
    emulator: Emulator, colour: str, version: str
) -> None:
    fault = TooManyRequests(retry_after_s=0)
    turn, paths = asked(emulator, agent(emulator, version), colour, fault, times=None)
    assert isinstance(turn.error, BotRateLimitError)
    assert (turn.error.retryable, bool(turn.error.conversation_id)) == (True, True)
    assert paths == posts(version, 3)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_limit_met_while_a_conversation_is_begun_is_waited_for_and_one_is_begun(
    emulator: Emulator, colour: str
) -> None:
    emulator.faults.add(RateLimit(per_minute=1, tells_when=False, window_s=0.4), times=None, path=ALL)
    (turn,) = Driver(colour).ask_bot(agent(emulator, "v2", max_retries=4), Question(TEXT, user="ann"))
    assert turn.error is None
    assert "游客中心 👋" in turn.answer.text


@pytest.mark.parametrize("at_200", [False, True], ids=["own status", "200"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("refused", ["key", "conversation", "credits", "agent", "switch", "question"])
def test_a_refusal_is_of_its_class_with_and_without_a_status_of_its_own(
    emulator: Emulator, version: str, refused: str, at_200: bool
) -> None:
    kinds = {"credits": "gptbots-no-credits", "agent": "gptbots-deleted", "switch": "gptbots-api-off"}
    codes = {"key": "40127", "conversation": "40356", "credits": "20022", "switch": "20055", "question": "20040"}
    errors = []
    for colour in COLOURS:
        emulator.faults.clear()
        if at_200:
            emulator.faults.add(ErrorsAt200(), times=None, path=ALL)
        bot = agent(emulator, version, kinds.get(refused, "gptbots"))
        if refused == "key":
            bot = GPTBotsAgent("app-of-nobody", emulator.gptbots_url, version)
        text = "word " * 5000 if refused == "question" else "Hello"
        conversation_id = UNKNOWN_ID if refused == "conversation" else ""
        (turn,) = Driver(colour).ask_bot(bot, Question(text, user="ann", conversation_id=conversation_id))
        assert isinstance(turn.error, BotReplyError)
        assert (turn.error.http_status == 200) == at_200
        assert turn.error.code == codes.get(refused, turn.error.code)
        assert bool(turn.error.conversation_id) == (refused in ("conversation", "credits", "question"))
        errors.append(turn.error)
    assert type(errors[0]) is type(errors[1])
    assert known(errors[0]) == known(errors[1])
    if refused in ("conversation", "agent"):
        assert isinstance(errors[0], BotNotFoundError)


@pytest.mark.parametrize("fault", [None, StringContent(), EmptyOutput()], ids=str)
def test_a_blocking_answer_is_the_streams_in_every_form(emulator: Emulator, fault: Fault | None) -> None:
    streamed, _ = asked(emulator, agent(emulator, "v2"), "requests")
    for colour in COLOURS:
        turn, paths = asked(emulator, agent(emulator, "v2"), colour, *filter(None, [fault]), blocking=True)
        assert (turn.error, turn.answer.text) == (None, streamed.answer.text)
        assert paths["/v2/conversation/message"] == 1
        assert paths["/v2/messages"] == (1 if isinstance(fault, EmptyOutput) else 0)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["gptbots", "gptbots-flow"])
def test_both_colours_modes_and_versions_give_one_answer(emulator: Emulator, version: str, kind: str) -> None:
    bot = agent(emulator, version, kind)
    turns = [
        asked(emulator, bot, colour, blocking=blocking, text=FERRY)[0] for colour in COLOURS for blocking in (0, 1)
    ]
    assert {turn.error for turn in turns} == {None}
    assert len({turn.answer.text for turn in turns}) == 1
    assert "pier 3" in turns[0].answer.text


@pytest.mark.parametrize("colour", COLOURS)
def test_sources_are_those_of_the_marks_or_are_asked_for_even_if_they_are_late(emulator: Emulator, colour: str) -> None:
    marked = GPTBotsOptions(corner_citation=True, citation_marks=False)
    turn, _ = asked(emulator, agent(emulator, "v2", options=marked), colour, text=FERRY)
    assert turn.answer.sources
    assert "$[" not in turn.answer.text
    spans = [turn.answer.text[begin:end] for one in turn.answer.sources for begin, end in one.spans]
    assert spans
    assert all(spans)
    for version in VERSIONS:
        emulator.faults.clear()
        emulator.faults.add(LateCitations(), path="/gptbots/v1/correlate/dataset")
        bot = agent(emulator, version, options=GPTBotsOptions(fetch_sources=True))
        (turn,) = Driver(colour).ask_bot(bot, Question(FERRY, user="ann"))
        assert turn.error is None
        assert turn.answer.sources


@pytest.mark.parametrize("colour", [COLOURS[0], *(pytest.param(one, marks=pytest.mark.matrix) for one in COLOURS[1:])])
def test_a_frame_of_ten_megabytes_is_taken_if_the_limit_allows(emulator: Emulator, colour: str) -> None:
    turn, _ = asked(emulator, agent(emulator, "v2"), colour, HugeEvent())
    assert turn.error is None
    assert len(turn.answer.text) > 10_000_000
    turn, _ = asked(emulator, agent(emulator, "v2", max_event_bytes=1_000_000), colour, HugeEvent())
    assert isinstance(turn.error, BotProtocolError)
    assert "max_event_bytes" in str(turn.error)
