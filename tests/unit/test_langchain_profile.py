"""What LangChain is told of a bot's abilities."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import ModelProfile

from langchain_chatbots._profile import ALWAYS, profile_of
from remote_chatbots import AppInfo, AppParameters, FileRules

INPUTS = ("image_inputs", "image_url_inputs", "audio_inputs", "video_inputs", "pdf_inputs")


def test_what_is_not_known_is_not_said() -> None:
    assert profile_of(None, None) == ALWAYS
    assert profile_of(AppInfo(""), AppParameters()) == ALWAYS
    assert not ALWAYS["tool_calling"]
    assert not ALWAYS["structured_output"]


def test_every_key_is_one_of_langchains() -> None:
    told = profile_of(AppInfo("town"), AppParameters(files=FileRules(True), text_to_speech=True))
    assert told.keys() <= ModelProfile.__annotations__.keys()
    assert (told["name"], told["audio_outputs"], told["attachment"]) == ("town", True, True)


@pytest.mark.parametrize(
    ("rules", "takes"),
    [
        (FileRules(False, kinds=("image",)), ()),
        (FileRules(True, kinds=("image",)), ("image_inputs", "image_url_inputs")),
        (FileRules(True, kinds=("image",), transfer_methods=("local_file",)), ("image_inputs",)),
        (FileRules(True, kinds=("audio", "document")), ("audio_inputs", "pdf_inputs")),
        (FileRules(True, kinds=("custom",), extensions=(".foo", ".pdf")), ("pdf_inputs",)),
        (FileRules(True, kinds=("custom",), extensions=(".foo",)), ()),
        (FileRules(True), INPUTS),  # an app that names no kind takes all
    ],
)
def test_files_that_an_app_takes_are_inputs(rules: FileRules, takes: tuple[str, ...]) -> None:
    told: dict[str, Any] = dict(profile_of(None, AppParameters(files=rules)))
    assert {name: told[name] for name in INPUTS} == {name: name in takes for name in INPUTS}
    assert told["attachment"] is rules.enabled
