"""An input form as the arguments of a tool: pure, without a framework."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from remote_chatbots import AppInfo, BotUsageError, FileRules, InputField
from remote_chatbots.learned import Learned
from remote_chatbots.tool_arguments import arguments_of, description_of, inputs_of

FORM = (
    InputField("city", "City", "text", required=True, max_length=8, description="Where to"),
    InputField("notes", "Notes", "paragraph"),
    InputField("tone", "Tone", "select", options=("brief", "full"), default="brief"),
    InputField("party", "Party", "number", default="2"),
    InputField("consent", "Consent", "checkbox", required=True),
    InputField("booking", "Booking", "object"),
    InputField("ticket", "Ticket", "file", files=FileRules(True)),
    InputField("papers", "Papers", "file-list"),
    InputField("shape", "Shape", "hologram"),
)
GIVEN = {"question": "Hello?", "city": "Oslo", "consent": True}


def test_each_variable_that_text_can_fill_is_an_argument_and_files_are_none() -> None:
    told = arguments_of(FORM, "town").model_json_schema()
    assert list(told["properties"]) == ["question", "city", "notes", "tone", "party", "consent", "booking"]
    assert told["required"] == ["question", "city", "consent"]
    city, tone = told["properties"]["city"], told["properties"]["tone"]
    assert (city["type"], city["maxLength"], city["description"]) == ("string", 8, "City. Where to")
    assert (tone["enum"], tone["default"], tone["description"]) == (["brief", "full"], "brief", "Tone")


def test_what_is_not_given_has_the_forms_default_or_nothing() -> None:
    made = arguments_of(FORM, "town")(**GIVEN).model_dump()
    assert made == {**GIVEN, "notes": None, "tone": "brief", "party": 2, "booking": None}


@pytest.mark.parametrize(
    "wrong",
    [
        {"city": "far too long"},
        {"city": None},
        {"tone": "loud"},
        {"party": "many"},
        {"consent": "perhaps"},
        {"booking": [1]},
        {"question": None},
    ],
    ids=str,
)
def test_an_agent_is_told_what_the_app_would_refuse(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        arguments_of(FORM, "town")(**{**GIVEN, **wrong})


def test_what_the_model_fills_itself_is_no_argument() -> None:
    assert list(arguments_of(FORM, "town", known=("city", "consent", "party")).model_fields) == [
        "question", "notes", "tone", "booking",
    ]  # fmt: skip


def test_without_a_form_there_is_the_question_alone() -> None:
    assert list(arguments_of((), "town").model_fields) == ["question"]


@pytest.mark.parametrize(
    "unfit", [InputField("_hidden"), InputField("my city"), InputField("ticket", kind="file")], ids=str
)
def test_a_variable_that_can_be_no_argument_is_left_out_or_refused_where_it_is_required(unfit: InputField) -> None:
    required = replace(unfit, required=True)
    assert list(arguments_of([unfit], "town").model_fields) == ["question"]
    assert list(arguments_of([required], "town", known=[unfit.name]).model_fields) == ["question"]
    with pytest.raises(BotUsageError, match=rf"variable {unfit.name} cannot be an argument.*in inputs"):
        arguments_of([required], "town")


@pytest.mark.parametrize("name", ["from", "class", "question", "config", "self", "model_dump", "copy"])
def test_a_variable_whose_name_is_taken_is_an_argument_by_another(name: str) -> None:
    made = arguments_of([InputField(name, required=True), InputField("city")], "town")
    assert list(made.model_json_schema()["properties"]) == ["question", f"{name}_", "city"]
    assert inputs_of(made, {f"{name}_": "Oslo", "city": None}) == {"inputs": {name: "Oslo"}}
    with pytest.raises(BotUsageError, match=f"variable {name} cannot be an argument"):
        arguments_of([InputField(name, required=True), InputField(f"{name}_")], "town")


def test_a_default_that_is_no_value_of_its_variable_is_the_servers_to_make_sense_of() -> None:
    form = [
        InputField("party", kind="number", default="some"),
        InputField("tone", kind="select", options=("a",), default="b"),
        InputField("city", max_length=3, default="Oslo"),
    ]
    assert arguments_of(form, "town")(question="Hello?").model_dump() == {
        "question": "Hello?",
        "party": None,
        "tone": None,
        "city": None,
    }


def test_a_tool_says_of_itself_what_the_app_says() -> None:
    learned = Learned()
    assert "a bot that has knowledge and tools of its own" in description_of(learned)
    learned.info = AppInfo("town", "Knows the town.")
    assert description_of(learned) == "Knows the town."
