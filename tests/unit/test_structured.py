"""Answers in a form: what the bot is told, what is read of its text, and when it is told again."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest

from remote_chatbots import BotFormatError, BotUsageError
from remote_chatbots.structured import Answered, AnswerForm, NotInForm, checked_method, json_in, missing_keys

OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ARRAY = {"type": "array", "items": {"type": "integer"}}
TOLD = {"conversation_id": "c-1", "message_id": "m-1", "task_id": "t-1", "workflow_run_id": "r-1"}


def read(text: str) -> Any:
    try:
        return missing_keys(json.loads(text), OBJECT)
    except ValueError:
        raise NotInForm("it holds no JSON.") from None


def outcome_of(turns: Generator[str, Answered, Any], *answers: Answered) -> tuple[list[str], Any]:
    """Return what is said to the bot, and the object."""
    said = [next(turns)]
    for answer in answers:
        try:
            said.append(turns.send(answer))
        except StopIteration as done:
            return said, done.value
    raise AssertionError("more answers are wanted")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('Here it is:\n```json\n{"a": {"b": 1}}\n```\nDone [1].', '{"a": {"b": 1}}'),
        ('<think>{"no": 0}</think>\n{"a": 1} $[1]$', '{"a": 1}'),
        ('{"a": [1, ', '{"a": [1,'),
        (" words ", "words"),
        ("} {", "{"),
    ],
)
def test_what_stands_around_the_json_is_left_out(text: str, found: str) -> None:
    assert json_in(text, OBJECT) == found


def test_of_an_array_the_brackets_count() -> None:
    assert json_in('Sure: [{"a": 1}, {"a": 2}].', ARRAY) == '[{"a": 1}, {"a": 2}]'


def test_an_answer_in_the_form_ends_the_talk() -> None:
    said, value = outcome_of(AnswerForm("dify", OBJECT, read).asked(), Answered('{"a": 1}', TOLD))
    assert value == {"a": 1}
    assert len(said) == 1
    assert json.dumps(OBJECT, separators=(",", ":")) in said[0]


def test_an_answer_in_another_form_is_asked_for_once_more_with_what_was_wrong_and_the_schema() -> None:
    answers = Answered('{"b": 1}', TOLD), Answered('{"a": 1}', TOLD)
    (instruction, correction), value = outcome_of(AnswerForm("dify", OBJECT, read).asked(), *answers)
    assert value == {"a": 1}
    assert "these keys are missing: a." in correction
    assert instruction in correction


def test_after_a_repair_that_failed_the_refusal_knows_the_turn_and_tells_nothing_of_the_text() -> None:
    answers = Answered("secret words", TOLD), Answered('{"secret": "words"}', TOLD)
    with pytest.raises(BotFormatError) as refusal:
        outcome_of(AnswerForm("dify", OBJECT, read).asked(), *answers)
    error = refusal.value
    assert error.message.startswith("dify: ")
    assert "also after a repair turn: these keys are missing: a." in error.message
    assert "secret" not in error.message
    assert error.__cause__ is None
    assert error.partial_text == '{"secret": "words"}'
    assert {name: getattr(error, name) for name in TOLD} == TOLD
    assert not error.retryable


@pytest.mark.parametrize(
    "told",
    [*({**TOLD, "finish_reason": one} for one in ("stopped", "paused", "content_filter", "handoff")), {}],
    ids=str,
)
def test_a_turn_that_no_repair_would_help_is_refused_at_once(told: dict[str, Any]) -> None:
    with pytest.raises(BotFormatError, match=told.get("finish_reason", "would not help")):
        outcome_of(AnswerForm("dify", OBJECT, read).asked(), Answered("words", told))


@pytest.mark.parametrize("value", [[1], "a", None])
def test_what_is_no_object_has_not_its_keys(value: Any) -> None:
    with pytest.raises(NotInForm, match="no JSON object"):
        missing_keys(value, OBJECT)
    assert missing_keys([1], ARRAY) == [1]


@pytest.mark.parametrize("method", ["json_mode", "json_schema"])
def test_both_of_langchains_ways_without_tools_are_taken(method: str) -> None:
    checked_method("gptbots", method, None)


@pytest.mark.parametrize("method", ["function_calling", "tools"])
def test_a_method_that_needs_the_platforms_help_is_refused(method: str) -> None:
    with pytest.raises(BotUsageError, match=rf"^gptbots: method '{method}' needs .*json_mode"):
        checked_method("gptbots", method, None)


def test_strictness_is_promised_by_nobody() -> None:
    with pytest.raises(BotUsageError, match=r"^dify: strict=True promises"):
        checked_method("dify", "json_mode", True)
    checked_method("dify", "json_mode", False)


def test_a_schema_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(BotUsageError, match=r"^dify: the schema holds something"):
        next(AnswerForm("dify", {"default": object()}, read).asked())
