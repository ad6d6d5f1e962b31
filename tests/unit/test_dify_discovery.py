"""What a Dify app says of itself, where no recording tells it: forms of every kind, the wire of 2023, odd replies."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from remote_chatbots import BotNotFoundError, DifyApp, FileRules, InputField
from remote_chatbots.platforms.dify.discovery import info_of, meta_of, parameters_of, site_of
from tests.unit.test_dify_management import call, saying

MIB = 1024 * 1024
FORM = [
    {"text-input": {"label": "City", "variable": "city", "required": True, "max_length": 48, "default": ""}},
    {"paragraph": {"label": "", "variable": "notes", "hint": "Anything else"}},
    {"select": {"label": "Tone", "variable": "tone", "options": ["brief", "long"], "default": "brief"}},
    {"number": {"label": "Party", "variable": "party", "required": False, "default": 2}},
    {"checkbox": {"label": "Consent", "variable": "consent", "default": False}},
    {"json_object": {"label": "Booking", "variable": "booking"}},
    {"file": {"label": "Ticket", "variable": "ticket", "allowed_file_types": ["image"], "max_length": 5}},
    {
        "file-list": {
            "label": "Papers",
            "variable": "papers",
            "max_length": 3,
            "allowed_file_types": ["document", "custom"],
            "allowed_file_extensions": ["FOO", ".bar"],
            "allowed_file_upload_methods": ["local_file"],
            "default": [],
        }
    },
    {"hologram": {"label": "Shape", "variable": "shape"}},
]


def plain(field: InputField) -> InputField:
    return replace(field, raw={})


def test_every_control_of_a_form_is_a_field() -> None:
    limits = {"image_file_size_limit": 10, "file_size_limit": 15}
    told = parameters_of({"user_input_form": FORM, "system_parameters": limits})
    max_bytes = {"image": 10 * MIB, "document": 15 * MIB, "custom": 15 * MIB}
    papers = FileRules(True, 3, ("document", "custom"), (".foo", ".bar"), ("local_file",), max_bytes)
    assert [plain(field) for field in told.input_form] == [
        InputField("city", "City", "text", required=True, max_length=48),
        InputField("notes", "notes", "paragraph", description="Anything else"),
        InputField("tone", "Tone", "select", options=("brief", "long"), default="brief"),
        InputField("party", "Party", "number", default=2),
        InputField("consent", "Consent", "checkbox", default=False),
        InputField("booking", "Booking", "object"),
        InputField("ticket", "Ticket", "file", files=FileRules(True, 1, ("image",), max_bytes=max_bytes)),
        InputField("papers", "Papers", "file-list", files=papers),
        InputField("shape", "Shape", "hologram"),
    ]
    assert [field.raw for field in told.input_form] == [control for item in FORM for control in item.values()]


@pytest.mark.parametrize("length", [0, -1, None, "8", True])
def test_a_length_that_limits_nothing_is_none(length: Any) -> None:
    (told,) = parameters_of(
        {"user_input_form": [{"paragraph": {"variable": "notes", "max_length": length}}]}
    ).input_form
    assert told.max_length is None


def test_the_form_of_2023_has_variables_and_an_introduction() -> None:
    variables = [
        {"key": "book", "name": "Book", "description": None, "type": "string", "default": None, "options": None},
        {"key": "tone", "name": "", "description": "How", "type": "select", "default": "a", "options": ["a", "b"]},
    ]
    told = parameters_of({"introduction": "nice to meet you", "variables": variables})
    assert told.opening_statement == "nice to meet you"
    assert [plain(field) for field in told.input_form] == [
        InputField("book", "Book", "text"),
        InputField("tone", "tone", "select", options=("a", "b"), default="a", description="How"),
    ]
    assert (told.citations, told.text_to_speech, told.files) == (None, None, FileRules())


@pytest.mark.parametrize(
    ("told", "rules"),
    [
        ({}, FileRules()),
        ({"image": {"enabled": False}}, FileRules(False, None, ("image",))),
        (
            {"image": {"enabled": True, "number_limits": 3, "transfer_methods": ["remote_url"]}},
            FileRules(True, 3, ("image",), (), ("remote_url",)),
        ),
        # Servers that know both forms go by the newer.
        ({"image": {"enabled": True, "number_limits": 3}, "enabled": False}, FileRules(False)),
        (
            {"enabled": True, "number_limits": 2, "allowed_file_types": ["audio"], "image": {"enabled": False}},
            FileRules(True, 2, ("audio",)),
        ),
    ],
)
def test_file_rules_are_read_from_both_forms(told: dict[str, Any], rules: FileRules) -> None:
    assert parameters_of({"file_upload": told}).files == rules


@pytest.mark.parametrize(("word", "speaks"), [("enabled", True), ("disabled", False), (None, None)])
def test_an_app_may_speak_by_itself(word: str | None, speaks: bool | None) -> None:
    speech = {"enabled": True, "voice": "alloy", "language": "en-US", "autoPlay": word}
    told = parameters_of({"text_to_speech": speech})
    assert (told.text_to_speech, told.speaks_by_itself, told.voice, told.language) == (True, speaks, "alloy", "en-US")


ODD: list[Any] = [None, 5, "x", [], [None, 3], {}, {"enabled": "yes"}, [{"text-input": 5}], [{"file": {"variable": 1}}]]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_values_are_none_at_all(odd: Any) -> None:
    keys = "user_input_form variables file_upload system_parameters text_to_speech suggested_questions tags"
    told = dict.fromkeys([*keys.split(), "name", "title", "mode", "retriever_resource", "opening_statement"], odd)
    parameters = parameters_of(told)
    assert parameters.input_form == ()
    assert (parameters.citations, parameters.text_to_speech, parameters.files.enabled) == (None, None, None)
    assert all(isinstance(value, str) for value in (info_of(told).name, site_of(told).title))


def test_an_icon_may_be_an_address_or_an_emoji() -> None:
    icons = {"time": "https://dify.example.com/icon", "mine": {"background": "#fff", "content": "🛠"}, "odd": None}
    assert meta_of({"tool_icons": icons}).tool_icons == {name: icons[name] for name in ("time", "mine")}


def test_a_server_that_does_not_know_the_call_is_an_error_that_says_so(app: DifyApp) -> None:
    with pytest.raises(BotNotFoundError, match="older Dify may not have the call"):
        call(app.site(), saying(b"<h1>Not Found</h1>", status=404))


def test_what_was_learned_is_no_part_of_an_app_and_no_pickle_carries_it(app: DifyApp) -> None:
    told, (request,) = call(app.parameters(user="ann"), saying({"user_input_form": FORM}))
    assert request.url.endswith("/v1/parameters?user=ann")
    assert app.learned.parameters is told
    assert app == replace(app)
    assert replace(app).learned.parameters is None
    again = pickle.loads(pickle.dumps(app))
    assert again == app
    assert again.learned.parameters is None
