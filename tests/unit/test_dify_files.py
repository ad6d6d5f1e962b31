"""What a question's files cost a Dify app: its rules once, an upload for each content and user, the question."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest

from remote_chatbots import (
    Attachment,
    BotNotFoundError,
    BotRejectedError,
    BotTimeoutError,
    BotUsageError,
    DifyApp,
    Question,
)
from remote_chatbots.errors import BotConnectError
from remote_chatbots.flow import Abandoned, Aside
from remote_chatbots.wire import ResponseHead
from tests.unit.conftest import octets_of

JSON = ResponseHead(200, {"content-type": "application/json"})
CREATED = ResponseHead(201, {"content-type": "application/json"})
PNG = b"\x89PNG\r\n\x1a\n" + bytes(67)
PICTURE = Attachment.from_bytes(PNG, name="sky.png")
NOTE = Attachment.from_bytes(b"# Rain", name="note.md")
ANSWER: list[Any] = [{"event": "message", "answer": "A sky."}, {"event": "message_end", "metadata": {}}]


def rules(**changed: Any) -> tuple[ResponseHead, bytes]:
    upload = {
        "enabled": True,
        "number_limits": 3,
        "allowed_file_types": ["image", "document"],
        "allowed_file_upload_methods": ["local_file", "remote_url"],
        **changed,
    }
    sizes = {"image_file_size_limit": 1, "file_size_limit": 2}
    form = [
        {"file": {"variable": "cv", "label": "CV", "allowed_file_types": ["document"]}},
        {"file-list": {"variable": "more", "label": "More"}},
    ]
    told = {"file_upload": upload, "system_parameters": sizes, "user_input_form": form}
    return JSON, json.dumps(told).encode()


def uploaded(id_: str) -> tuple[ResponseHead, bytes]:
    return CREATED, json.dumps({"id": id_, "name": "sky.png"}).encode()


def refused(message: str, code: str = "invalid_param", status: int = 400) -> tuple[ResponseHead, bytes]:
    told = {"code": code, "message": message, "status": status}
    return ResponseHead(status, {"content-type": "application/json"}), json.dumps(told).encode()


def asking(*files: Attachment, user: str = "ann", **given: Any) -> Question:
    return Question("What is it?", user=user, files=files, **given)


@pytest.fixture
def answer(framed: Callable[..., bytes]) -> list[bytes]:
    return [framed(*ANSWER)]


def sent_files(played: Any) -> Any:
    return json.loads(played.requests[-1].body)["files"]


def local(id_: str, kind: str = "image") -> dict[str, str]:
    return {"type": kind, "transfer_method": "local_file", "upload_file_id": id_}


def test_bytes_are_uploaded_as_the_user_who_asks_and_referred_to(app: DifyApp, drive: Any, answer: Any) -> None:
    played = drive(app.ask(asking(PICTURE)), uploaded("f-1"), answer, asides=[rules()])

    assert played.answer.text == "A sky."
    assert played.paths == ["/v1/parameters", "/v1/files/upload", "/v1/chat-messages"]
    assert sent_files(played) == [local("f-1")]
    upload, _ = played.requests
    boundary = re.fullmatch(r"multipart/form-data; boundary=(\w+)", upload.headers["Content-Type"])[1]  # type: ignore[index]
    user, file, end = octets_of(upload).split(f"--{boundary}".encode())[1:]
    assert user == b'\r\nContent-Disposition: form-data; name="user"\r\n\r\nann\r\n'
    head = b'\r\nContent-Disposition: form-data; name="file"; filename="sky.png"\r\nContent-Type: image/png\r\n\r\n'
    assert (file, end) == (head + PNG + b"\r\n", b"--\r\n")


def test_a_content_is_uploaded_once_for_each_user(app: DifyApp, drive: Any, answer: Any) -> None:
    drive(app.ask(asking(PICTURE)), uploaded("f-1"), answer, asides=[rules()])

    same_bytes = Attachment.from_bytes(bytes(PNG), name=PICTURE.name)
    again = drive(app.ask(asking(same_bytes, same_bytes)), answer)
    assert (again.paths, sent_files(again)) == (["/v1/chat-messages"], [local("f-1"), local("f-1")])

    of_bob = drive(app.ask(asking(PICTURE, user="bob")), uploaded("f-2"), answer)
    assert (of_bob.paths, sent_files(of_bob)) == (["/v1/files/upload", "/v1/chat-messages"], [local("f-2")])


def test_an_address_or_an_id_costs_no_upload_and_the_rules_once(app: DifyApp, drive: Any, answer: Any) -> None:
    files = (Attachment.from_url("https://h/a.pdf"), Attachment("image", file_id="f-9"))
    played = drive(app.ask(asking(*files)), answer, asides=[rules()])
    again = drive(app.ask(asking(*files)), answer)

    assert played.paths == ["/v1/parameters", "/v1/chat-messages"]
    assert again.paths == ["/v1/chat-messages"]
    address = {"type": "document", "transfer_method": "remote_url", "url": "https://h/a.pdf"}
    assert sent_files(played) == [address, local("f-9")]


def test_an_id_that_the_server_has_forgotten_is_uploaded_again_and_the_question_asked_once_more(
    app: DifyApp, drive: Any, answer: Any
) -> None:
    drive(app.ask(asking(PICTURE)), uploaded("f-1"), answer, asides=[rules()])
    played = drive(app.ask(asking(PICTURE)), refused("Invalid upload file"), uploaded("f-2"), answer)

    assert played.answer.text == "A sky."
    assert played.paths == ["/v1/chat-messages", "/v1/files/upload", "/v1/chat-messages"]
    assert sent_files(played) == [local("f-2")]
    assert sent_files(drive(app.ask(asking(PICTURE)), answer)) == [local("f-2")]


def test_an_id_that_the_server_keeps_refusing_is_an_error(app: DifyApp, drive: Any) -> None:
    unknown = refused("Invalid upload file")
    played = drive(app.ask(asking(PICTURE)), uploaded("f-1"), unknown, uploaded("f-2"), unknown, asides=[rules()])

    assert isinstance(played.error, BotRejectedError)
    assert str(played.error).endswith("Upload the file again, as the same user that asks.")


@pytest.mark.parametrize("reply", ["Invalid upload file", "inputs is required"])
def test_what_is_refused_for_another_reason_or_another_file_is_not_asked_again(
    app: DifyApp, drive: Any, answer: Any, reply: str
) -> None:
    drive(app.ask(asking(PICTURE)), uploaded("f-1"), answer, asides=[rules()])
    files = [Attachment("image", file_id="mine")] if reply.startswith("Invalid") else [PICTURE]

    played = drive(app.ask(asking(*files)), refused(reply))

    assert isinstance(played.error, BotRejectedError)
    assert played.paths == ["/v1/chat-messages"]


@pytest.mark.parametrize(
    ("reply", "kind", "told"),
    [
        (refused("", "file_too_large", 413), BotRejectedError, "Send a smaller file."),
        (refused("File type not allowed.", "unsupported_file_type", 415), BotRejectedError, "upload settings"),
        ((ResponseHead(413, {"content-type": "text/html"}), b"<html>413</html>"), BotRejectedError, "Send less"),
        ((ResponseHead(404, {"content-type": "text/html"}), b"<html>404</html>"), BotNotFoundError, "base_url"),
        (BotConnectError("dify: no connection.", platform="dify"), BotConnectError, "no connection"),
    ],
    ids=["413", "415", "a proxy's 413", "a server of 2023", "no connection"],
)
def test_an_upload_that_fails_raises_and_nothing_is_asked(
    app: DifyApp, drive: Any, reply: Any, kind: type, told: str
) -> None:
    tries = [reply] * 3
    played = drive(app.ask(asking(PICTURE)), *tries, asides=[rules()])

    assert type(played.error) is kind
    assert told in str(played.error)
    assert "/v1/chat-messages" not in played.paths
    assert drive(app.ask(asking(PICTURE)), *tries).paths[0] == "/v1/files/upload"  # nothing was kept of it


@pytest.mark.parametrize(
    ("files", "changed", "told"),
    [
        ([PICTURE], {"enabled": False}, "files: the app takes none"),
        ([Attachment.from_url("https://h/a.png")], {"enabled": False}, "files: the app takes none"),
        ([Attachment("image", file_id="f-9")], {"enabled": False}, "files: the app takes none"),
        ([PICTURE] * 4, {}, "files: the app takes at most 3 at once"),
        ([NOTE, PICTURE], {"allowed_file_types": ["document"]},
            r"files\[1\]: the app takes document, and this is image"),
        ([Attachment.from_bytes(PNG + bytes(1024**2))], {}, r"files\[0\]: this image has 1048651 bytes.* 1048576"),
        ([PICTURE], {"allowed_file_upload_methods": ["remote_url"]}, r"files\[0\]: the app takes addresses alone"),
        ([PICTURE, Attachment.from_url("https://h/a.md")], {"allowed_file_upload_methods": ["local_file"]},
            r"files\[1\]: the app takes no addresses"),
        ([Attachment.from_bytes(b"PK\3\4")], {"allowed_file_types": ["custom"], "allowed_file_extensions": [".EPS"]},
            r"files\[0\]: the app takes .eps, and this is .zip"),
    ],
    ids=["none", "no address", "no id", "too many", "kind", "too large", "no bytes", "no addresses", "extension"],
)  # fmt: skip
def test_what_the_app_does_not_take_is_refused_before_anything_is_uploaded_or_asked(
    app: DifyApp, drive: Any, files: list[Attachment], changed: dict[str, Any], told: str
) -> None:
    played = drive(app.ask(asking(*files)), asides=[rules(**changed)])

    assert isinstance(played.error, BotUsageError)
    assert re.match(rf"dify: {told}.*\.$", str(played.error))
    assert played.paths == ["/v1/parameters"]


def test_rules_are_asked_for_again_before_a_file_is_refused_by_them(app: DifyApp, drive: Any, answer: Any) -> None:
    drive(app.ask(asking(PICTURE)), asides=[rules(enabled=False)])
    played = drive(app.ask(asking(PICTURE)), uploaded("f-1"), answer, asides=[rules()])

    assert played.paths == ["/v1/parameters", "/v1/files/upload", "/v1/chat-messages"]
    assert played.answer.text == "A sky."


def test_a_file_that_the_rules_refused_is_refused_while_they_cannot_be_had(app: DifyApp, drive: Any) -> None:
    drive(app.ask(asking(PICTURE)), asides=[rules(enabled=False)])
    played = drive(app.ask(asking(PICTURE)), asides=[refused("no", "app_unavailable")])

    assert "files: the app takes none" in str(played.error)
    assert played.paths == ["/v1/parameters"]


def test_rules_that_are_not_to_be_had_soon_hold_no_turn(app: DifyApp, drive: Any, answer: Any) -> None:
    hangs = BotTimeoutError("dify: silent.", platform="dify")
    played = drive(app.ask(asking(PICTURE)), uploaded("f-1"), answer, asides=[hangs])

    assert played.answer.text == "A sky."
    assert [effect.within_s for effect in played.effects if isinstance(effect, Aside)] == [5]


def test_an_address_without_an_extension_is_the_servers_to_judge(app: DifyApp, drive: Any, answer: Any) -> None:
    custom = rules(allowed_file_types=["custom"], allowed_file_extensions=["eps"])
    files = (Attachment("custom", url="https://h/files?id=7"), Attachment("custom", file_id="f-9"))

    assert drive(app.ask(asking(*files)), answer, asides=[custom]).answer.text == "A sky."


def test_another_version_of_a_chatflow_has_rules_of_its_own(app: DifyApp, drive: Any, answer: Any) -> None:
    drive(app.ask(asking(PICTURE)), asides=[rules(enabled=False)])
    played = drive(app.ask(asking(PICTURE, options={"workflow_id": "w-1"})), uploaded("f-1"), answer)

    assert played.paths == ["/v1/files/upload", "/v1/chat-messages"]


@pytest.mark.parametrize("name", ["cover", "city"])
def test_a_file_for_a_variable_that_is_none_or_no_file_is_refused(app: DifyApp, drive: Any, name: str) -> None:
    head, told = rules()
    told = told.replace(b'"user_input_form": [', b'"user_input_form": [{"text-input": {"variable": "city"}}, ')
    played = drive(app.ask(asking(inputs={name: NOTE})), asides=[(head, told)])

    assert f"dify: {name}: the app has no variable of this name that is a file" in str(played.error)
    assert played.paths == ["/v1/parameters"]


def test_files_without_a_text_are_refused_before_anything_is_sent(app: DifyApp) -> None:
    with pytest.raises(BotUsageError, match=r"^dify: a question is more than its files\. Give a text"):
        app.ask(Question("", user="ann", files=[PICTURE]))


def test_without_the_rules_the_server_decides(app: DifyApp, drive: Any, answer: Any) -> None:
    played = drive(app.ask(asking(PICTURE)), uploaded("f-1"), answer, asides=[refused("no", "app_unavailable")])

    assert played.answer.text == "A sky."


def test_what_the_server_calls_custom_is_sent_as_that(app: DifyApp, drive: Any, answer: Any) -> None:
    archive = Attachment.from_bytes(b"PK\3\4")
    custom = rules(allowed_file_types=["custom"], allowed_file_extensions=["zip", ".md"])
    played = drive(app.ask(asking(archive, NOTE)), uploaded("f-1"), uploaded("f-2"), answer, asides=[custom])

    assert sent_files(played) == [local("f-1", "custom"), local("f-2", "custom")]


def test_files_in_inputs_are_uploaded_too_and_checked_by_their_fields_rules(
    app: DifyApp, drive: Any, answer: Any
) -> None:
    address = Attachment.from_url("https://h/b.pdf")
    inputs = {"cv": NOTE, "more": [PICTURE, address], "city": "Bergen"}
    played = drive(app.ask(asking(inputs=inputs)), uploaded("f-1"), uploaded("f-2"), answer, asides=[rules()])

    sent = json.loads(played.requests[-1].body)
    as_address = {"type": "document", "transfer_method": "remote_url", "url": "https://h/b.pdf"}
    assert sent["inputs"] == {"cv": local("f-1", "document"), "more": [local("f-2"), as_address], "city": "Bergen"}
    assert "files" not in sent

    played = drive(app.ask(asking(inputs={"cv": PICTURE})), asides=[rules()])
    assert "dify: cv[0]: the app takes document, and this is image" in str(played.error)


def test_whoever_leaves_during_an_upload_leaves_no_claim_behind(app: DifyApp, drive: Any, answer: Any) -> None:
    left = drive(app.ask(asking(PICTURE)), Abandoned, asides=[rules()])
    assert "/v1/chat-messages" not in left.paths

    played = drive(app.ask(asking(PICTURE)), uploaded("f-1"), answer)
    assert (played.slept, sent_files(played)) == ([], [local("f-1")])


def test_a_second_asker_waits_for_the_first_ones_upload(app: DifyApp, drive: Any, answer: Any) -> None:
    drive(app.ask(asking(NOTE)), uploaded("f-0"), answer, asides=[rules()])
    first = app.ask(asking(PICTURE))
    first.send(None)  # it uploads
    second = app.ask(asking(PICTURE))
    waits = [second.send(None), second.send(True)]
    assert [type(step).__name__ for step in waits] == ["Sleep", "Sleep"]

    first.close()  # and fails: the second uploads
    assert second.send(True).request.url.endswith("/files/upload")  # type: ignore[union-attr]


def test_what_was_uploaded_is_no_part_of_what_the_bot_is(app: DifyApp, drive: Any, answer: Any) -> None:
    drive(app.ask(asking(PICTURE)), uploaded("f-1"), answer, asides=[rules()])

    twin = pickle.loads(pickle.dumps(app))
    assert twin == app
    paths = drive(twin.ask(asking(PICTURE)), uploaded("f-2"), answer, asides=[rules()]).paths
    assert "/v1/files/upload" in paths
    assert copy.deepcopy(app) == app


def test_an_upload_by_itself_gives_a_file_that_goes_with_questions(app: DifyApp, drive: Any, answer: Any) -> None:
    found: list[Attachment] = []

    def upload(file: Attachment) -> Any:
        found.append((yield from app.upload(file, user="ann")))

    assert drive(upload(PICTURE), uploaded("f-1")).paths == ["/v1/files/upload"]
    assert found == [Attachment("image", file_id="f-1", name="sky.png", mime_type="image/png")]
    assert sent_files(drive(app.ask(asking(found[0])), answer, asides=[rules()])) == [local("f-1")]

    played = drive(upload(found[0]))
    assert isinstance(played.error, BotUsageError)
    with pytest.raises(BotUsageError, match="a user is needed"):
        app.upload(PICTURE)
