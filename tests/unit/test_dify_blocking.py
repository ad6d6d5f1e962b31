"""An answer that comes as one JSON object: because it was asked for, or because a proxy or server made it so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from remote_chatbots import (
    BotAuthError,
    BotProtocolError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
    BotTruncatedError,
    DifyApp,
    Finished,
    InputRequired,
    Question,
    Reasoning,
    Settings,
    Started,
    TextDelta,
)
from remote_chatbots.wire import ResponseHead

Drive = Callable[..., Any]

METADATA = {
    "annotation_reply": None,
    "retriever_resources": [{"position": 1, "document_name": "coast.md", "content": "West wind."}],
    "usage": {"prompt_tokens": 812, "completion_tokens": 64, "total_tokens": 876, "total_price": "0.0001602"},
}
ANSWER = {
    "event": "message",
    "task_id": "t-1",
    "id": "m-1",
    "message_id": "m-1",
    "conversation_id": "c-1",
    "mode": "chat",
    "answer": "Rain likely.",
    "metadata": METADATA,
    "created_at": 1767225600,
}
FORM = {"TYPE": "human_input_required", "form_id": "f-1", "form_token": "tok_9c1e"}


def whole(body: Any, status: int = 200, content_type: str = "application/json; charset=utf-8") -> tuple[Any, Any]:
    body = body if isinstance(body, bytes) else orjson.dumps(body)
    return ResponseHead(status, {"content-type": content_type}), body


def blocking(text: str = "Will it rain?", **fields: Any) -> Question:
    return Question(text, user="ann", blocking=True, **fields)


def test_the_blocking_form_is_asked_for_with_one_post(app: DifyApp, drive: Drive) -> None:
    played = drive(app.ask(blocking()), whole(ANSWER))

    assert [body["response_mode"] for body in played.posted] == ["blocking"]


def test_a_blocking_answer_gives_the_events_of_a_stream(app: DifyApp, drive: Drive, framed: Any) -> None:
    streamed = drive(
        app.ask(Question("Will it rain?", user="ann")),
        [
            framed({"event": "message", "answer": "Rain likely."}),
            framed({"event": "message_end", "metadata": METADATA}),
        ],
    )

    played = drive(app.ask(blocking()), whole(ANSWER))

    assert played.error is None
    assert played.events == streamed.events
    assert played.events[0] == Started("c-1", "m-1", "t-1", created_at=1767225600)
    assert played.answer.sources[0].title == "coast.md"


def test_what_models_thought_is_told_before_the_answer_and_once(app: DifyApp, drive: Drive, framed: Any) -> None:
    reasoned = {**METADATA, "reasoning": {"1740002": "West, so", "1740003": "", "1740004": None}}
    whole_one = drive(app.ask(blocking()), whole({**ANSWER, "metadata": reasoned}))
    assert whole_one.events[1:3] == [Reasoning("West, so"), TextDelta("Rain likely.")]

    chunk = {"event": "reasoning_chunk", "data": {"reasoning": "West, so", "node_id": "1740002", "is_final": True}}
    for before in ([chunk], []):
        events = [*before, {"event": "message", "answer": "Rain."}, {"event": "message_end", "metadata": reasoned}]
        streamed = drive(app.ask(Question("Will it rain?", user="ann")), [framed(event) for event in events])
        assert streamed.answer.reasoning == "West, so"


def test_a_body_in_pieces_is_one_body(app: DifyApp, drive: Drive) -> None:
    body = orjson.dumps({**ANSWER, "answer": "上海有雨"})
    head, _ = whole(b"")

    played = drive(app.ask(blocking()), (head, [body[at : at + 1] for at in range(len(body))]))

    assert played.answer.text == "上海有雨"


def test_an_id_of_the_reply_is_not_taken_for_the_messages(app: DifyApp, drive: Drive) -> None:
    assert drive(app.ask(blocking()), whole({**ANSWER, "id": "reply-7"})).answer.message_id == "m-1"


def test_an_answer_of_2023_needs_nothing_but_its_text(app: DifyApp, drive: Drive) -> None:
    played = drive(app.ask(blocking()), whole({"answer": "Rain.", "id": "old-1", "conversation_id": "c-1"}))

    assert played.events == [Started("c-1", "old-1"), TextDelta("Rain."), Finished()]


def test_an_empty_answer_is_an_answer(app: DifyApp, drive: Drive) -> None:
    played = drive(app.ask(blocking()), whole({**ANSWER, "answer": "", "metadata": {}}))

    assert (played.error, played.answer.text, played.answer.finish_reason) == (None, "", "stop")


def test_a_run_that_waits_for_a_person_is_paused(app: DifyApp, drive: Drive) -> None:
    paused = {**ANSWER, "event": "workflow_paused", "answer": "Draft so far", "metadata": {}, "workflow_run_id": "r-1"}

    played = drive(app.ask(blocking()), whole({**paused, "data": {"reasons": [FORM], "status": "paused"}}))

    assert played.events == [
        Started("c-1", "m-1", "t-1", "r-1", 1767225600),
        TextDelta("Draft so far"),
        InputRequired(FORM),
        Finished("paused"),
    ]


@pytest.mark.parametrize("data", [None, [], {}, {"reasons": None}, {"reasons": ["x", 5]}], ids=str)
def test_a_pause_that_names_no_form_is_a_pause_all_the_same(app: DifyApp, drive: Drive, data: Any) -> None:
    played = drive(app.ask(blocking()), whole({**ANSWER, "event": "workflow_paused", "data": data}))

    assert (played.error, played.answer.finish_reason, played.answer.input_required) == (None, "paused", ())


def test_a_stop_sequence_ends_a_blocking_answer_too(app: DifyApp, drive: Drive) -> None:
    played = drive(app.ask(blocking(stop=[" likely"])), whole(ANSWER))

    assert (played.answer.text, played.answer.finish_reason) == ("Rain", "stop")
    assert played.answer.usage.total_tokens == 876


# Refusals and what is no answer


@pytest.mark.parametrize(
    ("told", "kind", "status"),
    [
        ({"code": "unauthorized", "message": "Access token is invalid", "status": 401}, BotAuthError, 401),
        ({"code": "not_chat_app", "message": "Wrong route."}, BotRejectedError, 200),
        ({"code": "unknown", "message": ""}, BotServerError, 200),
    ],
    ids=["with a status", "without one", "without a word"],
)
def test_a_refusal_under_a_success_is_a_refusal(
    app: DifyApp, drive: Drive, told: dict[str, Any], kind: type[BotReplyError], status: int
) -> None:
    played = drive(app.ask(blocking()), whole(told))

    assert type(played.error) is kind
    assert (played.error.code, played.error.http_status) == (told["code"], status)
    assert len(played.requests) == 1


@pytest.mark.parametrize("mode", [True, False], ids=["blocking", "stream"])
@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
def test_a_web_page_under_a_success_is_a_protocol_error_that_shows_how_it_begins(
    app: DifyApp, drive: Drive, content_type: str, mode: bool
) -> None:
    page = b"<!doctype html>\n<html><title>Sign in</title>" + b"x" * 500 + b"the very end"

    played = drive(app.ask(Question("Rain?", user="ann", blocking=mode)), whole(page, content_type=content_type))

    assert type(played.error) is BotProtocolError
    assert str(played.error).startswith("dify:")
    assert "<title>Sign in</title>" in str(played.error)
    assert "the very end" not in str(played.error)
    assert "\n" not in str(played.error)
    assert (played.error.retryable, len(played.requests)) == (False, 1)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'"Rain"', b"{}", b'{"answer":null}', b'{"answer":5}', b'{"answer":"Rai', b'{"code":"x"}'],
    ids=["nothing", "a list", "null", "a string", "no keys", "null answer", "number", "half", "a code alone"],
)
def test_json_that_is_no_answer_is_a_protocol_error(app: DifyApp, drive: Drive, body: bytes) -> None:
    played = drive(app.ask(blocking()), whole(body))

    assert type(played.error) is BotProtocolError


def test_a_body_above_the_limit_is_refused_with_the_limits_name(drive: Drive) -> None:
    app = DifyApp("app-key", settings=Settings(max_event_bytes=1024))

    played = drive(app.ask(blocking()), whole({**ANSWER, "answer": "x" * 2000}))

    assert type(played.error) is BotProtocolError
    assert "max_event_bytes" in str(played.error)


def test_a_body_above_the_limit_is_a_dify_error(drive: Drive) -> None:
    app = DifyApp("app-key", settings=Settings(max_event_bytes=1024))

    played = drive(app.ask(blocking()), whole({**ANSWER, "answer": "x" * 2000}))

    assert (played.error.platform, str(played.error)[:5]) == ("dify", "dify:")


def test_a_body_that_breaks_off_is_not_asked_for_again(app: DifyApp, drive: Drive) -> None:
    head, body = whole(ANSWER)
    broken = BotTruncatedError("dify: the connection broke.", platform="dify")

    played = drive(app.ask(blocking()), (head, [body[:50], broken]))

    assert type(played.error) is BotTruncatedError
    assert len(played.requests) == 1


# Apps that only stream

REFUSALS = {
    "an agent": {
        "code": "invalid_param", "message": "Agent Chat App does not support blocking mode", "status": 400,
    },
    "a new agent": {
        "code": "bad_request", "message": "Agent App only supports streaming response mode.", "status": 400,
    },
}  # fmt: skip
STREAMED = ({"event": "agent_message", "answer": "Rain likely."}, {"event": "message_end", "metadata": {}})


@pytest.mark.parametrize("told", REFUSALS.values(), ids=REFUSALS)
def test_an_app_that_only_streams_is_asked_once_more_for_a_stream(
    app: DifyApp, drive: Drive, framed: Any, told: dict[str, Any]
) -> None:
    played = drive(app.ask(blocking(inputs={"city": "Bergen"})), whole(told, 400), [framed(*STREAMED)])

    assert played.error is None
    assert played.answer.text == "Rain likely."
    first, second = played.posted
    assert (first.pop("response_mode"), second.pop("response_mode")) == ("blocking", "streaming")
    assert first == second
    assert played.slept == []


@pytest.mark.parametrize("question", ["blocking", "streaming", "What does blocking mean?"])
def test_a_question_about_the_mode_hides_no_refusal_of_it(
    app: DifyApp, drive: Drive, framed: Any, question: str
) -> None:
    for told in REFUSALS.values():
        played = drive(app.ask(blocking(question)), whole(told, 400), [framed(*STREAMED)])

        assert played.error is None
        assert len(played.requests) == 2


def test_any_other_refusal_is_not_asked_again(app: DifyApp, drive: Drive) -> None:
    told = {"code": "invalid_param", "message": "book is required in input form", "status": 400}

    played = drive(app.ask(blocking()), whole(told, 400))

    assert type(played.error) is BotRejectedError
    assert len(played.requests) == 1


def test_a_stream_that_is_refused_in_words_of_the_mode_is_not_asked_again(app: DifyApp, drive: Drive) -> None:
    played = drive(app.ask(Question("Rain?", user="ann")), whole(REFUSALS["an agent"], 400))

    assert type(played.error) is BotRejectedError
    assert len(played.requests) == 1


def test_the_second_refusal_is_the_error(app: DifyApp, drive: Drive) -> None:
    unpublished = {"code": "agent_not_published", "message": "Not published.", "status": 400}

    played = drive(app.ask(blocking()), whole(REFUSALS["a new agent"], 400), whole(unpublished, 400))

    assert (played.error.code, len(played.requests)) == ("agent_not_published", 2)


# The other form than the one that was asked for


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "text/json"])
def test_a_json_answer_is_taken_where_a_stream_was_asked_for(app: DifyApp, drive: Drive, content_type: str) -> None:
    played = drive(app.ask(Question("Rain?", user="ann")), whole(ANSWER, content_type=content_type))

    assert [body["response_mode"] for body in played.posted] == ["streaming"]
    assert (played.error, played.answer.text, played.answer.message_id) == (None, "Rain likely.", "m-1")


@pytest.mark.parametrize("content_type", ["text/event-stream", "TEXT/EVENT-STREAM; charset=utf-8", ""])
def test_a_stream_is_taken_where_a_whole_answer_was_asked_for(
    app: DifyApp, drive: Drive, framed: Any, content_type: str
) -> None:
    head = ResponseHead(200, {"content-type": content_type} if content_type else {})

    played = drive(app.ask(blocking()), (head, [framed(*STREAMED)]))

    assert (played.error, played.answer.text, len(played.requests)) == (None, "Rain likely.", 1)
