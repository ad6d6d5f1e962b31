"""What goes wrong on the way from a GPTBots server: the same promised outcome on both drivers, and one post a turn.

The server is the emulator, written from the platform's pages: this proves what the client does, and nothing of the
platform.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from remote_chatbots import (
    BotAuthError,
    BotError,
    BotProtocolError,
    BotQuotaError,
    BotRateLimitError,
    BotServerError,
    BotTimeoutError,
    BotTruncatedError,
    GPTBotsAgent,
    Question,
)
from remote_chatbots.emulator import (
    CommentLines,
    CrLf,
    Cut,
    DuplicateEnd,
    Emulator,
    EndEarly,
    ErrorAt200,
    ErrorEvent,
    ExtraPings,
    Fault,
    FlowDuplicate,
    FlowOnly,
    Framing,
    Glue,
    Gzip,
    Hang,
    HtmlPage,
    JsonAnswer,
    OneByteWrites,
    RateLimit,
    ReducedErrorEvent,
    Reset,
    SplitCharacters,
    Stall,
    TextAfterEnd,
    TooManyRequests,
    Trickle,
    Unavailable,
    UnknownEvents,
    V2Missing,
    WrappedError,
    WrongCharset,
)
from tests.contract.scripted import Driver, Turn

QUESTION = "[[echo]]Grüße aus 游客中心 👋, it costs $18.50 for one two three four five six seven."
WIRES = [("v2", form) for form in ("sse", "sse-nospace", "ndjson", "glued", "crlf")] + [("v1", "ndjson")]
BREAKING_WIRES = [("v2", "sse-nospace"), ("v2", "glued"), ("v1", "ndjson")]
# Behind the first pieces of text, before the last.
MIDDLE_BYTES = 500

SURVIVED: dict[str, tuple[Fault, ...]] = {
    "as it is": (),
    "in one write": (Glue(),),
    "trickling": (Trickle(size_bytes=7, delay_s=0),),
    "CRLF and trickling": (CrLf(), Trickle(size_bytes=3, delay_s=0)),
    "byte by byte": (OneByteWrites(),),
    "split characters": (SplitCharacters(),),
    "compressed": (Gzip(),),
    "another charset in the head": (WrongCharset(),),
    "pings": (ExtraPings(),),
    "comments": (CommentLines(),),
    "unknown frames and keys": (UnknownEvents(),),
    "a duplicate end": (DuplicateEnd(),),
    "text after the end": (TextAfterEnd(),),
    "text in the outputs alone": (FlowOnly(),),
    "text in the outputs too": (FlowDuplicate(),),
    "JSON where a stream was due": (JsonAnswer(),),
    "a short silence": (Stall(for_s=0.1),),
    "put off once": (TooManyRequests(retry_after_s=0),),
    "unavailable for now": (Unavailable(retry_after_s=0),),
}
RETRIED = {"put off once", "unavailable for now"}
FATAL: dict[str, tuple[tuple[Fault, ...], type[BotError], bool]] = {
    # faults, class, whether text came before
    "cut in the middle": ((Cut(MIDDLE_BYTES),), BotTruncatedError, True),
    "cut before the body": ((Cut(),), BotTruncatedError, False),
    "reset in the middle": ((Reset(MIDDLE_BYTES),), BotTruncatedError, True),
    "a polite end too early": ((EndEarly(),), BotTruncatedError, True),
    "silence before the head": ((Hang(before_head=True),), BotTimeoutError, False),
    "silence in the middle": ((Stall(8),), BotTimeoutError, True),
    "an error frame": ((ErrorEvent(8),), BotServerError, True),
    "an error frame that tells of money": ((ErrorEvent(8, code=20022),), BotQuotaError, True),
    "an error frame in a wrapper": ((WrappedError(8),), BotServerError, True),
    "an error frame without words": ((ReducedErrorEvent(8),), BotServerError, True),
    "an error at 200": ((ErrorAt200(),), BotServerError, False),
    "a refused key at 200": ((ErrorAt200(code=40127),), BotAuthError, False),
    "a web page": ((HtmlPage(),), BotProtocolError, False),
    "502": ((HtmlPage(502),), BotServerError, False),
    "503 that says nothing": ((Unavailable(),), BotServerError, False),
}


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    yield running
    running.faults.clear()


def ask(
    driver: Driver, emulator: Emulator, version: str, *faults: Fault, silence_s: float = 10, times: int | None = 1
) -> tuple[Turn, int]:
    """Return what the turn came to, and how often its message was posted."""
    if faults:
        emulator.faults.add(*faults, times=times)
    before = len(emulator.requests)
    agent = GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url, api_version=version)
    (turn,) = driver.ask_bot(agent, Question(QUESTION, user=driver.name), timeout=(5, silence_s))
    return turn, sum(request.path.endswith("/message") for request in emulator.requests[before:])


@pytest.mark.parametrize("name", SURVIVED)
@pytest.mark.parametrize(("version", "form"), WIRES)
def test_what_does_no_harm_changes_nothing(
    emulator: Emulator, driver: Driver, version: str, form: str, name: str
) -> None:
    turn, posts = ask(driver, emulator, version, Framing(form), *SURVIVED[name])  # type: ignore[arg-type]
    assert turn.error is None
    assert turn.answer.text == QUESTION.removeprefix("[[echo]]")
    assert posts == (2 if name in RETRIED else 1)


@pytest.mark.parametrize("name", FATAL)
@pytest.mark.parametrize(("version", "form"), BREAKING_WIRES)
def test_what_breaks_a_turn_is_the_promised_error_with_the_text_so_far(
    emulator: Emulator, driver: Driver, version: str, form: str, name: str
) -> None:
    faults, promised, with_text = FATAL[name]
    silence_s = 1 if promised is BotTimeoutError else 10
    turn, posts = ask(driver, emulator, version, Framing(form), *faults, silence_s=silence_s)  # type: ignore[arg-type]
    error = turn.error
    assert isinstance(error, promised), error
    assert QUESTION.removeprefix("[[echo]]").startswith(error.partial_text)
    assert bool(error.partial_text) == with_text
    assert error.conversation_id
    assert bool(error.message_id) == (with_text and version == "v2")
    assert not error.retryable
    assert posts == 1


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_v2_is_asked_by_v1(emulator: Emulator, driver: Driver, status: int) -> None:
    turn, posts = ask(driver, emulator, "auto", V2Missing(status), times=None)
    assert turn.error is None
    assert turn.answer.text == QUESTION.removeprefix("[[echo]]")
    assert posts == 2


def test_more_than_the_plan_allows_is_a_rate_limit_error_with_its_time(emulator: Emulator, driver: Driver) -> None:
    turn, posts = ask(driver, emulator, "v2", RateLimit(per_minute=0), times=None)
    assert isinstance(turn.error, BotRateLimitError)
    assert turn.error.retry_after_s == 60
    assert turn.error.retryable
    assert posts == 1
