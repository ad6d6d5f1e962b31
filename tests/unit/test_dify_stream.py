"""What the events of a Dify chat mean, and what is not known."""

from __future__ import annotations

import base64
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from remote_chatbots import (
    BotProtocolError,
    BotServerError,
    DifyApp,
    Finished,
    MediaProduced,
    Question,
    Reasoning,
    Settings,
    Source,
    SourcesFound,
    Started,
    TextDelta,
    Unrecognized,
    Usage,
    UsageReported,
)
from remote_chatbots.flow import Read, Turn
from remote_chatbots.wire import ResponseHead
from tests.unit.dify_said import END, IDS, RUN_STARTED, USAGE, failure, kinds, message, run_finished

Told = Callable[..., Any]

# Chat


def test_a_chat_turn_gives_its_events_in_order(told: Told) -> None:
    resources = [{"position": 1, "document_name": "coast.md", "content": "West wind brings rain.", "score": 0.77}]
    metadata = {"annotation_reply": None, "retriever_resources": resources, "usage": USAGE}

    played = told(message("Rain "), message("likely."), {**END, "metadata": metadata})

    assert played.error is None
    assert played.events == [
        IDS,
        TextDelta("Rain "),
        TextDelta("likely."),
        UsageReported(Usage(812, 64, 876, Decimal("0.0001602"), "USD", 1.734, 0.412, USAGE)),
        SourcesFound((Source("West wind brings rain.", "coast.md", score=0.77, position=1, raw=resources[0]),)),
        Finished("stop", {"annotation_reply": None}),
    ]


def test_pieces_that_came_in_one_read_are_one(app: DifyApp, drive: Told, framed: Told) -> None:
    chunk = framed(message("Rain "), message("likely."), END)

    played = drive(app.ask(Question("Rain?", user="ann")), [chunk])

    assert played.events == [IDS, TextDelta("Rain likely."), Finished()]


def test_pieces_stay_apart_where_coalescing_is_off(app: DifyApp, drive: Told, framed: Told) -> None:
    chunk = framed(message("Rain "), message("likely."), END)

    played = drive(app.ask(Question("Rain?", user="ann", coalesce=False)), [chunk])

    assert played.events == [IDS, TextDelta("Rain "), TextDelta("likely."), Finished()]


def test_a_long_text_is_kept_once_however_its_pieces_are_joined(app: DifyApp, framed: Told) -> None:
    said = [[f"{read}-{piece} " * 1000 for piece in range(4)] for read in range(200)]
    reads = [framed(*map(message, pieces)) for pieces in said]
    turn = Turn(app.ask(Question("Rain?", user="ann")))
    turn.resume()
    step = turn.resume(ResponseHead(200, {"content-type": "text/event-stream"}))
    tracemalloc.start()
    try:
        for read in reads:
            step = turn.resume(read)
            while not isinstance(step, Read):
                step = turn.resume()
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert turn.answer.text == "".join("".join(pieces) for pieces in said)
    assert kept_bytes < 1.2 * len(turn.answer.text)


def test_reasoning_and_text_are_not_joined_with_each_other(app: DifyApp, drive: Told, framed: Told) -> None:
    think = {"event": "reasoning_chunk", "data": {"reasoning": "West, "}}
    chunk = framed(RUN_STARTED, think, think, message("Rain"), message("."), think, END, run_finished("succeeded"))

    played = drive(app.ask(Question("Rain?", user="ann")), [chunk])

    assert played.events[1:-1] == [Reasoning("West, West, "), TextDelta("Rain."), Reasoning("West, ")]


def test_empty_pieces_are_no_events(told: Told) -> None:
    played = told(message(""), message("Rain"), message(""), END)

    assert played.events == [IDS, TextDelta("Rain"), Finished()]


def test_an_answer_may_be_empty(told: Told) -> None:
    played = told(message(""), END)

    assert (played.error, played.answer.text, played.answer.finish_reason) == (None, "", "stop")


def test_each_id_is_told_once_when_it_is_first_known(told: Told) -> None:
    played = told(
        {**message("a"), "task_id": ...}, RUN_STARTED, message("b"), message("c"), END, run_finished("succeeded")
    )

    assert [event for event in played.events if isinstance(event, Started)] == [
        Started("c-1", "m-1", created_at=1767225600),
        Started(task_id="t-1", workflow_run_id="r-1"),
    ]


def test_the_task_is_told_with_the_text_that_is_the_first_to_name_it(told: Told) -> None:
    played = told({**message("Rain "), "task_id": "", "workflow_run_id": "r-1"}, message("likely."), END)

    assert kinds(played.events) == ["Started", "TextDelta", "Started", "TextDelta", "Finished"]
    assert [event.task_id for event in played.events if isinstance(event, Started)] == ["", "t-1"]


def test_an_id_of_the_reply_is_not_taken_for_the_messages(told: Told) -> None:
    played = told({**message("a"), "id": "reply-7"}, END)

    assert played.answer.message_id == "m-1"


def test_an_empty_id_is_none_and_the_real_one_is_told_when_it_comes(told: Told) -> None:
    empty = {"conversation_id": "", "message_id": "", "task_id": "", "id": "", "created_at": None}

    played = told({**message("a"), **empty}, message("b"), END)

    assert played.events == [TextDelta("a"), IDS, TextDelta("b"), Finished()]


def test_the_time_of_a_message_is_told_with_the_first_event_that_has_it(told: Told) -> None:
    played = told({**message("a"), "created_at": None}, message("b"), END)

    assert played.events[:4] == [
        Started("c-1", "m-1", "t-1"),
        TextDelta("a"),
        Started(created_at=1767225600),
        TextDelta("b"),
    ]


def test_prices_are_decimals_also_in_exponent_form(told: Told) -> None:
    usage = {"total_price": "0E-7", "prompt_price": "1E-7", "completion_price": 0.5}
    played = told(message("a"), {**END, "metadata": {"usage": usage}})

    total, of_prompt, of_completion = Decimal("0E-7"), Decimal("1E-7"), Decimal("0.5")
    assert played.answer.usage == Usage(
        total_price=total, prompt_price=of_prompt, completion_price=of_completion, raw=usage
    )


@pytest.mark.parametrize("metadata", [{}, {"usage": None, "retriever_resources": None}, None, ...], ids=str)
def test_an_end_that_tells_no_usage_and_no_sources_gives_none(told: Told, metadata: Any) -> None:
    played = told(message("a"), {**END, "metadata": metadata})

    assert (played.error, played.answer.usage, played.answer.sources) == (None, None, ())


@pytest.mark.parametrize("value", [[], {}, "odd", 5, True], ids=repr)
def test_sources_that_are_none_are_no_event(told: Told, value: Any) -> None:
    played = told(message("a"), {**END, "metadata": {"retriever_resources": value}})

    assert "SourcesFound" not in kinds(played.events)


@pytest.mark.parametrize("value", [True, "7", 1.5, None, [1]], ids=repr)
def test_a_count_of_tokens_that_is_no_number_counts_nothing(told: Told, value: Any) -> None:
    usage = {"prompt_tokens": value, "completion_tokens": value, "total_tokens": value, "latency": "1", "currency": 5}
    played = told(message("a"), {**END, "metadata": {"usage": usage}})

    assert played.answer.usage == Usage(raw=usage)


@pytest.mark.parametrize("price", [True, "free", [], "NaN", "Infinity", None], ids=repr)
def test_a_price_that_is_no_number_is_none(told: Told, price: Any) -> None:
    played = told(message("a"), {**END, "metadata": {"usage": {"total_price": price}}})

    assert played.answer.usage.total_price is None


def test_a_source_from_the_web_has_its_title(told: Told) -> None:
    resource = {"title": "A page", "document_name": None, "content": None, "score": None, "segment_id": None}
    played = told(message("a"), {**END, "metadata": {"retriever_resources": [resource]}})

    assert played.answer.sources == (Source(title="A page", raw=resource),)


def test_sources_keep_the_order_of_the_server(told: Told) -> None:
    resources = [{"position": at, "segment_id": f"s-{at}"} for at in (2, 3, 1)]
    played = told(message("a"), {**END, "metadata": {"retriever_resources": resources}})

    assert [(source.position, source.segment_id) for source in played.answer.sources] == [
        (2, "s-2"),
        (3, "s-3"),
        (1, "s-1"),
    ]


def test_files_of_the_end_are_in_its_metadata(told: Told) -> None:
    played = told(message("a"), {**END, "files": [{"filename": "map.pdf"}]})

    assert played.answer.metadata == {"files": [{"filename": "map.pdf"}]}


def test_a_second_message_end_counts_no_usage_twice(told: Told) -> None:
    end = {**END, "metadata": {"usage": USAGE}}
    other = {**END, "metadata": {"usage": {**USAGE, "prompt_tokens": 1}}}

    played = told(message("a"), end, other)

    assert kinds(played.events).count("UsageReported") == 1
    assert played.answer.usage.prompt_tokens == 812


def test_text_after_the_end_is_no_text(told: Told) -> None:
    played = told(message("Rain."), END, message(" Late."))

    assert played.answer.text == "Rain."
    assert [event.name for event in played.answer.unrecognized] == ["message"]


def test_an_error_after_the_end_is_no_error(told: Told) -> None:
    played = told(message("Rain."), END, failure(code="internal_server_error", status=500, message="Late."))

    assert (played.error, played.answer.text, played.answer.finish_reason) == (None, "Rain.", "stop")


def test_a_ping_as_data_is_no_event(told: Told) -> None:
    played = told({"event": "ping"}, message("Rain."), {"event": "ping"}, END)

    assert [event for event in played.events if not isinstance(event, Started)] == [TextDelta("Rain."), Finished()]


def test_a_ping_without_data_is_no_event(app: DifyApp, drive: Told, framed: Told) -> None:
    ping = b"event: ping\n\n"

    played = drive(app.ask(Question("Rain?", user="ann")), [ping, framed(message("Rain.")), ping, framed(END), ping])

    assert played.events == [IDS, TextDelta("Rain."), Finished()]


# What is not known


@pytest.mark.parametrize("value", [None, 7, "text", [1, 2], True], ids=repr)
def test_a_frame_that_is_no_object_is_handed_on(told: Told, value: Any) -> None:
    played = told(message("a"), value, END)

    assert played.error is None
    assert played.answer.unrecognized == (Unrecognized("", value),)


def test_an_unknown_event_is_handed_on(told: Told) -> None:
    played = told(message("a"), {"event": "weather_changed", "wind": "west"}, message("b"), END)

    assert played.answer.text == "ab"
    assert [(event.name, event.raw["wind"]) for event in played.answer.unrecognized] == [("weather_changed", "west")]


def test_an_event_that_is_no_json_is_a_protocol_error_with_the_text_so_far(
    app: DifyApp, drive: Told, framed: Told
) -> None:
    chunk = framed(message("Rain ")) + b"data: <html>Bad gateway</html>\n\n"

    played = drive(app.ask(Question("Rain?", user="ann")), [chunk])

    assert type(played.error) is BotProtocolError
    assert "<html>Bad gateway" in str(played.error)
    assert (played.error.partial_text, played.error.message_id, played.error.platform) == ("Rain ", "m-1", "dify")


def test_an_event_above_the_limit_is_a_dify_error_with_the_text_so_far(told: Told) -> None:
    played = told(message("Rain "), message("x" * 2000), END, settings=Settings(max_event_bytes=1024))

    assert type(played.error) is BotProtocolError
    assert (played.error.partial_text, played.error.platform) == ("Rain ", "dify")
    assert str(played.error).startswith("dify:")


# Speech


def test_speech_after_the_text_is_part_of_the_turn(told: Told) -> None:
    pieces = [{"event": "tts_message", "audio": base64.b64encode(data).decode()} for data in (b"\xff\xfb", b"\x90")]

    played = told(message("Rain."), END, *pieces, {"event": "tts_message_end", "audio": ""})

    assert played.error is None
    assert played.answer.media == (
        MediaProduced("audio", data=b"\xff\xfb", mime_type="audio/mpeg"),
        MediaProduced("audio", data=b"\x90", mime_type="audio/mpeg"),
    )


def test_speech_that_is_no_base64_is_handed_on(told: Told) -> None:
    played = told(message("Rain."), {"event": "tts_message", "audio": "no base64!"}, END)

    assert (played.error, played.answer.media) == (None, ())
    assert [event.name for event in played.answer.unrecognized] == ["tts_message"]


# The wire of 2023


def test_data_lines_without_a_name_are_text_and_the_close_is_the_end(told: Told) -> None:
    lines = [{"id": "old-1", "answer": text, "created_at": 1679586595} for text in (" Rain", " likely.")]

    played = told(*lines)

    assert played.error is None
    assert played.events == [
        Started(message_id="old-1", created_at=1679586595),
        TextDelta(" Rain"),
        TextDelta(" likely."),
        Finished(),
    ]


def test_an_error_of_2023_has_no_name_either(told: Told) -> None:
    played = told(
        {"id": "old-1", "answer": " Rain", "created_at": 1679586595},
        {"code": "completion_request_error", "message": "upstream refused", "status": 400},
    )

    assert type(played.error) is BotServerError
    assert (played.error.partial_text, played.error.message_id) == (" Rain", "old-1")
    assert (played.error.code, played.error.in_stream) == ("completion_request_error", True)
