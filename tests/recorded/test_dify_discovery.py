"""Every recording of what an app says of itself, asked for again; what must come of it is read from the recording."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest

from remote_chatbots import AppInfo, AppMeta, AppParameters, AppSite, InputField
from tests.recorded.asking import DRIVERS, KEY
from tests.recorded.managing import Call, make, query_of
from tests.recorded.recordings import Recording, calls_about_the_app
from tests.recorded.replay import Received, ReplayServer, reply_of

MIB = 2**20
KINDS = {"text-input": "text"}
every_recording = pytest.mark.parametrize("exchange", calls_about_the_app(), ids=str, scope="module")
both_drivers = pytest.mark.parametrize("driver", DRIVERS, scope="module")


@cache
def over_a_socket(driver: str, exchange: Recording) -> tuple[Any, list[Received]]:
    """Return what came of the call, and the requests that the server got."""
    name = urlsplit(exchange.target).path.removeprefix("/v1/")
    with ReplayServer(reply_of(exchange)) as server:
        got = make(driver, server.url, Call(name, (), query_of(exchange.target)))
    return got, server.received


def test_what_apps_say_of_themselves_was_recorded_of_both_servers() -> None:
    told = Counter(exchange.version for exchange in calls_about_the_app())
    assert told == {"0.15.3": 10, "1.14.2": 11}  # 0.15 has no /site


@every_recording
@both_drivers
def test_the_request_is_the_recorded_one_and_is_sent_once(driver: str, exchange: Recording) -> None:
    _, (request,) = over_a_socket(driver, exchange)
    assert (request.method, request.path) == (exchange.method, exchange.target)
    assert request.headers["authorization"] == f"Bearer {KEY}"


@every_recording
@both_drivers
def test_what_an_app_says_of_itself_is_what_was_recorded(driver: str, exchange: Recording) -> None:
    got, _ = over_a_socket(driver, exchange)
    said = json.loads(exchange.body)
    assert got.raw == said
    assert outcome_of(got) == expected_of(type(got), said)


def outcome_of(got: Any) -> Any:
    if isinstance(got, AppInfo):
        return got.name, got.description, got.tags, got.kind, got.author
    if isinstance(got, AppMeta):
        return got.tool_icons
    if isinstance(got, AppSite):
        return got.title, got.description, got.icon, got.icon_background, got.language, got.shows_steps
    assert isinstance(got, AppParameters)
    files = got.files
    return {
        "opening": (got.opening_statement, got.suggested_questions),
        "switches": (got.citations, got.suggestions, got.speech_to_text, got.text_to_speech, got.annotation_reply),
        "speech": (got.speaks_by_itself, got.voice, got.language),
        "files": (files.enabled, files.number_limit, files.kinds, files.extensions, files.transfer_methods),
        "max_bytes": files.max_bytes,
        "form": [outcome_of_field(each) for each in got.input_form],
    }


def outcome_of_field(got: InputField) -> Any:
    return (got.name, got.label, got.kind, got.required, got.max_length, got.options, got.default, got.raw)


def expected_of(kind: type, said: Mapping[str, Any]) -> Any:
    if kind is AppInfo:
        tags = tuple(said["tags"])
        return said["name"], said["description"], tags, said.get("mode", ""), said.get("author_name", "")
    if kind is AppMeta:
        return said["tool_icons"]
    if kind is AppSite:
        plain = (said["title"], said["description"] or "", said["icon"], said["icon_background"])
        return (*plain, said["default_language"], said["show_workflow_steps"])
    names = ("retriever_resource", "suggested_questions_after_answer", "speech_to_text", "text_to_speech")
    speech, limits = said["text_to_speech"], said["system_parameters"]
    return {
        "opening": (said["opening_statement"], tuple(said["suggested_questions"])),
        "switches": tuple(said[name]["enabled"] for name in (*names, "annotation_reply")),
        "speech": (None, speech["voice"], speech["language"]),
        "files": files_in(said["file_upload"]),
        "max_bytes": {
            "image": limits["image_file_size_limit"] * MIB,
            "document": limits["file_size_limit"] * MIB,
            "custom": limits["file_size_limit"] * MIB,
            "audio": limits["audio_file_size_limit"] * MIB,
            "video": limits["video_file_size_limit"] * MIB,
        },
        "form": [field_in(kind, told) for item in said["user_input_form"] for kind, told in item.items()],
    }


def files_in(said: Mapping[str, Any]) -> Any:
    if said == {"image": {"enabled": False}}:
        return False, None, ("image",), (), ()
    lists = ("allowed_file_types", "allowed_file_extensions", "allowed_file_upload_methods")
    return said["enabled"], said["number_limits"], *(tuple(said[name]) for name in lists)


def field_in(kind: str, said: Mapping[str, Any]) -> Any:
    known = (said["variable"], said["label"], KINDS.get(kind, kind), said["required"], said.get("max_length"))
    return *known, tuple(said.get("options", ())), said.get("default") or None, said
