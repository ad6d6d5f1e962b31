"""Forms with files: whatever a file is called, the form has the lines that it should have."""

from __future__ import annotations

import pytest

from remote_chatbots import Attachment, BotUsageError
from remote_chatbots.contents import Octets
from remote_chatbots.multipart import multipart_request


@pytest.mark.parametrize("name", ['a"; x="', "a\r\nX-Evil: 1", "a\nb", "a\x00b\x1b[31m\x7f", "\r\n\r\n--boundary--"])
def test_a_files_name_stays_between_its_quotes(name: str) -> None:
    request = multipart_request(
        "https://h/files/upload", {}, {"user": name}, Octets(b"text"), filename=name, mime_type="text/plain"
    )
    form = b"".join(bytes(part) for part in request.body)
    boundary = b"--" + request.headers["Content-Type"].partition("boundary=")[2].encode()
    parts = form.split(boundary)
    assert len(parts) == 4
    field, file = parts[1:3]
    assert field.partition(b"\r\n\r\n")[2] == name.encode() + b"\r\n"
    head, _, content = file.strip(b"\r\n").partition(b"\r\n\r\n")
    disposition, kind = head.split(b"\r\n")
    assert disposition.count(b'"') == 4
    assert all(32 <= byte < 127 for byte in disposition)
    assert (kind, content) == (b"Content-Type: text/plain", b"text")


@pytest.mark.parametrize("mime_type", ["text/plain\r\nX-Evil: 1", "text/\x00plain", "a\nb", 'image/png; a="\x7f"'])
def test_a_type_with_a_control_character_is_refused_where_it_is_given(mime_type: str) -> None:
    with pytest.raises(BotUsageError, match="mime_type"):
        Attachment("document", data=b"text", mime_type=mime_type)
    with pytest.raises(BotUsageError, match="mime_type"):
        Attachment("document", url="https://h/a.txt", mime_type=mime_type)
