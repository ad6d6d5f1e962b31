"""What goes wrong on the way, on wires of every age: the same promised outcome on both drivers, and one post a turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from remote_chatbots import (
    BotError,
    BotNotFoundError,
    BotProtocolError,
    BotRateLimitError,
    BotRejectedError,
    BotServerError,
    BotTimeoutError,
    BotTruncatedError,
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
    Glue,
    Gzip,
    Hang,
    HtmlPage,
    HugeEvent,
    JsonAnswer,
    OneByteWrites,
    ReducedErrorEvent,
    Reset,
    SplitCharacters,
    TextAfterEnd,
    TooManyRequests,
    Trickle,
    Unavailable,
    UnknownEvents,
    WrongCharset,
)
from tests.contract.scripted import Driver, Turn

QUESTION = "[[echo]]Grüße aus 游客中心 👋, one two three four five six seven."
WIRES = [
    ("2023", "chat"),
    *[(age, kind) for age in ("0.15", "1.14") for kind in ("chat", "agent-chat", "advanced-chat")],
]
# Much of a body: behind its first event, before its last.
MIDDLE_BYTES = 900

SURVIVED: dict[str, tuple[Fault, ...]] = {
    "glued": (Glue(),),
    "CRLF": (CrLf(),),
    "trickling": (Trickle(size_bytes=7, delay_s=0),),
    "CRLF and trickling": (CrLf(), Trickle(size_bytes=3, delay_s=0)),
    "byte by byte": (OneByteWrites(),),
    "split characters": (SplitCharacters(),),
    "pings": (ExtraPings(),),
    "comments": (CommentLines(),),
    "compressed": (Gzip(),),
    "another charset in the head": (WrongCharset(),),
    "unknown events": (UnknownEvents(),),
    "a duplicate end": (DuplicateEnd(),),
    "text after the end": (TextAfterEnd(),),
    "JSON where a stream was due": (JsonAnswer(),),
    "put off once": (TooManyRequests(retry_after_s=0),),
    "unavailable for now": (Unavailable(retry_after_s=0),),
}
RETRIED = {"put off once", "unavailable for now"}
FATAL: dict[str, tuple[tuple[Fault, ...], type[BotError], bool]] = {
    # faults, class, whether text came before
    "cut in the middle": ((Cut(MIDDLE_BYTES),), BotTruncatedError, True),
    "cut before the body": ((Cut(),), BotTruncatedError, False),
    "reset in the middle": ((Reset(MIDDLE_BYTES),), BotTruncatedError, True),
    "a polite end too early": ((EndEarly(2),), BotTruncatedError, True),
    "silence before the head": ((Hang(before_head=True),), BotTimeoutError, False),
    "silence before the body": ((Hang(),), BotTimeoutError, False),
    "silence in the middle": ((Hang(MIDDLE_BYTES),), BotTimeoutError, True),
    "an error event": ((ErrorEvent(8),), BotServerError, True),
    "an error event without code": ((ReducedErrorEvent(8),), BotServerError, True),
    "an error at 200": ((ErrorAt200(),), BotServerError, False),
    "a web page": ((HtmlPage(),), BotProtocolError, False),
    "502": ((HtmlPage(502),), BotServerError, False),
    "504": ((HtmlPage(504),), BotServerError, False),
    "503 that says nothing": ((Unavailable(),), BotServerError, False),
}
# A stream of 2023 has no last event: its polite end cannot be told from its whole, and nothing comes after it.
NOT_ON = {("a polite end too early", "2023"), ("text after the end", "2023")}


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    running = {age: Emulator(age, token_delay_s=0, held_open_s=0.05) for age in ("2023", "0.15", "1.14")}
    for emulator in running.values():
        emulator.__enter__()
    yield running
    for emulator in running.values():
        emulator.__exit__(None, None, None)


@pytest.fixture
def emulator(emulators: dict[str, Emulator], age: str) -> Iterator[Emulator]:
    yield emulators[age]
    emulators[age].faults.clear()


def ask(
    driver: Driver, emulator: Emulator, kind: str, *faults: Fault, silence_s: float = 5, **settings: object
) -> tuple[Turn, int]:
    """Return what the turn came to, and how often its message was posted."""
    if faults:
        emulator.faults.add(*faults)
    before = len(emulator.requests)
    question = Question(QUESTION, user=driver.name)
    (turn,) = driver.ask(
        emulator.dify_url, question, key=emulator.key(kind), timeout=(5, silence_s), probe_after_s=20, **settings
    )
    return turn, sum(request.path.endswith("/chat-messages") for request in emulator.requests[before:])


@pytest.mark.parametrize("name", SURVIVED)
@pytest.mark.parametrize(("age", "kind"), WIRES, ids=lambda part: part)
def test_what_does_no_harm_changes_nothing(emulator: Emulator, driver: Driver, age: str, kind: str, name: str) -> None:
    if (name, age) in NOT_ON:
        pytest.skip("a stream of 2023 has no last event")
    plain, _ = ask(driver, emulator, kind)
    turn, posts = ask(driver, emulator, kind, *SURVIVED[name])
    refused_blocking = name == "JSON where a stream was due" and kind == "agent-chat"
    assert turn.error is None
    assert turn.answer.text == plain.answer.text
    assert "游客中心 👋" in turn.answer.text
    if not refused_blocking:
        assert (turn.answer.usage is None) == (plain.answer.usage is None)
    if plain.answer.usage is not None and turn.answer.usage is not None:
        assert turn.answer.usage.total_tokens == plain.answer.usage.total_tokens
    assert posts == (2 if name in RETRIED else 1)


@pytest.mark.parametrize("name", FATAL)
@pytest.mark.parametrize(("age", "kind"), WIRES, ids=lambda part: part)
def test_what_breaks_a_turn_is_the_promised_error_with_the_text_so_far(
    emulator: Emulator, driver: Driver, age: str, kind: str, name: str
) -> None:
    if (name, age) in NOT_ON:
        pytest.skip("a stream of 2023 has no last event")
    faults, promised, with_text = FATAL[name]
    plain, _ = ask(driver, emulator, kind)
    turn, posts = ask(driver, emulator, kind, *faults, silence_s=0.4 if promised is BotTimeoutError else 5)
    error = turn.error
    assert isinstance(error, promised), error
    assert plain.answer.text.startswith(error.partial_text)
    assert (error.partial_text == plain.answer.text) == (name == "a polite end too early")
    if with_text and kind == "chat":
        assert error.partial_text
    if error.partial_text and age != "2023":
        assert error.conversation_id
        assert error.message_id
        assert error.task_id
    assert not error.retryable
    assert posts == 1


@pytest.mark.parametrize("age", ["1.14"])
def test_put_off_for_good_is_a_rate_limit_error(emulator: Emulator, driver: Driver, age: str) -> None:
    emulator.faults.add(TooManyRequests(retry_after_s=0), times=None)
    turn, posts = ask(driver, emulator, "chat", max_retries=2)
    assert isinstance(turn.error, BotRateLimitError)
    assert turn.error.retryable
    assert posts == 3


@pytest.mark.parametrize("age", ["1.14"])
def test_a_date_to_come_back_that_is_far_is_not_waited_for(emulator: Emulator, driver: Driver, age: str) -> None:
    turn, posts = ask(driver, emulator, "chat", TooManyRequests(retry_after_s=3600, as_date=True))
    assert isinstance(turn.error, BotRateLimitError)
    assert turn.error.retry_after_s is not None
    assert 3000 < turn.error.retry_after_s <= 3600
    assert posts == 1


@pytest.mark.parametrize("age", ["1.14"])
def test_an_event_of_ten_megabytes_is_taken_if_the_limit_allows(emulator: Emulator, driver: Driver, age: str) -> None:
    turn, _ = ask(driver, emulator, "chat", HugeEvent())
    assert turn.error is None
    assert len(turn.answer.text) > 10_000_000
    turn, _ = ask(driver, emulator, "chat", HugeEvent(), max_event_bytes=1_000_000)
    assert isinstance(turn.error, BotProtocolError)
    assert "max_event_bytes" in str(turn.error)


@pytest.mark.parametrize("age", ["0.15", "1.14"])
def test_what_a_chatflow_refuses_is_the_same_error_on_both_ages(emulator: Emulator, driver: Driver, age: str) -> None:
    unknown = Question("Hello", user="anna", conversation_id="00000000-0000-4000-8000-000000000000")
    key = emulator.key("advanced-chat")
    (turn,) = driver.ask(emulator.dify_url, unknown, key=key, timeout=(5, 20), probe_after_s=0.1)
    assert isinstance(turn.error, BotNotFoundError)
    key = emulator.key("advanced-chat-required")
    question = Question("Hello", user="anna")
    (turn,) = driver.ask(emulator.dify_url, question, key=key, timeout=(5, 20), probe_after_s=0.1)
    assert isinstance(turn.error, BotRejectedError)
    assert "city is required" in str(turn.error)
