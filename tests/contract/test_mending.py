"""A turn that breaks off goes on with what the server keeps: in every way of asking, without a second post."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from remote_chatbots import BotError, BotTimeoutError, BotTruncatedError, BotUsageError
from remote_chatbots.emulator import Cut, Emulator, EndEarly, Fault, Hang, HtmlPage, Reset
from tests.contract.ways import FACES, STREAMED, Came, asked_by, model_of
from tests.covering import covering

TEXT = "[[echo]]" + " ".join(f"word{at}" for at in range(200))
KEPT = {"advanced-chat": {}, "gptbots": {"api_version": "v2"}, "gptbots of v1": {"api_version": "v1"}}
BREAKS: dict[str, Fault] = {
    "a cut": Cut(9000),
    "a reset": Reset(9000),
    "a polite end": EndEarly(1),
    "silence": Hang(9000),
}
SEND = ("/v1/chat-messages", "/gptbots/v1/conversation/message", "/gptbots/v2/conversation/message")


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0, held_open_s=0.05) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    yield running
    running.faults.clear()


def broken(emulator: Emulator, fault: Fault) -> None:
    for path in SEND:
        emulator.faults.add(fault, path=path)


def asked(emulator: Emulator, way: str, bot: str, text: str = TEXT, **fields: Any) -> tuple[Came, int]:
    """Return what came, and how often the message was posted."""
    before = len(emulator.requests)
    given = {"timeout": (5, 0.5), "recover_wait_s": 5, "probe_after_s": 20, **KEPT.get(bot, {}), **fields}
    came = asked_by(way, model_of(way, emulator, bot.split(" ")[0], **given), text)
    return came, sum(request.path in SEND for request in emulator.requests[before:])


@pytest.mark.parametrize(("way", "bot", "fault"), covering(FACES, list(KEPT), list(BREAKS), times=2))
def test_the_whole_answer_is_there_and_was_told_once(emulator: Emulator, way: str, bot: str, fault: str) -> None:
    broken(emulator, BREAKS[fault])
    came, posts = asked(emulator, way, bot, on_break="recover")

    assert came.error is None
    assert came.text == TEXT.removeprefix("[[echo]]")
    assert posts == 1
    assert came.told["finish_reason"] == "stop"
    assert came.told["conversation_id"]
    if way in STREAMED:
        assert "".join(came.pieces) == came.text
        assert sum(map(bool, came.pieces)) > (fault in ("a cut", "silence"))  # some before the break, the rest after
    assert "replaced" not in came.told


@pytest.mark.parametrize("way", FACES)
def test_without_it_the_same_break_is_an_error(emulator: Emulator, way: str) -> None:
    broken(emulator, Cut(9000))
    came, posts = asked(emulator, way, "advanced-chat")
    assert isinstance(came.error, BotTruncatedError)
    assert "on_break" not in str(came.error)
    assert posts == 1


@pytest.mark.parametrize("way", FACES)
def test_where_the_server_has_lost_the_answer_the_first_error_says_so_and_knows_what_it_knew(
    emulator: Emulator, way: str
) -> None:
    broken(emulator, Cut(1500))
    plain, _ = asked(emulator, way, "chat")
    broken(emulator, Cut(1500))
    came, posts = asked(emulator, way, "chat", on_break="recover")
    assert plain.error is not None
    assert came.error is not None
    assert came.known() == plain.known()
    assert came.error.partial_text
    assert str(came.error).startswith(str(plain.error))
    assert "the server has no text of this answer" in str(came.error)
    assert repr(came.error).count("on_break") == 1
    assert posts == 1


@pytest.mark.parametrize("way", ["LangChain stream", "LangChain astream"])
def test_looking_for_an_answer_takes_no_longer_than_it_may(emulator: Emulator, way: str) -> None:
    broken(emulator, Cut(9000))
    emulator.faults.add(Hang(before_head=True), path="/v1/workflow/*/events")
    began = time.monotonic()
    came, posts = asked(emulator, way, "advanced-chat", on_break="recover", recover_wait_s=0.4, timeout=(5, 20))
    assert isinstance(came.error, BotTruncatedError)
    assert "recover_wait_s=0.4" in str(came.error)
    assert time.monotonic() - began < 3
    assert posts == 1


@pytest.mark.parametrize("bot", ["advanced-chat", "gptbots", "gptbots of v1"])
def test_an_older_answer_to_the_same_words_is_never_taken_for_the_lost_one(emulator: Emulator, bot: str) -> None:
    way = "LangChain invoke"
    first, _ = asked(emulator, way, bot)
    broken(emulator, HtmlPage(502))
    came, posts = asked(emulator, way, bot, on_break="recover", conversation_id=first.told["conversation_id"])
    assert isinstance(came.error, BotError)
    assert came.error.http_status == 502
    assert "before its ids were known" in str(came.error)
    assert posts == 1


@pytest.mark.parametrize("way", ["LangChain stream", "LlamaIndex astream_chat"])
def test_a_turn_without_any_time_left_looks_for_nothing(emulator: Emulator, way: str) -> None:
    broken(emulator, Hang(9000))
    before = len(emulator.requests)
    came, _ = asked(emulator, way, "advanced-chat", on_break="recover", timeout=(5, 5, 0.5))
    assert isinstance(came.error, BotTimeoutError)
    assert came.error.phase == "total"
    assert [request.path for request in emulator.requests[before:] if "/workflow/" in request.path] == []


@pytest.mark.parametrize("way", ["LangChain invoke", "LlamaIndex chat"])
def test_another_value_is_refused_by_its_name(emulator: Emulator, way: str) -> None:
    with pytest.raises(BotUsageError, match="on_break"):
        asked(emulator, way, "chat", on_break="again")
