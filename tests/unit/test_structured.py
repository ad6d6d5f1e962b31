"""Answers in a form: what the bot is told, what is read of its text, and when it is told again."""

from __future__ import annotations

import json
from collections.abc import Generator
from json import JSONDecoder
from typing import Any

import pytest

from remote_chatbots import BotFormatError, BotUsageError, structured
from remote_chatbots.structured import (
    Answered,
    AnswerForm,
    NotInForm,
    begun_in,
    checked_method,
    missing_keys,
    values_in,
)

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
        ('{"a": 1}', ['{"a": 1}']),
        ('Here it is:\n```json\n{"a": {"b": 1}}\n```\nDone [1].', ['{"a": {"b": 1}}']),
        ('<think>{"no": 0}</think>\n{"a": 1} $[1]$', ['{"a": 1}']),
        ('Fill {this} and { that }: {"a": 1}. Mind {the rest}.', ['{"a": 1}']),
        ('By {"type": "object"}: {"a": 1}', ['{"type": "object"}', '{"a": 1}']),
        ('{"a": "}\\"{"}', ['{"a": "}\\"{"}']),
    ],
)
def test_what_stands_around_the_json_is_left_out(text: str, found: list[str]) -> None:
    assert values_in(text, OBJECT) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (" words ", "no JSON value"),
        ("} {", "no JSON value"),
        ("{'a': 1}", "no JSON value"),
        ('{"a": 1, "of": [{"a": 2}, {"a"', "no whole JSON value"),
        ('{"a": {"a": 2}, oops', "no whole JSON value"),
        ('{"a": 1} and {"a": "b', "no whole JSON value"),
        ('{"a', "no whole JSON value"),
        ('{"a": ' * 100_000, "nested too deeply"),
    ],
    ids=str,
)
def test_no_part_of_a_broken_value_is_taken_for_the_whole(text: str, why: str) -> None:
    with pytest.raises(NotInForm, match=why):
        values_in(text, OBJECT)


class Counting(JSONDecoder):
    """Counts how often it is asked."""

    asked = 0

    def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
        self.asked += 1
        return super().raw_decode(s, idx)


@pytest.mark.parametrize("brackets", ["{", "{ ", "{x", "[t", "[-", "[tru", "{\n"])
def test_a_text_of_mere_brackets_does_not_cost_its_square(monkeypatch: pytest.MonkeyPatch, brackets: str) -> None:
    decoder = Counting()
    monkeypatch.setattr(structured, "_DECODER", decoder)
    with pytest.raises(NotInForm, match="no JSON value"):
        values_in(brackets * 1000, {"anyOf": [OBJECT, ARRAY]})
    assert decoder.asked == 0
    assert values_in(f'{brackets * 1000} {{"a": 1}}', OBJECT) == ['{"a": 1}']
    assert decoder.asked == 1


@pytest.mark.parametrize("text", ['{"a": %s}', "[%s]", "%s"])
def test_a_number_that_python_does_not_read_is_not_in_the_form(text: str) -> None:
    schema = {"type": "integer"} if text == "%s" else {"anyOf": [OBJECT, ARRAY]}
    with pytest.raises(NotInForm, match="too many digits"):
        values_in(text % ("9" * 5000), schema)


def test_of_an_array_the_brackets_count() -> None:
    assert values_in('Sure [1]: [{"a": 1}, {"a": 2}].', ARRAY) == ['[{"a": 1}, {"a": 2}]', "[1]"]


@pytest.mark.parametrize(
    ("kind", "text"), [("integer", "12"), ("string", '"a b"'), ("boolean", "true"), ("null", "null")]
)
def test_a_lone_value_must_be_all_that_is_said(kind: str, text: str) -> None:
    schema = {"type": kind}
    assert values_in(f"```json\n{text}\n```", schema) == values_in(f" {text}\n", schema) == [text]
    with pytest.raises(NotInForm, match="no whole JSON value"):
        values_in(f"It is {text}.", schema)


def test_where_either_may_be_both_brackets_count() -> None:
    assert values_in('[{"a": 1}]', {"anyOf": [OBJECT, ARRAY]}) == ['[{"a": 1}]']
    assert missing_keys([1], {"anyOf": [OBJECT, ARRAY]}) == [1]


def test_of_several_values_that_which_fits_is_the_answer() -> None:
    answer = Answered('By the schema {"type": "object", "title": "A"} it is {"a": 1}.', TOLD)
    assert outcome_of(AnswerForm("dify", OBJECT, read).asked(), answer)[1] == {"a": 1}


def test_a_value_under_way_is_told_as_far_as_it_goes() -> None:
    assert begun_in('<think>{"b"</think>Here: {"a": [1', OBJECT) == '{"a": [1'
    assert begun_in("Here: ", OBJECT) == ""


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
