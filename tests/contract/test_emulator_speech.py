"""The emulator's endpoints for speech, against recordings of the servers that it stands for."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import Emulator
from tests.contract.test_emulator_helpers import (
    AGES,
    WIRE,
    bearer,
    get,
    kinds,
    recorded_events,
    recording,
    shape,
    turn,
)

HEARD = sorted(path.stem for path in (WIRE / "1.14.2").glob("*audio*.json") if path.stem != "text-to-audio")
HEADERS = ("Content-Type", "Access-Control-Allow-Origin", "X-Version", "Vary", "Transfer-Encoding")


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    with ExitStack() as stack:
        yield {age: stack.enter_context(Emulator(age, token_delay_s=0)) for age in (*AGES, "2023")}


def send(emulator: Emulator, request: dict[str, Any], kind: str) -> requests.Response:
    """Send a recorded form again, with as many bytes as it had."""
    form = request["body"]["multipart"]
    files = {one["name"]: (one["filename"], bytes(one["bytes"]), one["content_type"]) for one in form["files"]}
    url = f"{emulator.dify_url}/audio-to-text"
    return requests.post(url, data=form["fields"], files=files, headers=bearer(emulator, kind), timeout=5)


@pytest.mark.parametrize("name", HEARD)
@pytest.mark.parametrize("age", AGES)
def test_a_recording_is_taken_or_refused_as_recorded(emulators: dict[str, Emulator], age: str, name: str) -> None:
    exchange = recording(age, name)
    kind = "chat" if name == "err-audio-disabled" else "chat-speech"
    response = send(emulators[age], exchange["request"], kind)
    theirs = exchange["response"]
    assert response.status_code == theirs["status"]
    assert [response.headers.get(name) for name in HEADERS] == [theirs["headers"].get(name) for name in HEADERS]
    if theirs["status"] == 200:
        said = exchange["request"]["body"]["multipart"]["files"][0]["bytes"]
        ours = theirs["body"].replace("hello from the tiny wav, \\u4f60\\u597d", f"A sound of {said} bytes.")
        assert response.text == ours
    else:
        assert response.text == theirs["body"]


@pytest.mark.parametrize("age", AGES)
def test_a_text_is_spoken_as_recorded(emulators: dict[str, Emulator], age: str) -> None:
    exchange = recording(age, "text-to-audio")
    response = requests.post(
        f"{emulators[age].dify_url}/text-to-audio",
        json=exchange["request"]["body"],
        headers=bearer(emulators[age], "chat-speech"),
        timeout=5,
    )
    theirs = exchange["response"]
    assert response.status_code == theirs["status"]
    assert [response.headers.get(name) for name in HEADERS] == [theirs["headers"].get(name) for name in HEADERS]
    assert response.content[:4] == base64.b64decode(theirs["body_b64"])[:4] == b"ID3\x04"


def test_an_answer_that_speaks_by_itself_does_so_behind_its_end_as_recorded(emulators: dict[str, Emulator]) -> None:
    ours = turn(emulators["1.14"], "Hello there", kind="chat-speech")
    theirs = recorded_events("1.14", "chat-stream-tts-on")
    assert list(dict.fromkeys(kinds(ours))) == list(dict.fromkeys(kinds(theirs)))
    spoken = ("tts_message", "tts_message_end")
    assert shape([one for one in ours if one["event"] in spoken][-1]) == shape(theirs[-1])
    assert shape(next(one for one in ours if one["event"] in spoken)) == shape(
        next(one for one in theirs if one["event"] in spoken)
    )


def test_2023_speaks_of_nothing_but_text(emulators: dict[str, Emulator]) -> None:
    assert {tuple(one) for one in turn(emulators["2023"], "Hello there", kind="chat-speech")} == {
        ("id", "answer", "created_at")
    }


@pytest.mark.parametrize(("age", "most"), [("2023", 15), ("0.15", 30), ("1.14", 30)])
def test_a_recording_has_its_largest_size(emulators: dict[str, Emulator], age: str, most: int) -> None:
    form = {"fields": {"user": "ann"}, "files": [{"name": "file", "filename": "a.wav", "content_type": "audio/wav"}]}
    form["files"][0]["bytes"] = most * 2**20 + 1
    response = send(emulators[age], {"body": {"multipart": form}}, "chat-speech")
    assert response.json() == {
        "code": "audio_too_large",
        "message": f"Audio size larger than {most} mb",
        "status": 413,
    }


def test_an_app_says_whether_it_hears_and_speaks(emulators: dict[str, Emulator]) -> None:
    told = {kind: get(emulators["1.14"], "parameters", kind=kind).json() for kind in ("chat", "chat-speech")}
    assert [told[kind]["speech_to_text"]["enabled"] for kind in told] == [False, True]
    assert [told[kind]["text_to_speech"]["enabled"] for kind in told] == [False, True]


def test_a_form_without_a_recording_is_refused(emulators: dict[str, Emulator]) -> None:
    response = send(emulators["1.14"], {"body": {"multipart": {"fields": {"user": "a"}, "files": []}}}, "chat-speech")
    assert (response.status_code, response.json()["code"]) == (400, "no_audio_uploaded")
