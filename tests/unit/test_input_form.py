"""What is wrong with `inputs`, by a bot's input form, before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from remote_chatbots import Attachment, BotUsageError, DifyApp, DifyOptions, FileRules, InputField, Question
from remote_chatbots.described import AppParameters
from remote_chatbots.input_form import wrong_inputs

PICTURE = Attachment("image", url="https://example.com/a.png")
CITY = InputField("city", "City", "text", required=True, max_length=8)


def field(kind: str, **told: Any) -> InputField:
    return InputField("it", "It", kind, **told)


@pytest.mark.parametrize(
    ("form", "value", "wrong"),
    [
        (field("text"), 5, "it must be text, not int"),
        (field("text", max_length=8), "x" * 9, "it has 9 characters, and at most 8 are taken"),
        (field("paragraph", max_length=3), "天气预报", "it has 4 characters, and at most 3 are taken"),
        (field("paragraph"), ["a"], "it must be text, not list"),
        (field("select", options=("brief", "full")), "other", "it must be one of brief, full"),
        (field("select", options=("brief",)), 1, "it must be text, not int"),
        (field("number"), "many", "it must be a number"),
        (field("number"), [5], "it must be a number, not list"),
        (field("checkbox"), "perhaps", "it must be True or False"),
        (field("checkbox"), 2, "it must be True or False"),
        (field("object"), [1], "it must be a mapping, not list"),
        (field("file"), "a.png", "it must be a file (an Attachment), not str"),
        (field("file-list"), PICTURE, "it must be a list of files (Attachment)"),
        (field("file-list"), [PICTURE, "a.png"], "it must be a list of files (Attachment)"),
        (
            field("file-list", files=FileRules(True, 1)),
            [PICTURE, PICTURE],
            "it holds 2 files, and at most 1 are taken",
        ),
        (field("text", required=True), None, "it is required, and missing"),
        (field("select", required=True, options=("a",)), "", "it is required, and missing"),
    ],
)
def test_what_a_field_does_not_take_is_named_with_its_limit(form: InputField, value: Any, wrong: str) -> None:
    assert wrong_inputs([form], {"it": value}) == [wrong]


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (field("text", max_length=8), "x" * 8),
        (field("text"), ""),
        (field("select", options=("brief",)), "brief"),
        (field("select", options=("brief",)), ""),
        (field("select"), "whatever"),  # a list of options that could not be read
        *((field("number"), value) for value in (5, 2.5, "5", "2.5e3", " ")),
        *((field("checkbox"), value) for value in (True, False, 0, 1, "yes", "OFF", "")),
        (field("object"), {"a": 1}),
        (field("file"), PICTURE),
        (field("file"), {"type": "image"}),
        (field("file-list", files=FileRules(True, 2)), [PICTURE, {"type": "image"}]),
        (field("file-list", files=FileRules(True)), [PICTURE] * 50),
        (field("text", required=True, default="Oslo"), None),
        (field("text", required=True), "Oslo"),
        (field("number", required=True), 0),
        (field("checkbox", required=True), False),
        # Controls of a later day, and those that the app itself fills in.
        (field("external_data_tool", required=True), None),
        (field("hologram", required=True, max_length=1), object()),
    ],
)
def test_what_a_server_may_take_is_not_refused(form: InputField, value: Any) -> None:
    assert wrong_inputs([form], {"it": value}) == []
    assert value is not None or wrong_inputs([form], {}) == []


def knowing(app: DifyApp, *form: InputField, version: str = "1.14.2") -> DifyApp:
    app.learned.parameters = AppParameters(input_form=form)
    app.learned.server_version = version
    return app


def question(**given: Any) -> Question:
    return Question("Hello?", **{"user": "ann", **given})


def test_the_refusal_names_every_wrong_field_and_repeats_no_value(app: DifyApp) -> None:
    form = (CITY, field("select", options=("brief", "full")))
    with pytest.raises(BotUsageError) as caught:
        knowing(app, *form).ask(question(inputs={"city": "a secret place", "it": "a secret"}))
    told = str(caught.value)
    assert told.startswith("dify: inputs: city has 14 characters, and at most 8 are taken; it must be one of brief, f")
    assert told.endswith("read it again by parameters().")
    assert "secret" not in told


def test_inputs_are_checked_only_where_the_form_is_known(app: DifyApp) -> None:
    app.ask(question())
    app.ask(question(inputs={"city": 5}))
    with pytest.raises(BotUsageError, match="city is required"):
        knowing(app, CITY).ask(question())
    replace(app).ask(question())


@pytest.mark.parametrize(("version", "checks"), [("1.14.2", True), ("0.15.3", False), ("", False)])
def test_a_conversation_that_may_go_on_with_its_first_inputs_is_not_checked(
    app: DifyApp, version: str, checks: bool
) -> None:
    asked = knowing(app, CITY, version=version)
    if not checks:
        asked.ask(question(conversation_id="c-1"))
    else:
        with pytest.raises(BotUsageError, match="city is required"):
            asked.ask(question(conversation_id="c-1"))


def test_another_version_of_a_workflow_may_have_another_form(app: DifyApp) -> None:
    knowing(app, CITY).ask(question(options={"workflow_id": "w-1"}))
    knowing(replace(app, options=DifyOptions(workflow_id="w-1")), CITY).ask(question())
