"""What goes wrong on the way to a GPTBots agent: one outcome on both drivers, one post, one conversation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from remote_chatbots import (
    Answer,
    BotError,
    BotNotFoundError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotReplyError,
    BotServerError,
    BotTimeoutError,
    BotTruncatedError,
    GPTBotsAgent,
    GPTBotsOptions,
    Question,
    Settings,
)
from remote_chatbots.emulator import (
    CommentLines,
    CrLf,
    Cut,
    DuplicateEnd,
    EmptyOutput,
    Emulator,
    EndEarly,
    ErrorAt200,
    ErrorEvent,
    ErrorsAt200,
    ExtraPings,
    Fault,
    FlowDuplicate,
    FlowOnly,
    Framing,
    Glue,
    Gzip,
    Hang,
    HtmlPage,
    HugeEvent,
    JsonAnswer,
    LateCitations,
    OneByteWrites,
    RateLimit,
    ReducedErrorEvent,
    Reset,
    SplitCharacters,
    Stall,
    StringContent,
    TextAfterEnd,
    TooManyRequests,
    Trickle,
    Unavailable,
    UnknownEvents,
    V2Missing,
    WrappedError,
    WrongCharset,
)
from tests.contract.gptbots_asking import FERRY, UNKNOWN_ID
from tests.contract.scripted import Driver, Turn

TEXT = "[[echo]]Grüße aus 游客中心 👋, one two three four five six seven."
ALL = "/gptbots/*"
COLOURS = ("requests", "aiohttp")
VERSIONS = ("v1", "v2")
# Behind some text of either version, before the last frame of any.
MIDDLE_BYTES = 400

SURVIVED: dict[str, tuple[Fault, ...]] = {
    "sse": (Framing("sse"),),
    "bare lines": (Framing("ndjson"),),
    "glued objects": (Framing("glued"),),
    "sse with CRLF": (Framing("crlf"),),
    "glued objects, trickling": (Framing("glued"), Trickle(size_bytes=7, delay_s=0)),
    "glued writes": (Glue(),),
    "CRLF and trickling": (CrLf(), Trickle(size_bytes=3, delay_s=0)),
    "byte by byte": (OneByteWrites(),),
    "split characters": (Framing("ndjson"), SplitCharacters()),
    "pings": (ExtraPings(),),
    "comments": (CommentLines(),),
    "compressed": (Gzip(),),
    "another charset in the head": (WrongCharset(),),
    "unknown frames": (UnknownEvents(),),
    "two ends": (DuplicateEnd(),),
    "text behind the end": (TextAfterEnd(),),
    "a short silence": (Stall(for_s=0.05),),
    "JSON where a stream was due": (JsonAnswer(),),
    "the flow's output alone": (FlowOnly(),),
    "the flow's output as well": (FlowDuplicate(),),
    "put off once": (TooManyRequests(retry_after_s=0),),
    "put off once, at 503": (Unavailable(retry_after_s=0),),
}
RETRIED = {"put off once", "put off once, at 503"}
FATAL: dict[str, tuple[tuple[Fault, ...], type[BotError], dict[str, Any]]] = {
    # faults, class, attributes
    "cut in the middle": ((Cut(MIDDLE_BYTES),), BotTruncatedError, {}),
    "cut before the body": ((Cut(),), BotTruncatedError, {}),
    "reset in the middle": ((Reset(MIDDLE_BYTES),), BotTruncatedError, {}),
    "a polite end too early": ((EndEarly(1),), BotTruncatedError, {}),
    "silence before the head": ((Hang(before_head=True),), BotTimeoutError, {"phase": "silence"}),
    "silence before the body": ((Hang(),), BotTimeoutError, {"phase": "silence"}),
    "silence in the middle": ((Stall(8),), BotTimeoutError, {"phase": "silence"}),
    "an error frame": ((ErrorEvent(8, 20022),), BotQuotaError, {"code": "20022", "in_stream": True}),
    "an error frame first": ((ErrorEvent(0, 40001),), BotRateLimitError, {"code": "40001", "http_status": 200}),
    "an error frame of a code": ((ReducedErrorEvent(8),), BotServerError, {"code": "50000", "in_stream": True}),
    "a wrapped error": ((WrappedError(8, 20022),), BotQuotaError, {"code": "20022", "in_stream": True}),
    "an error at 200": ((ErrorAt200(),), BotServerError, {"code": "50000", "http_status": 200}),
    "a web page": ((HtmlPage(),), BotProtocolError, {}),
    "502": ((HtmlPage(502),), BotServerError, {"http_status": 502, "code": ""}),
    "504": ((HtmlPage(504),), BotServerError, {"http_status": 504, "code": ""}),
    "503 that says nothing": ((Unavailable(),), BotServerError, {"http_status": 503, "code": ""}),
}
RETRYABLE = {"an error frame first"}
BROKEN_LATER = {"cut in the middle", "reset in the middle", "a polite end too early", "silence in the middle"} | {
    name for name, (_, _, attributes) in FATAL.items() if attributes.get("in_stream")
}


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


@pytest.mark.parametrize("name", SURVIVED)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_does_no_harm_changes_nothing(emulator: Emulator, version: str, name: str) -> None:
    plain, _ = asked(emulator, agent(emulator, version), "requests")
    assert "游客中心 👋" in plain.answer.text
    for colour in COLOURS:
        turn, paths = asked(emulator, agent(emulator, version), colour, *SURVIVED[name])
        assert turn.error is None
        assert turn.answer.text == plain.answer.text
        assert turn.answer.conversation_id
        if name != "JSON where a stream was due":
            assert seen(turn.answer) == seen(plain.answer)
        assert paths == posts(version, 2 if name in RETRIED else 1)


@pytest.mark.parametrize("name", FATAL)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_breaks_a_turn_is_the_promised_error_with_the_text_and_the_conversation(
    emulator: Emulator, version: str, name: str
) -> None:
    faults, promised, attributes = FATAL[name]
    plain, _ = asked(emulator, agent(emulator, version), "requests")
    errors = []
    for colour in COLOURS:
        silence_s = 0.3 if promised is BotTimeoutError else 5
        turn, paths = asked(emulator, agent(emulator, version), colour, *faults, silence_s=silence_s)
        error = turn.error
        assert type(error) is promised, error
        assert paths == posts(version)
        assert error.conversation_id
        assert error.retryable == (name in RETRYABLE)
        assert plain.answer.text.startswith(error.partial_text)
        assert bool(error.partial_text) == (name in BROKEN_LATER)
        assert {key: getattr(error, key) for key in attributes} == attributes
        errors.append(error)
    assert known(errors[0]) == known(errors[1])


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


@pytest.mark.parametrize("colour", COLOURS)
def test_a_frame_of_ten_megabytes_is_taken_if_the_limit_allows(emulator: Emulator, colour: str) -> None:
    turn, _ = asked(emulator, agent(emulator, "v2"), colour, HugeEvent())
    assert turn.error is None
    assert len(turn.answer.text) > 10_000_000
    turn, _ = asked(emulator, agent(emulator, "v2", max_event_bytes=1_000_000), colour, HugeEvent())
    assert isinstance(turn.error, BotProtocolError)
    assert "max_event_bytes" in str(turn.error)
