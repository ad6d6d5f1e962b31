"""What the events of a Dify stream mean."""

from __future__ import annotations

import base64
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from remote_chatbots import (
    BotAuthError,
    BotError,
    BotProtocolError,
    BotQuotaError,
    BotRejectedError,
    BotReplyError,
    BotServerError,
    BotTruncatedError,
    DifyApp,
    Finished,
    InputRequired,
    MediaProduced,
    Question,
    Reasoning,
    Settings,
    Source,
    SourcesFound,
    Started,
    Step,
    TextDelta,
    TextReplaced,
    Unrecognized,
    Usage,
    UsageReported,
)

Told = Callable[..., Any]

USAGE = {
    "prompt_tokens": 812,
    "prompt_unit_price": "0.15",
    "completion_tokens": 64,
    "total_tokens": 876,
    "total_price": "0.0001602",
    "currency": "USD",
    "latency": 1.734,
    "time_to_first_token": 0.412,
}
END = {"event": "message_end", "id": "m-1", "metadata": {}}
RUN_STARTED = {"event": "workflow_started", "workflow_run_id": "r-1", "data": {"id": "r-1", "workflow_id": "w-1"}}
IDS = Started("c-1", "m-1", "t-1", created_at=1767225600)


def message(text: str) -> dict[str, Any]:
    return {"event": "message", "id": "m-1", "answer": text, "from_variable_selector": None}


def agent_message(text: str) -> dict[str, Any]:
    return {"event": "agent_message", "id": "m-1", "answer": text}


def replace(text: str, **more: Any) -> dict[str, Any]:
    return {"event": "message_replace", "answer": text, **more}


def thought(id: str, position: int, **more: Any) -> dict[str, Any]:  # noqa: A002
    empty = {"thought": "", "observation": "", "tool": "", "tool_labels": {}, "tool_input": "", "message_files": []}
    return {"event": "agent_thought", "id": id, "position": position, **empty, **more}


def run_finished(status: str, error: str | None = None, **more: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"id": "r-1", "workflow_id": "w-1", "status": status, "error": error, "outputs": {}}
    return {"event": "workflow_finished", "workflow_run_id": "r-1", "data": data, **more}


def failure(**fields: Any) -> dict[str, Any]:
    return {"event": "error", "task_id": ..., **fields}


def kinds(events: list[Any]) -> list[str]:
    return [type(event).__name__ for event in events]


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
    played = told(message("a"), {**END, "metadata": {"usage": {"total_price": "0E-7", "prompt_tokens": 3}}})

    assert played.answer.usage == Usage(
        prompt_tokens=3, total_price=Decimal("0E-7"), raw={"total_price": "0E-7", "prompt_tokens": 3}
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


# Agents


def test_an_error_behind_an_agents_text_takes_none_of_it_away(told: Told) -> None:
    failure = {"event": "error", "code": "completion_request_error", "status": 400, "message": "gone"}
    played = told(agent_message("Let me look. "), message("Rain likely."), failure)
    assert played.error.partial_text == "Let me look. Rain likely."


def test_an_agents_text_comes_in_agent_messages(told: Told) -> None:
    played = told(thought("a-1", 1), agent_message("Rain "), agent_message("likely."), END)

    assert played.answer.text == "Rain likely."


def test_a_thought_that_grows_stays_one_step(told: Told) -> None:
    call = {"thought": "Let me look. ", "tool": "forecast", "tool_input": '{"forecast": {"city": "Bergen"}}'}

    played = told(
        thought("a-1", 1),
        agent_message("Let me look. "),
        thought("a-1", 1, **call),
        thought("a-1", 1, **call, observation='{"forecast": "rain 80%"}'),
        thought("a-2", 2),
        agent_message("Rain likely."),
        thought("a-2", 2, thought="Rain likely."),
        END,
    )

    assert played.answer.text == "Let me look. Rain likely."
    assert [(step.id, step.kind, step.name, step.status) for step in played.answer.steps] == [
        ("a-1", "thought", "forecast", "succeeded"),
        ("a-2", "thought", "", "succeeded"),
    ]


def test_a_tool_call_runs_until_its_observation_comes(told: Told) -> None:
    played = told(thought("a-1", 1), thought("a-1", 1, thought="Let me look.", tool="forecast"), END)

    assert [step.status for step in played.events if isinstance(step, Step)] == ["running", "running"]


def test_text_that_passes_an_agent_by_comes_in_messages(told: Told) -> None:
    played = told(thought("a-1", 1), message("H"), message("er"), message("e."), END)

    assert played.answer.text == "Here."


def test_a_file_that_a_tool_made_is_media(told: Told) -> None:
    file = {"event": "message_file", "id": "f-1", "type": "image", "belongs_to": "assistant", "url": "https://h/1.png"}
    played = told(thought("a-1", 1), file, END)

    (media,) = played.answer.media
    assert (media.kind, media.url, media.id, media.raw["belongs_to"]) == (
        "image",
        "https://h/1.png",
        "f-1",
        "assistant",
    )


def test_text_may_come_under_the_name_of_a_file(told: Told) -> None:
    played = told({"event": "message_file", "id": "m-1", "answer": "Rain "}, message("likely."), END)

    assert (played.answer.text, played.answer.media) == ("Rain likely.", ())


# The new agent, which repeats itself before the end

TWO_STEPS = [
    thought("a-1", 1),
    agent_message("Let me look. "),
    thought("a-1", 1, thought="Let me look. ", tool="forecast", observation='{"forecast": "rain"}'),
    thought("a-2", 2),
    agent_message("Rain "),
    agent_message("likely."),
    thought("a-2", 2, thought="Rain likely."),
]


@pytest.mark.parametrize(
    "repeated",
    ["Let me look. Rain likely.", "Let me look. Rain likely.\n", "Rain likely.", " Rain likely."],
    ids=["all of it", "all of it and a line end", "the last step", "the last step and a space"],
)
def test_an_answer_that_is_repeated_before_the_end_is_not_doubled(told: Told, repeated: str) -> None:
    played = told(*TWO_STEPS, message(repeated), END)

    assert played.answer.text == "Let me look. Rain likely."
    assert (played.answer.replaced, played.answer.finish_reason) == (False, "stop")


def test_other_text_right_before_the_end_takes_the_place_of_the_answer(told: Told) -> None:
    played = told(agent_message("Rain "), agent_message("likly."), message("Rain likely."), END)

    assert played.answer.text == "Rain likely."
    assert TextReplaced("Rain likely.") in played.events


def test_an_empty_message_right_before_the_end_withdraws_nothing(told: Told) -> None:
    played = told(agent_message("Rain likely."), message(""), END)

    assert (played.answer.text, played.answer.replaced) == ("Rain likely.", False)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_a_message_that_another_follows_is_more_text_and_so_is_the_other(told: Told, count: int) -> None:
    played = told(agent_message("Rain"), *(message(f" {at}") for at in range(count)), END)

    assert played.answer.text == "Rain" + "".join(f" {at}" for at in range(count))


def test_a_message_before_more_of_the_agents_text_is_text(told: Told) -> None:
    played = told(agent_message("Rain "), message("and "), agent_message("sun."), END)

    assert (played.answer.text, played.answer.replaced) == ("Rain and sun.", False)


def test_a_message_that_says_the_same_again_before_more_text_is_text(told: Told) -> None:
    played = told(agent_message("ha"), message("ha"), agent_message("!"), END)

    assert played.answer.text == "haha!"


def test_a_message_whose_successor_never_comes_is_more_text(told: Told) -> None:
    played = told(agent_message("Rain "), message("and sun"))

    assert type(played.error) is BotTruncatedError
    assert played.error.partial_text == "Rain and sun"


@pytest.mark.parametrize(
    "between",
    [{"event": "ping"}, thought("a-1", 1, thought="Rain likely."), {"event": "weather_changed"}],
    ids=["a ping as data", "the last thought", "an unknown event"],
)
def test_a_repeated_answer_is_known_whatever_comes_before_the_end(told: Told, between: dict[str, Any]) -> None:
    played = told(thought("a-1", 1), agent_message("Rain likely."), message("Rain likely."), between, END)

    assert played.answer.text == "Rain likely."


def test_a_repeated_answer_is_not_doubled_by_an_error_after_it(told: Told) -> None:
    repeated = [agent_message("Rain likely."), message("Rain likely.")]
    played = told(*repeated, failure(code="internal_server_error", status=500, message="Late."))

    assert played.error.partial_text == "Rain likely."


def test_a_repeated_answer_whose_end_never_comes_is_not_doubled(told: Told) -> None:
    played = told(agent_message("Rain likely."), message("Rain likely."))

    assert type(played.error) is BotTruncatedError
    assert played.error.partial_text == "Rain likely."


# Replacement


def test_replaced_text_is_withdrawn_and_the_turn_is_filtered(told: Told) -> None:
    played = told(message("bad"), replace("[removed]", reason="output_moderation"), END)

    assert played.events == [
        IDS,
        TextDelta("bad"),
        TextReplaced("[removed]", "output_moderation"),
        Finished("content_filter"),
    ]


def test_a_replacement_that_changes_nothing_is_no_event(told: Told) -> None:
    played = told(message("Rain "), message("likely."), replace("Rain likely."), END)

    assert played.events == [IDS, TextDelta("Rain "), TextDelta("likely."), Finished("stop")]


def test_an_answer_repeated_with_other_line_ends_is_no_replacement(told: Told) -> None:
    steps = [{"event": "agent_message", "answer": text} for text in ("Let me look.", "Rain ", "likely.")]
    played = told(*steps, replace("Let me look.\nRain likely.\n"), END)

    assert (played.answer.text, played.answer.replaced) == ("Let me look.Rain likely.", False)
    assert played.answer.finish_reason == "stop"


def test_the_same_replacement_twice_is_one(told: Told) -> None:
    played = told(message("bad"), replace("[removed]"), replace("[removed]"), END)

    assert [event for event in played.events if isinstance(event, TextReplaced)] == [TextReplaced("[removed]")]


def test_text_after_a_replacement_is_added_to_it(told: Told) -> None:
    played = told(message("bad"), replace("[removed]"), message(" Sorry."), replace("[removed] Sorry."), END)

    assert played.answer.text == "[removed] Sorry."
    assert kinds(played.events).count("TextReplaced") == 1


def test_text_may_be_replaced_by_nothing(told: Told) -> None:
    played = told(message("bad"), replace(""), END)

    assert (played.answer.text, played.answer.replaced, played.answer.finish_reason) == ("", True, "content_filter")


# Chatflows

NODE = {"id": "n-1", "node_id": "1740002", "node_type": "llm", "title": "LLM"}
NODE_STARTED = {"event": "node_started", "workflow_run_id": "r-1", "data": NODE}
NODE_FINISHED = {
    "event": "node_finished",
    "workflow_run_id": "r-1",
    "data": {**NODE, "status": "succeeded", "error": None, "elapsed_time": 0.871},
}
BOTH_ENDS = {
    "message_end first": [{**END, "metadata": {"usage": USAGE}}, run_finished("succeeded")],
    "workflow_finished first": [run_finished("succeeded"), {**END, "metadata": {"usage": USAGE}}],
}


@pytest.mark.parametrize("ends", BOTH_ENDS.values(), ids=BOTH_ENDS)
def test_a_chatflow_may_end_in_either_order(told: Told, ends: list[dict[str, Any]]) -> None:
    played = told(RUN_STARTED, NODE_STARTED, message("Rain "), message("likely."), NODE_FINISHED, *ends)

    assert played.error is None
    assert kinds(played.events) == ["Started", "Step", "TextDelta", "TextDelta", "Step", "UsageReported", "Finished"]
    assert played.answer.workflow_run_id == "r-1"
    assert (played.answer.text, played.answer.finish_reason) == ("Rain likely.", "stop")
    (step,) = played.answer.steps
    assert (step.id, step.kind, step.name, step.status, step.elapsed_s) == ("n-1", "node", "LLM", "succeeded", 0.871)


@pytest.mark.parametrize("ends", BOTH_ENDS.values(), ids=BOTH_ENDS)
def test_one_of_a_chatflows_two_ends_is_enough_at_the_end_of_the_body(told: Told, ends: list[dict[str, Any]]) -> None:
    played = told(RUN_STARTED, message("Rain."), ends[0])

    assert played.error is None
    assert (played.answer.text, played.answer.finish_reason) == ("Rain.", "stop")


def test_a_node_that_fails_is_a_step_with_an_error(told: Told) -> None:
    data = {**NODE, "status": "failed", "error": "refused"}
    played = told(RUN_STARTED, {"event": "node_finished", "data": data}, END, run_finished("succeeded"))

    assert [(step.status, step.error) for step in played.answer.steps] == [("failed", "refused")]


def test_a_run_that_partly_succeeded_is_no_error(told: Told) -> None:
    played = told(RUN_STARTED, message("Rain."), END, run_finished("partial-succeeded"))

    assert (played.error, played.answer.text, played.answer.finish_reason) == (None, "Rain.", "stop")


def test_the_usage_of_a_run_that_partly_succeeded_may_come_after_it(told: Told) -> None:
    end = {**END, "metadata": {"usage": USAGE}}
    played = told(RUN_STARTED, message("Rain."), run_finished("partial-succeeded"), end)

    assert played.error is None
    assert played.answer.usage.total_tokens == 876


# Failures

MODEL_FAILED = "[models] Server Unavailable Error, upstream refused"


def test_a_run_that_failed_is_a_server_error_with_the_text_so_far(told: Told) -> None:
    played = told(RUN_STARTED, message("Rain "), run_finished("failed", MODEL_FAILED))

    error = played.error
    assert type(error) is BotServerError
    assert MODEL_FAILED in str(error)
    assert (error.partial_text, error.conversation_id, error.message_id) == ("Rain ", "c-1", "m-1")
    assert (error.task_id, error.workflow_run_id) == ("t-1", "r-1")
    assert (error.code, error.http_status, error.in_stream, error.retryable) == ("", 0, True, False)


def test_a_failure_that_is_told_twice_is_one_error_with_both_parts(told: Told) -> None:
    played = told(
        RUN_STARTED,
        message("Rain "),
        run_finished("failed", MODEL_FAILED),
        failure(code="invalid_param", status=400, message=f"Run failed: {MODEL_FAILED}"),
    )

    error = played.error
    assert type(error) is BotServerError
    assert (error.code, error.http_status, error.in_stream, error.partial_text) == ("invalid_param", 400, True, "Rain ")
    assert str(error).count(MODEL_FAILED) == 1


def test_a_message_end_after_a_failed_run_makes_no_success_of_it(told: Told) -> None:
    end = {**END, "metadata": {"usage": USAGE}}
    played = told(RUN_STARTED, message("Rain "), run_finished("failed", MODEL_FAILED), end)

    assert type(played.error) is BotServerError
    assert "Finished" not in kinds(played.events)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [("stopped", "failed", "stopped"), ("stopped", "succeeded", "stopped"), ("succeeded", "failed", "stop")],
)
def test_of_two_ends_of_a_run_the_first_counts(told: Told, first: str, second: str, reason: str) -> None:
    played = told(RUN_STARTED, message("Rain."), END, run_finished(first), run_finished(second, "late"))

    assert (played.error, played.answer.finish_reason) == (None, reason)


def test_the_end_of_a_run_without_a_status_is_judged_by_its_error(told: Told) -> None:
    failed = {"event": "workflow_finished", "data": {"error": MODEL_FAILED}}
    succeeded = {"event": "workflow_finished", "data": {"error": None}}

    assert type(told(RUN_STARTED, message("Rain."), failed).error) is BotServerError
    assert told(RUN_STARTED, message("Rain."), succeeded).answer.finish_reason == "stop"


def test_a_run_that_failed_without_a_word_is_an_error_too(told: Told) -> None:
    played = told(RUN_STARTED, run_finished("failed"))

    assert type(played.error) is BotServerError


@pytest.mark.parametrize(
    ("fields", "kind", "code", "status"),
    [
        pytest.param(
            {"code": "completion_request_error", "status": 400, "message": "[models] RateLimit Error"},
            BotServerError, "completion_request_error", 400, id="the model failed",
        ),
        pytest.param(
            {"code": "provider_quota_exceeded", "status": 400, "message": "Your quota is exhausted."},
            BotQuotaError, "provider_quota_exceeded", 400, id="no quota",
        ),
        pytest.param(
            {"code": "provider_not_initialize", "status": 400, "message": "No credentials."},
            BotRejectedError, "provider_not_initialize", 400, id="no credentials",
        ),
        pytest.param(
            {"code": "model_currently_not_support", "status": 400, "message": "Not supported."},
            BotRejectedError, "model_currently_not_support", 400, id="no such model",
        ),
        pytest.param(
            {"code": "invalid_param", "status": 400, "message": "bad value"},
            BotRejectedError, "invalid_param", 400, id="a value error",
        ),
        pytest.param(
            {"code": "internal_server_error", "status": 500, "message": "Internal Server Error."},
            BotServerError, "internal_server_error", 500, id="anything else",
        ),
        pytest.param({"status": 500, "message": "lost"}, BotServerError, "", 500, id="no code"),
        pytest.param({"message": "lost"}, BotServerError, "", 0, id="no code and no status"),
        pytest.param({"code": 41, "status": 401, "message": "x"}, BotAuthError, "41", 401, id="a number as code"),
        pytest.param({}, BotServerError, "", 0, id="nothing at all"),
    ],
)  # fmt: skip
def test_an_error_event_is_an_error_of_its_class(
    told: Told, fields: dict[str, Any], kind: type[BotReplyError], code: str, status: int
) -> None:
    played = told(message("Rain "), failure(**fields))

    error = played.error
    assert type(error) is kind
    assert (error.code, error.http_status, error.in_stream, error.platform) == (code, status, True, "dify")
    assert (error.partial_text, error.conversation_id, error.message_id) == ("Rain ", "c-1", "m-1")
    assert error.task_id == "t-1"
    assert fields.get("message", "") in str(error)


def test_an_error_event_without_anything_is_told_as_an_error(told: Told) -> None:
    assert str(told(failure()).error).startswith("dify: error: no reason given. ")


def test_an_error_event_may_be_the_first(told: Told) -> None:
    played = told(failure(code="completion_request_error", status=400, message="refused"))

    error = played.error
    assert (error.conversation_id, error.message_id, error.task_id, error.partial_text) == ("c-1", "m-1", "", "")


def test_of_two_error_events_the_first_counts(told: Told) -> None:
    first = failure(code="completion_request_error", status=400, message="refused")
    played = told(first, failure(code="internal_server_error", status=500, message="later"))

    assert played.error.code == "completion_request_error"


def test_a_refusal_in_mid_stream_is_never_safe_to_post_again(told: Told) -> None:
    played = told(message("Rain "), failure(code="too_many_requests", status=429, message="Slow down."))

    assert played.error.in_stream
    assert played.error.retryable is False


def test_a_stream_without_any_event_is_truncated(told: Told) -> None:
    played = told()

    assert type(played.error) is BotTruncatedError
    assert str(played.error).startswith("dify:")
    assert (played.error.retryable, played.error.partial_text) == (False, "")


# Stopped, moderated, paused


@pytest.mark.parametrize("after", [[], [END]], ids=["1.14", "0.15, message_end after it"])
def test_a_run_that_somebody_stopped_is_no_error(told: Told, after: list[dict[str, Any]]) -> None:
    played = told(RUN_STARTED, message("Rain "), run_finished("stopped", "Stopped by user."), *after)

    assert (played.error, played.answer.text, played.answer.finish_reason) == (None, "Rain ", "stopped")


def test_a_run_that_moderation_stopped_is_filtered(told: Told) -> None:
    played = told(
        RUN_STARTED,
        message("bad"),
        replace("[removed]", reason="output_moderation"),
        run_finished("stopped", "Stopped by output moderation."),
    )

    assert (played.error, played.answer.text) == (None, "[removed]")
    assert played.answer.finish_reason == "content_filter"


def test_a_run_that_moderation_stopped_before_any_text_is_filtered_too(told: Told) -> None:
    played = told(RUN_STARTED, run_finished("stopped", "Stopped by output moderation."))

    assert played.answer.finish_reason == "content_filter"


FORM = {"form_id": "f-1", "node_id": "ask", "form_content": "Please check", "form_token": "tok_9c1e", "inputs": []}


def test_a_paused_run_ends_with_its_form(told: Told) -> None:
    form = {"event": "human_input_required", "workflow_run_id": "r-1", "data": FORM}
    reasons = [{"TYPE": "human_input_required", **FORM}]
    pause = {"event": "workflow_paused", "workflow_run_id": "r-1", "data": {"reasons": reasons, "status": "paused"}}

    played = told(RUN_STARTED, message("One moment… "), form, pause)

    assert played.error is None
    assert played.events[-2:] == [InputRequired(FORM), Finished("paused")]
    assert (played.answer.text, played.answer.workflow_run_id) == ("One moment… ", "r-1")


def test_a_paused_run_may_ask_for_several_forms(told: Told) -> None:
    forms = [{"event": "human_input_required", "data": {**FORM, "form_id": f"f-{at}"}} for at in (1, 2)]

    played = told(RUN_STARTED, *forms, {"event": "workflow_paused", "data": {}})

    assert [form["form_id"] for form in played.answer.input_required] == ["f-1", "f-2"]


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


# An annotation reply on a server of 1.16: a run is pretended after the end

PRETENDED = [
    {**RUN_STARTED, "workflow_run_id": "t-1", "conversation_id": ..., "message_id": ..., "created_at": ...},
    run_finished(
        "failed", "Workflow stream ended without a terminal event",
        workflow_run_id="t-1", conversation_id=..., message_id=..., created_at=...,
    ),
]  # fmt: skip


def test_a_run_that_is_pretended_after_the_end_changes_no_answer(told: Told) -> None:
    played = told(message("Here."), END, *PRETENDED)

    assert (played.error, played.answer.text, played.answer.finish_reason) == (None, "Here.", "stop")
    assert played.answer.steps == ()


def test_the_id_of_a_pretended_run_is_no_run_of_the_answer(told: Told) -> None:
    played = told(message("Here."), END, *PRETENDED)

    assert played.answer.workflow_run_id == ""


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


# Every event that a server knows

SAMPLES: dict[str, tuple[dict[str, Any], str]] = {
    "ping": ({}, ""),
    "message": ({"id": "m-1", "answer": "b", "from_variable_selector": ["llm", "text"]}, "TextDelta"),
    "agent_message": ({"id": "m-1", "answer": "b"}, "TextDelta"),
    "agent_thought": ({"id": "a-1", "position": 1, "thought": "b", "observation": "", "tool": "x"}, "Step"),
    "message_file": ({"id": "f-1", "type": "image", "belongs_to": "assistant", "url": "https://h"}, "MediaProduced"),
    "message_replace": ({"answer": "other", "reason": "output_moderation"}, "TextReplaced"),
    "message_end": ({"id": "m-1", "metadata": {"usage": USAGE}, "files": None}, "UsageReported"),
    "tts_message": ({"audio": "//uQxAAA"}, "MediaProduced"),
    "tts_message_end": ({"audio": ""}, ""),
    "workflow_started": ({"workflow_run_id": "r-1", "data": {"id": "r-1", "reason": "initial"}}, "Started"),
    "workflow_finished": ({"workflow_run_id": "r-1", "data": {"status": "stopped", "error": "by user"}}, "Started"),
    "workflow_paused": ({"workflow_run_id": "r-1", "data": {"reasons": [FORM], "status": "paused"}}, "Started"),
    "node_started": ({"data": NODE}, "Step"),
    "node_finished": ({"data": {**NODE, "status": "succeeded", "elapsed_time": 0.8, "error": None}}, "Step"),
    "node_retry": ({"data": {**NODE, "status": "retry", "retry_index": 1}}, "Step"),
    "iteration_started": ({"data": {"id": "i", "node_id": "i", "title": "Each"}}, "Step"),
    "iteration_next": ({"data": {"id": "i", "node_id": "i", "title": "Each", "index": 1}}, "Step"),
    "iteration_completed": ({"data": {"id": "i", "title": "Each", "status": "succeeded", "elapsed_time": 2}}, "Step"),
    "loop_started": ({"data": {"id": "l", "node_id": "l", "title": "Loop"}}, "Step"),
    "loop_next": ({"data": {"id": "l", "node_id": "l", "title": "Loop", "pre_loop_output": {}}}, "Step"),
    "loop_completed": ({"data": {"id": "l", "title": "Loop", "status": "succeeded"}}, "Step"),
    "agent_log": ({"data": {"id": "g", "label": "ROUND 1", "status": "success", "error": None, "data": {}}}, "Step"),
    "reasoning_chunk": ({"data": {"reasoning": "West, so", "node_id": "1740002", "is_final": False}}, "Reasoning"),
    "human_input_required": ({"data": FORM}, "InputRequired"),
    "human_input_form_filled": ({"data": {"node_id": "ask", "node_title": "Ask", "action_id": "ok"}}, "Step"),
    "human_input_form_timeout": ({"data": {"node_id": "ask", "node_title": "Ask", "expiration_time": 1}}, "Step"),
    "parallel_branch_started": ({"data": {"parallel_id": "p", "parallel_branch_id": "b"}}, "Step"),
    "parallel_branch_finished": ({"data": {"parallel_branch_id": "b", "status": "succeeded", "error": None}}, "Step"),
    "text_chunk": ({"data": {"text": "b", "from_variable_selector": ["llm", "text"]}}, "Unrecognized"),
    "text_replace": ({"data": {"text": "b"}}, "Unrecognized"),
    "chain": ({"chain_id": "x"}, "Unrecognized"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_event_of_the_server_is_known_or_handed_on(told: Told, name: str) -> None:
    fields, kind = SAMPLES[name]

    played = told(message("a"), {"event": name, **fields}, END)

    assert played.error is None
    assert kinds(played.events[2:-1]) == ([kind] if kind else [])
    assert kinds(played.events[-1:]) == ["Finished"]


@pytest.mark.parametrize(
    ("events", "step"),
    [
        (["iteration_started"], ("i", "iteration", "Each", "running")),
        (["iteration_started", "iteration_next"], ("i", "iteration", "Each", "running")),
        (["iteration_started", "iteration_completed"], ("i", "iteration", "Each", "succeeded")),
        (["loop_started", "loop_completed"], ("l", "loop", "Loop", "succeeded")),
        (["node_started", "node_retry"], ("n-1", "node", "LLM", "retry")),
        (["agent_log"], ("g", "log", "ROUND 1", "success")),
        (["parallel_branch_started"], ("b", "branch", "", "running")),
        (["parallel_branch_started", "parallel_branch_finished"], ("b", "branch", "", "succeeded")),
        (["human_input_form_filled"], ("ask", "form", "Ask", "filled")),
        (["human_input_form_timeout"], ("ask", "form", "Ask", "timeout")),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_a_step_is_told_by_its_newest_event(told: Told, events: list[str], step: tuple[str, ...]) -> None:
    played = told(*({"event": name, **SAMPLES[name][0]} for name in events), END)

    assert [(one.id, one.kind, one.name, one.status) for one in played.answer.steps] == [step]


ODD: tuple[Any, ...] = (None, 0, -7, 1.5, True, "", "odd", [], [1, "a"], {}, {"a": None}, ...)


def odd_forms(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `fields` with each value in turn, also those of inner objects, made odd."""
    forms = []
    for key, value in {**fields, "conversation_id": "", "message_id": "", "task_id": "", "created_at": 0}.items():
        forms += [{**fields, key: odd} for odd in ODD]
        if isinstance(value, dict):
            forms += [{**fields, key: {k: v for k, v in inner.items() if v is not ...}} for inner in odd_forms(value)]
    return forms


@pytest.mark.parametrize("name", [*SAMPLES, "error"])
def test_odd_values_raise_nothing_but_our_errors_and_reach_no_typed_field(told: Told, name: str) -> None:
    fields = SAMPLES[name][0] if name in SAMPLES else {"code": "invalid_param", "status": 400, "message": "no"}

    for odd in odd_forms(fields):
        event = {"event": name, **odd}
        for events in ([event, message("a"), END], [RUN_STARTED, event, END], [message("a"), END, event]):
            played = told(*events)  # whatever is no BotError leaves the flow here

            answer = played.answer
            texts = [answer.text, answer.reasoning, answer.conversation_id, answer.message_id, answer.task_id]
            texts += [text for step in answer.steps for text in (step.id, step.name, step.status, step.error)]
            texts += [text for media in answer.media for text in (media.kind, media.url, media.id)]
            assert all(type(text) is str for text in texts), odd
            assert played.error is None or isinstance(played.error, BotError)


@pytest.mark.parametrize("name", [None, 5, True, 1.5, "", [], ["message"], {}, {"a": 1}], ids=repr)
@pytest.mark.parametrize("fields", [{}, {"answer": "b"}, {"code": "x"}], ids=["nothing else", "an answer", "a code"])
def test_a_name_of_another_type_raises_nothing_but_our_errors(told: Told, name: Any, fields: dict[str, Any]) -> None:
    odd = {"event": name, **fields}

    for events in ([odd, message("a"), END], [message("a"), odd, END], [message("a"), END, odd]):
        played = told(*events)

        assert played.answer.text in ("", "a", "ab", "ba")
