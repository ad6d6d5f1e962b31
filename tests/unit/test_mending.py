"""What becomes of a turn that broke off, without a socket: what is told of a recovered answer, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from remote_chatbots import (
    BotAuthError,
    BotConnectError,
    BotFormatError,
    BotProtocolError,
    BotRateLimitError,
    BotServerError,
    BotTimeoutError,
    BotTruncatedError,
    BotUsageError,
    DifyApp,
    GPTBotsAgent,
    Question,
    TextDelta,
    TextReplaced,
)
from remote_chatbots.events import Event
from remote_chatbots.flow import Flow, Within
from remote_chatbots.forgotten import ask
from remote_chatbots.mending import fate_unknown
from remote_chatbots.wire import ResponseHead

Drive = Callable[..., Any]
Framed = Callable[..., bytes]
JSON = ResponseHead(200, {"content-type": "application/json"})
QUESTION = Question("Will it rain?", user="ann", on_break="recover")


def message(text: str) -> dict[str, Any]:
    return {"event": "message", "answer": text, "conversation_id": "c-1", "message_id": "m-1", "task_id": "t-1"}


def kept(answer: str, **turn: Any) -> tuple[ResponseHead, bytes]:
    told = {"id": "m-1", "conversation_id": "c-1", "query": QUESTION.text, "answer": answer, "created_at": 1, **turn}
    return JSON, orjson.dumps({"data": [told], "has_more": False, "limit": 100})


def mended(app: DifyApp, drive: Drive, framed: Framed, said: list[str], *replies: Any, **question: Any) -> Any:
    """Ask a chatbot whose stream breaks off behind `said`."""
    flow = ask(app, replace(QUESTION, **question))
    return drive(flow, [framed(message(text)) for text in said], *replies)


def texts(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, (TextDelta, TextReplaced))]


@pytest.mark.parametrize("said", [["It ", "rai"], ["It rains."], ["It rains. "], []], ids=len)
def test_what_was_told_is_not_told_again(app: DifyApp, drive: Drive, framed: Framed, said: list[str]) -> None:
    opening = ["", *said]  # the ids come with the first event
    played = mended(app, drive, framed, opening, kept("It rains. Take a coat."))
    told = "".join(said)
    assert played.error is None
    assert texts(played.events) == [
        *(TextDelta(text) for text in said),
        TextDelta("It rains. Take a coat.".removeprefix(told)),
    ]
    assert (played.answer.text, played.answer.finish_reason) == ("It rains. Take a coat.", "stop")
    assert [request.method for request in played.requests] == ["POST", "GET"]


def test_an_answer_that_was_told_to_its_end_gets_its_end_alone(app: DifyApp, drive: Drive, framed: Framed) -> None:
    played = mended(app, drive, framed, ["It rains."], kept("It rains."))
    assert texts(played.events) == [TextDelta("It rains.")]
    assert (played.error, played.answer.finish_reason) == (None, "stop")


def test_an_answer_that_begins_otherwise_takes_the_place_of_what_was_told(
    app: DifyApp, drive: Drive, framed: Framed
) -> None:
    played = mended(app, drive, framed, ["It rai"], kept("The sun shines."))
    assert texts(played.events) == [TextDelta("It rai"), TextReplaced("The sun shines.")]
    assert (played.answer.text, played.answer.replaced) == ("The sun shines.", True)


def test_ids_that_were_told_are_not_told_again(app: DifyApp, drive: Drive, framed: Framed) -> None:
    played = mended(app, drive, framed, ["It rai"], kept("It rains."))
    told = [event for event in played.events if type(event).__name__ == "Started"]
    assert [event.message_id for event in told] == ["m-1", ""][: len(told)]


def test_a_stop_sequence_holds_for_what_is_fetched(app: DifyApp, drive: Drive, framed: Framed) -> None:
    played = mended(app, drive, framed, ["It rai"], kept("It rains. STOP Take a coat."), stop=("STOP",))
    assert played.answer.text == "It rains. "


def test_thoughts_of_what_is_fetched_stay_apart(app: DifyApp, drive: Drive, framed: Framed) -> None:
    said = ["<think>West wind", ".</think>It rai"]
    played = mended(app, drive, framed, said, kept("<think>West wind.</think>It rains."))
    assert (played.answer.reasoning, played.answer.text) == ("West wind.", "It rains.")


def test_looking_is_bounded_before_it_begins(app: DifyApp, drive: Drive, framed: Framed) -> None:
    app = replace(app, settings=replace(app.settings, recover_wait_s=7.0))
    played = mended(app, drive, framed, ["It rai"], kept("It rains."))
    assert [effect.seconds for effect in played.effects if isinstance(effect, Within)] == [7.0]


@pytest.mark.parametrize(
    "reply",
    [kept(""), (ResponseHead(500, {}), b""), BotConnectError("dify: no connection. Try again.", platform="dify")],
    ids=["nothing kept", "a failure", "no connection"],
)
def test_in_vain_it_is_the_first_error_with_the_reason_behind_it(
    app: DifyApp, drive: Drive, framed: Framed, reply: Any
) -> None:
    plain = drive(app.ask(QUESTION), [framed(message("It rai"))]).error
    played = mended(replace(app, settings=replace(app.settings, max_retries=0)), drive, framed, ["It rai"], reply)
    assert type(played.error) is BotTruncatedError
    assert played.error.details() == plain.details()
    assert str(played.error).startswith(f"{plain} on_break: dify: ")
    assert played.error.args == (str(played.error),)


def test_words_that_may_have_been_asked_before_find_no_answer(app: DifyApp, drive: Drive, framed: Framed) -> None:
    flow = ask(app, replace(QUESTION, conversation_id="c-1"))
    played = drive(flow, BotTruncatedError("dify: broken. Look.", platform="dify"))
    assert "before its ids were known" in str(played.error)
    assert len(played.requests) == 1


def test_a_lost_opening_of_a_new_conversation_is_looked_for_where_the_conversation_is_known(
    agent: GPTBotsAgent, drive: Drive
) -> None:
    created = (JSON, b'{"conversation_id": "c-9"}')
    question = {"message_id": "a", "role": "user", "content": [{"branch_content": [{"type": "text", "text": "Rain?"}]}]}
    history = (JSON, orjson.dumps({"conversation_content": [question]}))
    broken = BotTruncatedError("gptbots: broken. Look.", platform="gptbots")
    flow = ask(agent, Question("Rain?", user="ann", on_break="recover"))
    played = drive(flow, created, broken, *[history] * 5)
    assert type(played.error) is BotTruncatedError
    assert "the server has no text of this answer" in str(played.error)
    assert [request.method for request in played.requests][:3] == ["POST", "POST", "GET"]


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        (BotTruncatedError("x"), True),
        (BotTimeoutError("x", phase="silence"), True),
        (BotTimeoutError("x", phase="total"), False),
        (BotTimeoutError("x", phase="connect"), False),
        (BotConnectError("x"), False),
        (BotProtocolError("x"), True),
        (BotFormatError("x"), False),
        (BotServerError("x", http_status=502), True),
        (BotServerError("x", http_status=500, code="internal_server_error"), False),
        (BotServerError("x", http_status=500, in_stream=True), False),
        (BotServerError("x", http_status=503, retryable=True), False),
        (BotAuthError("x", http_status=401), False),
        (BotRateLimitError("x", http_status=429), False),
        (BotUsageError("x"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_looked_for_is_what_may_have_been_answered_all_the_same(error: Any, unknown: bool) -> None:
    assert fate_unknown(error) is unknown


def test_a_platform_that_keeps_no_answers_refuses_before_anything_is_sent() -> None:
    class Forgetful:
        name = "forgetful"
        settings = DifyApp("app-a-key-that-is-none", "https://dify.example.com").settings

        def ask(self, question: Question) -> Flow[None]:
            yield TextDelta("never")

    with pytest.raises(BotUsageError, match=r'forgetful: the server keeps no answer .* Leave on_break at "error"'):
        ask(Forgetful(), QUESTION)  # type: ignore[arg-type]
