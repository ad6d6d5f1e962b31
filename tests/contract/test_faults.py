"""What goes wrong on the way to a Dify server, and is no part of the matrix: one outcome on both drivers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from remote_chatbots import (
    BotNotFoundError,
    BotProtocolError,
    BotRateLimitError,
    BotRejectedError,
    Question,
)
from remote_chatbots.emulator import (
    Emulator,
    Fault,
    HugeEvent,
    TooManyRequests,
)
from tests.contract.scripted import Driver, Turn

QUESTION = "[[echo]]Grüße aus 游客中心 👋, one two three four five six seven."


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


@pytest.mark.matrix  # a driver takes such an event in `make test` as well
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
