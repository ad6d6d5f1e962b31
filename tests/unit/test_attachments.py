"""Files that go with a question: what they are, where their bytes come from, what is refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from base64 import b64encode, encodebytes, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

from remote_chatbots import Attachment, BotUsageError
from remote_chatbots.contents import SLICE_BYTES, AsBase64, Base64Text, FileOnDisk, Octets
from remote_chatbots.file_types import type_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)
OFFICE = "application/vnd.openxmlformats-officedocument"


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"<xml/>")
    return file.getvalue()


TYPES: list[tuple[bytes, str, str, str]] = [  # bytes, type, kind, extension
    (PNG, "image/png", "image", ".png"),
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg", "image", ".jpg"),
    (b"GIF89a\x01\x00", "image/gif", "image", ".gif"),
    (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp", "image", ".webp"),
    (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml", "image", ".svg"),
    (b"%PDF-1.7\n", "application/pdf", "document", ".pdf"),
    (b"ID3\x04\x00", "audio/mpeg", "audio", ".mp3"),
    (b"\xff\xfb\x90\x64", "audio/mpeg", "audio", ".mp3"),
    (b"\xff\xf1\x50\x80", "audio/aac", "audio", ".aac"),
    (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav", "audio", ".wav"),
    (b"\x00\x00\x00\x20ftypM4A \x00", "audio/mp4", "audio", ".m4a"),
    (b"OggS\x00\x02", "audio/ogg", "audio", ".ogg"),
    (b"\x00\x00\x00\x20ftypisom\x00", "video/mp4", "video", ".mp4"),
    (b"\x00\x00\x00\x14ftypqt  \x00", "video/quicktime", "video", ".mov"),
    (b"\x1aE\xdf\xa3\x9f", "video/webm", "video", ".webm"),
    (zipped("[Content_Types].xml", "word/document.xml"), f"{OFFICE}.wordprocessingml.document", "document", ".docx"),
    (zipped("[Content_Types].xml", "xl/workbook.xml"), f"{OFFICE}.spreadsheetml.sheet", "document", ".xlsx"),
    (zipped("mimetype", "a.txt"), "application/zip", "document", ".zip"),
    ("Grüße, 世界".encode(), "text/plain", "document", ".txt"),
    (b"<!DOCTYPE html><title>x</title>", "text/html", "document", ".html"),
]


@pytest.mark.parametrize(("data", "mime_type", "kind", "extension"), TYPES, ids=[f"{t[1]} {t[0][:4]!r}" for t in TYPES])
def test_a_file_is_what_its_bytes_say_whatever_it_is_called(
    data: bytes, mime_type: str, kind: str, extension: str
) -> None:
    file = Attachment.from_bytes(data)
    assert (file.mime_type, file.kind, file.file_name) == (mime_type, kind, f"{kind}{extension}")
    if not mime_type.startswith(("text/", "application/zip")):
        misnamed = Attachment.from_bytes(data, name="sky.bin", mime_type="application/x-wrong")
        assert (misnamed.mime_type, misnamed.kind) == (mime_type, kind)


@pytest.mark.parametrize(
    ("data", "declared", "name", "mime_type"),
    [
        (b"# Title", "", "notes.md", "text/markdown"),
        (b"a;b\n1;2", "text/csv; charset=utf-8", "", "text/csv"),
        (b'{"a": 1}', "", "a.json", "application/json"),
        (b"just words", "image/png", "words.png", "text/plain"),
        (zipped("a"), "", "a.docx", f"{OFFICE}.wordprocessingml.document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "", "old.xls", "application/vnd.ms-excel"),
        (b"\x1aE\xdf\xa3\x9f", "audio/webm;codecs=opus", "", "audio/webm"),
        (b"\x00\x00\x00\x20ftypisom", "audio/x-m4a", "", "audio/mp4"),
        (b"\x01\x02\x03", "audio/x-strange", "", "audio/x-strange"),
        (b"\x01\x02\x03", "", "a.amr", "audio/amr"),
        (b"\x01\x02\x03", "", "", "application/octet-stream"),
        (b"", "image/jpg", "", "image/jpeg"),
    ],
)
def test_where_bytes_say_little_the_declared_type_counts_and_then_the_name(
    data: bytes, declared: str, name: str, mime_type: str
) -> None:
    assert type_of(data, declared=declared, name=name) == mime_type


def test_a_character_cut_at_the_end_of_what_is_looked_at_is_still_text() -> None:
    text = "世" * 5000
    assert Attachment.from_bytes(text.encode()).mime_type == "text/plain"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 1000, SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1, 3 * SLICE_BYTES + 2])
def test_the_bytes_are_the_same_wherever_they_come_from(size: int, tmp_path: Path) -> None:
    data = bytes(range(1, 252)) * (size // 251 + 1)
    data = data[:size]
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    wrapped = encodebytes(data).decode()
    unpadded = urlsafe_b64encode(data).decode().rstrip("=")
    contents = [
        Octets(data),
        FileOnDisk(path),
        *map(Base64Text, (b64encode(data).decode(), wrapped, unpadded)),
        Attachment.from_url(f"data:application/x-a;name=a.bin;base64,{b64encode(data).decode()}").content,
    ]
    for content in contents:
        for _ in range(2):  # a request may be sent again
            assert (len(content), b"".join(content)) == (size, data)
        assert (len(AsBase64(content)), b"".join(AsBase64(content))) == (len(b64encode(data)), b64encode(data))


def test_a_file_of_this_machine_has_its_name_and_type(tmp_path: Path) -> None:
    path = tmp_path / "Häfen.png"
    path.write_bytes(PNG)

    for given in (path, str(path)):
        file = Attachment.from_path(given)
        assert (file.kind, file.file_name, file.media_type) == ("image", "Häfen.png", "image/png")
    assert Attachment.from_path(path, name="x", kind="custom").file_name == "x.png"


def test_a_name_on_disk_that_is_no_text_is_told_as_far_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "sky\udcff.png"
    try:
        path.write_bytes(PNG)
    except OSError:
        pytest.skip("this disk takes no such name")
    assert Attachment.from_path(path).file_name == "sky?.png"


def test_a_data_url_is_the_file_in_it() -> None:
    file = Attachment.from_url(f"data:image/jpeg;base64,{b64encode(PNG).decode()}")
    assert (file.kind, file.mime_type, b"".join(file.content), file.url) == ("image", "image/png", PNG, "")
    assert b"".join(Attachment.from_url("data:text/csv,a%3Bb").content) == b"a;b"


def test_an_address_tells_kind_and_name_by_its_path() -> None:
    file = Attachment.from_url("https://img.example.net/a/the%20sky.JPG?size=2#x")
    assert (file.kind, file.file_name, file.url[:8]) == ("image", "the sky.JPG", "https://")
    assert Attachment.from_url("https://h/download?id=5").kind == "document"
    assert Attachment.from_url("https://h/download", mime_type="audio/mpeg").kind == "audio"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Attachment.from_bytes(b""), "no empty file"),
        (lambda: Attachment.from_base64("no base64!"), "no base64"),
        (lambda: Attachment.from_base64("abcde"), "no base64"),
        (lambda: Attachment.from_url("data:image/png;base64,*"), "no base64"),
        (lambda: Attachment.from_url("file:///etc/hostname"), "begins with https"),
        (lambda: Attachment.from_url("sky.png"), "begins with https"),
        (lambda: Attachment.from_url("https://["), "the url names no server"),
        (lambda: Attachment.from_url("http:///sky.png"), "the url names no server"),
        (lambda: Attachment.from_path("x" * 5000), "there is no file"),
        (lambda: Attachment.from_path("sky\0.png"), "there is no file"),
        (lambda: Attachment.from_path("/nowhere/sky.png"), "no file '/nowhere/sky.png'"),
        (lambda: Attachment.from_path("/"), "no file '/'"),
        (lambda: Attachment.from_path(None), "path must be a path, not NoneType"),  # type: ignore[arg-type]
        (lambda: Attachment.from_bytes("text"), "data must be bytes, not str"),  # type: ignore[arg-type]
        (lambda: Attachment.from_base64(None), "base64 must be a string, not NoneType"),  # type: ignore[arg-type]
        (lambda: Attachment.from_url(None), "url must be a string, not NoneType"),  # type: ignore[arg-type]
        (lambda: Attachment.from_bytes(PNG, name="\udc80"), "name holds a character"),
        (lambda: Attachment("image", "https://x.example.com/\ud800.png"), "url holds a character"),
        (lambda: Attachment("image", "https://x.example.com/a.png", name="\udfff.png"), "name holds a character"),
        (lambda: Attachment.from_bytes(b"\0", mime_type="image/png\r\nX: 1"), "mime_type holds a character"),
        (lambda: Attachment("image", url="https://h", mime_type="image/é"), "mime_type holds a character"),
    ],
)
def test_what_is_no_file_is_refused_where_it_is_given(make: Any, why: str) -> None:
    with pytest.raises(BotUsageError, match=rf"^files: .*{why}.*\.$"):
        make()


def test_a_file_is_shown_without_its_bytes_and_survives_pickling(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("secret words")
    for file in (
        Attachment.from_path(path),
        Attachment.from_bytes(b"secret words"),
        Attachment.from_base64("c2VjcmV0"),
    ):
        assert "secret" not in repr(file)
        assert "c2Vjc" not in repr(file)
        assert list(pickle.loads(pickle.dumps(file)).content) == list(file.content)
