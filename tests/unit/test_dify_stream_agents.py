"""What the events of a Dify agent mean, which repeats itself, and of text that is replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from remote_chatbots import BotTruncatedError, Finished, Step, TextDelta, TextReplaced
from tests.unit.dify_said import END, IDS, agent_message, failure, kinds, message, replace, thought

Told = Callable[..., Any]

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
