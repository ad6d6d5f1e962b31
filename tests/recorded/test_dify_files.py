"""Every recording of an upload or a preview, through both drivers; and the emulator's own, compared with them."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import pytest

from remote_chatbots import Attachment, BotError, BotUsageError
from tests.recorded.asking import DRIVERS, ask, expected_of_error, outcome_of_error, question_of
from tests.recorded.managing import Call, make
from tests.recorded.recordings import VERSIONS, Recording, calls_of_files, recording, told_by
from tests.recorded.replay import ReplayServer, reply_of

# What the recorded forms held is not recorded but for its length.
PNG = b"\x89PNG\r\n\x1a\n"
# Forms that the library cannot make, whose answers it reads all the same: why.
OTHER_FORMS = {
    "upload-no-user": "an upload has a user",
    "upload-two-files": "a form holds one file",
    "err-upload-no-file": "a form holds a file",
    "err-upload-no-filename": "a file without a name gets one",
}
every_upload = pytest.mark.parametrize(
    "exchange", [one for one in calls_of_files() if one.method == "POST"], ids=str, scope="module"
)
both_drivers = pytest.mark.parametrize("driver", DRIVERS, scope="module")


def form_of(exchange: Recording) -> tuple[dict[str, str], list[dict[str, Any]]]:
    told = exchange.sent["multipart"]
    return told["fields"], told["files"]


def file_of(exchange: Recording) -> Attachment:
    _, files = form_of(exchange)
    told = files[0] if files else {"bytes": 8, "filename": "pic.png", "content_type": "image/png"}
    begin = PNG if told["content_type"] == "image/png" else b"Hello"
    data = begin + b" " * (told["bytes"] - len(begin))
    return Attachment.from_bytes(data, name=told["filename"])


def parts_of(body: bytes, boundary: str) -> list[tuple[str, bytes]]:
    parts = body.split(f"--{boundary}".encode())[1:-1]
    return [(head.decode().strip(), data[:-2]) for head, _, data in (part.partition(b"\r\n\r\n") for part in parts)]


def test_files_were_recorded_of_both_servers() -> None:
    assert Counter(exchange.version for exchange in calls_of_files()) == {"0.15.3": 7, "1.14.2": 9}


@every_upload
@both_drivers
def test_an_upload_is_the_recorded_form_and_gives_the_recorded_id(driver: str, exchange: Recording) -> None:
    file = file_of(exchange)
    fields, files = form_of(exchange)
    with ReplayServer(reply_of(exchange)) as server:
        got = make(driver, server.url, Call("upload", (file,), {"user": fields.get("user", "reader-1")}))
    (request,) = server.received

    if exchange.status >= 400:
        assert isinstance(got, BotError)
        assert outcome_of_error(got) == expected_of_error(told_by(exchange))
    else:
        assert (got.file_id, got.kind) == (json.loads(exchange.body)["id"], file.kind)
    assert (request.method, request.path) == ("POST", "/v1/files/upload")
    boundary = re.fullmatch(r"multipart/form-data; boundary=(\w+)", request.headers["content-type"])
    assert boundary is not None
    assert request.headers["content-length"] == str(len(request.body))
    if exchange.name not in OTHER_FORMS:
        name, kind = files[0]["filename"], files[0]["content_type"]
        head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {kind}'
        assert parts_of(request.body, boundary[1]) == [
            ('Content-Disposition: form-data; name="user"', fields["user"].encode()),
            (head, b"".join(file.content)),
        ]


@pytest.mark.parametrize("exchange", [one for one in calls_of_files() if one.method == "GET"], ids=str)
@both_drivers
def test_a_file_of_a_message_is_fetched_and_another_is_not_found(driver: str, exchange: Recording) -> None:
    file_id = urlsplit(exchange.target).path.split("/")[3]
    with ReplayServer(reply_of(exchange)) as server:
        got = make(driver, server.url, Call("download", (file_id,), {"user": "reader-1"}))
    (request,) = server.received

    assert request.path == f"{exchange.target}?user=reader-1"
    if exchange.status >= 400:
        assert outcome_of_error(got) == expected_of_error(told_by(exchange))
    else:
        assert got == exchange.body
        assert got.startswith(PNG)


@pytest.mark.parametrize("version", VERSIONS)
@both_drivers
def test_a_file_that_the_server_would_leave_out_in_silence_is_refused_before_anything_is_asked(
    driver: str, version: str
) -> None:
    left_out = recording(version, "chat-block-files-when-off")
    assert (left_out.status, len(left_out.sent["files"])) == (200, 1)
    with ReplayServer(reply_of(recording(version, "chat-parameters"))) as server:
        got = ask(driver, server.url, question_of(left_out))

    assert isinstance(got, BotUsageError)
    assert str(got).startswith("dify: files: the app takes none, and would answer as if none were there.")
    assert [request.path for request in server.received] == ["/v1/parameters?user=reader-1"]
