"""The emulator's files: uploads, what an app takes, what it makes; compared with recordings of real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import Emulator
from tests.contract.test_emulator_helpers import (
    AGES,
    UNKNOWN_ID,
    bearer,
    collapsed,
    get,
    history,
    post,
    recorded_body,
    recorded_events,
    recording,
    shape,
    turn,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(67)


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    with ExitStack() as stack:
        ages = (*AGES, "2023")
        yield {age: stack.enter_context(Emulator(age, token_delay_s=0, held_open_s=0.02)) for age in ages}


@pytest.fixture(params=AGES)
def age(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def emulator(emulators: dict[str, Emulator], age: str) -> Emulator:
    return emulators[age]


def upload(
    emulator: Emulator,
    name: str = "pic.png",
    data: bytes = PNG,
    kind: str = "image/png",
    *,
    user: str = "ann",
    app: str = "chat-image",
) -> requests.Response:
    return requests.post(
        f"{emulator.dify_url}/files/upload",
        files={"file": (name, data, kind)},
        data={"user": user} if user else {},
        headers=bearer(emulator, app),
        timeout=5,
    )


def local(id_: str, kind: str = "image") -> dict[str, str]:
    return {"type": kind, "transfer_method": "local_file", "upload_file_id": id_}


def remote(url: str) -> dict[str, str]:
    return {"type": "image", "transfer_method": "remote_url", "url": url}


@pytest.mark.parametrize("name", ["upload-image", "upload-text", "upload-no-user"])
def test_an_upload_is_answered_as_recorded(emulator: Emulator, age: str, name: str) -> None:
    [sent] = recording(age, name)["request"]["body"]["multipart"]["files"]
    data = PNG if sent["content_type"] == "image/png" else b"a note" + b" " * (sent["bytes"] - 6)
    user = "" if name == "upload-no-user" else "ann"
    response = upload(emulator, sent["filename"], data, sent["content_type"], user=user)

    ours, theirs = response.json(), recorded_body(age, name)
    assert (response.status_code, list(ours), shape(ours)) == (201, list(theirs), shape(theirs))
    for key in ("name", "size", "extension", "mime_type"):
        assert ours[key] == theirs[key]


def form_sent(emulator: Emulator, *parts: str) -> requests.Response:
    body = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n"
    headers = {**bearer(emulator, "chat-image"), "Content-Type": "multipart/form-data; boundary=b"}
    return requests.post(f"{emulator.dify_url}/files/upload", data=body.encode(), headers=headers, timeout=5)


USER = 'Content-Disposition: form-data; name="user"\r\n\r\nann'


def file_part(name: str, kind: str = "Content-Type: image/png\r\n") -> str:
    return f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n{kind}\r\nabc'


def test_of_two_files_the_first_is_taken_in_silence(emulator: Emulator, age: str) -> None:
    told = form_sent(emulator, USER, file_part("a.png"), file_part("b.png"))
    assert (told.status_code, told.json()["name"]) == (201, recorded_body(age, "upload-two-files")["name"])


@pytest.mark.parametrize(
    ("name", "parts"), [("err-upload-no-file", [USER]), ("err-upload-no-filename", [USER, file_part("")])]
)
def test_a_form_without_a_file_or_its_name_is_refused_as_recorded(
    emulator: Emulator, age: str, name: str, parts: list[str]
) -> None:
    told = form_sent(emulator, *parts)
    assert (told.status_code, told.json()) == (400, recorded_body(age, name))


def test_a_file_that_is_too_large_or_of_no_type_is_refused(emulator: Emulator) -> None:
    large = upload(emulator, data=PNG + bytes(10 * 1024**2))
    assert (large.status_code, large.json()["code"]) == (413, "file_too_large")
    untyped = form_sent(emulator, USER, file_part("a.png", ""))
    assert (untyped.status_code, untyped.json()["code"]) == (415, "unsupported_file_type")


REFUSED = {
    "err-files-bad-transfer-method": {**remote("http://127.0.0.1:9/x.png"), "transfer_method": "pigeon"},
    "err-files-not-uuid": local("abc"),
    "err-files-unknown-upload-stream": local(UNKNOWN_ID),
    "err-files-remote-unreachable": remote("http://127.0.0.1:9/x.png"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_none_is_refused_as_recorded_and_nothing_is_stored(
    emulator: Emulator, age: str, name: str
) -> None:
    told = post(emulator, "Hello", kind="chat-image", user="refused", files=[REFUSED[name]])
    assert (told.status_code, told.json()) == (400, recorded_body(age, name))
    assert get(emulator, "conversations", kind="chat-image", user="refused").json()["data"] == []


def test_an_app_without_files_does_not_look_at_them(emulator: Emulator, age: str) -> None:
    told = post(emulator, "Hello", response_mode="blocking", files=[remote("http://127.0.0.1:9/x.png")])
    assert told.status_code == recording(age, "chat-block-files-when-off")["response"]["status"] == 200


def test_another_users_upload_is_taken_or_refused_as_recorded(emulator: Emulator, age: str) -> None:
    id_ = upload(emulator).json()["id"]
    told = post(emulator, "What is this?", kind="chat-image", user="bob", files=[local(id_)])
    theirs = recording(age, "chat-block-other-users-upload")["response"]
    assert told.status_code == theirs["status"]
    if told.status_code == 400:
        assert told.json() == json.loads(theirs["body"])


def test_an_agent_with_an_image_looks_as_recorded(emulator: Emulator, age: str) -> None:
    id_ = upload(emulator, app="agent-chat-image").json()["id"]
    ours = turn(emulator, "What is this?", kind="agent-chat-image", inputs={"guest": "Ann"}, files=[local(id_)])
    theirs = recorded_events(age, "agent-stream-with-image")
    assert collapsed(ours) == collapsed(theirs)
    assert shape(ours[-1]["files"]) == shape(theirs[-1]["files"])


def test_a_chatflow_with_a_document_looks_as_recorded(emulators: dict[str, Emulator]) -> None:
    id_ = upload(emulators["1.14"], "note.txt", b"a note", "text/plain", app="advanced-chat-files").json()["id"]
    given: dict[str, Any] = {"inputs": {"guest": "Ann"}, "files": [local(id_, "document")]}
    ours = turn(emulators["1.14"], "What is this?", kind="advanced-chat-files", **given)
    theirs = recorded_events("1.14", "chatflow-stream-with-document")
    started, recorded = (
        next(each for each in events if each["event"] == "workflow_started")["data"]["inputs"]["sys.files"]
        for events in (ours, theirs)
    )
    assert shape(started) == shape(recorded)


def test_what_an_app_takes_is_told_as_recorded(emulator: Emulator, age: str) -> None:
    ours = get(emulator, "parameters", kind="chat-image").json()["file_upload"]
    assert ours == recorded_body(age, "chat-parameters-image")["file_upload"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([local("", "document")], "File validation failed for file: pic.png"),
        ([local("")] * 4, "Number of files exceeds the maximum limit 3"),
    ],
)
def test_what_an_app_does_not_take_is_refused(emulator: Emulator, files: list[Any], told: str) -> None:
    id_ = upload(emulator).json()["id"]
    sent = [{**file, "upload_file_id": id_} for file in files]
    refused = post(emulator, "What?", kind="chat-image", files=sent)
    assert (refused.status_code, refused.json()["message"]) == (400, told)


def test_files_are_in_the_history_and_their_addresses_open_them(emulator: Emulator) -> None:
    id_ = upload(emulator).json()["id"]
    events = turn(emulator, "What is this?", kind="chat-image", files=[local(id_), remote("https://h/sky.png")])
    [stored] = history(emulator, events, "chat-image")

    own, linked = stored["message_files"]
    assert (own["belongs_to"], own["filename"], own["size"]) == ("user", "pic.png", len(PNG))
    assert (linked["url"], linked["transfer_method"]) == ("https://h/sky.png", "remote_url")
    fetched = requests.get(own["url"], timeout=5)
    assert (fetched.content, fetched.headers["Content-Type"]) == (PNG, "image/png")
    assert requests.get(own["url"][:-1] + "x", timeout=5).status_code == 404
    assert "pic.png" in stored["answer"]


def test_a_preview_is_of_files_that_a_message_refers_to(emulators: dict[str, Emulator]) -> None:
    newest = emulators["1.14"]
    id_ = upload(newest).json()["id"]
    unused = get(newest, f"files/{id_}/preview", kind="chat-image")
    theirs = recording("1.14", "file-preview-unused-upload")["response"]
    assert (unused.status_code, unused.json()) == (theirs["status"], json.loads(theirs["body"]))

    turn(newest, "What is this?", kind="chat-image", files=[local(id_)])
    shown = get(newest, f"files/{id_}/preview", kind="chat-image")
    headers = recording("1.14", "file-preview")["response"]["headers"]
    assert (shown.status_code, shown.content) == (200, PNG)
    assert [shown.headers[name] for name in ("Content-Type", "Cache-Control")] == [
        "image/png",
        headers["Cache-Control"],
    ]
    for older in ("0.15", "2023"):
        assert get(emulators[older], f"files/{id_}/preview", kind="chat-image").status_code == 404


def test_an_agent_draws_between_its_thoughts(emulator: Emulator) -> None:
    events = turn(emulator, "A gull please [[draw]]", kind="agent-chat")
    kinds = [each["event"] for each in events]
    at = kinds.index("message_file")
    assert events[at]["belongs_to"] == "assistant"
    assert (kinds[at - 1], kinds[at + 1]) == ("agent_thought", "agent_thought")
    assert requests.get(events[at]["url"], timeout=5).content.startswith(b"\x89PNG")
    [stored] = history(emulator, events, "agent-chat")
    assert [(file["belongs_to"], file["id"]) for file in stored["message_files"]] == [("assistant", events[at]["id"])]


def test_a_chatflow_draws_for_its_answer(emulator: Emulator) -> None:
    events = turn(emulator, "A gull please [[draw]]", kind="advanced-chat")
    end, finished = (next(e for e in events if e["event"] == name) for name in ("message_end", "workflow_finished"))
    [file] = end["files"]
    assert finished["data"]["files"] == [file]
    assert (file["type"], file["transfer_method"]) == ("image", "tool_file")
    assert requests.get(file["url"], timeout=5).content.startswith(b"\x89PNG")


def test_there_are_no_uploads_in_2023(emulators: dict[str, Emulator]) -> None:
    assert upload(emulators["2023"]).status_code == 404


REPORT = {"type": "document", "transfer_method": "remote_url", "url": "https://files.example/report.pdf"}
PICTURE = {**REPORT, "type": "image", "url": "https://files.example/a.png"}


def test_files_as_inputs_are_values_of_the_run(emulator: Emulator) -> None:
    id_ = upload(emulator, "report.md", b"# All is well", "text/markdown", app="advanced-chat-report").json()["id"]
    given = {"report": local(id_, "document"), "pictures": [PICTURE]}
    events = turn(emulator, "What is in it?", kind="advanced-chat-report", inputs=given)
    inputs = next(each for each in events if each["event"] == "workflow_started")["data"]["inputs"]
    assert (inputs["report"]["filename"], inputs["report"]["size"]) == ("report.md", 13)
    assert [one["remote_url"] for one in inputs["pictures"]] == [PICTURE["url"]]
    form = get(emulator, "parameters", kind="advanced-chat-report").json()["user_input_form"]
    assert form[0]["file"]["allowed_file_types"] == ["document"]
    assert form[1]["file-list"]["max_length"] == 2


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "report is required in input form"),
        ({"report": "a.pdf"}, "report in input form must be a file"),
        ({"report": PICTURE}, "File validation failed for file: a.png"),
        ({"report": local(UNKNOWN_ID, "document")}, "Invalid upload file"),
        ({"report": REPORT, "pictures": PICTURE}, "pictures in input form must be a list of files"),
        ({"report": REPORT, "pictures": [PICTURE] * 3}, "pictures in input form must be less than 2 files"),
    ],
)
def test_an_input_that_is_no_such_file_is_refused(
    emulators: dict[str, Emulator], inputs: dict[str, Any], message: str
) -> None:
    reply = post(emulators["0.15"], "What is in it?", kind="advanced-chat-report", inputs=inputs)
    assert (reply.status_code, reply.json()["message"]) == (400, message)
