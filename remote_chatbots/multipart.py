"""Forms with files in them, as browsers send them. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

from remote_chatbots.contents import Content, Joined, Octets
from remote_chatbots.wire import HttpRequest


def multipart_request(
    url: str,
    headers: Mapping[str, str],
    fields: Mapping[str, str],
    content: Content,
    *,
    filename: str,
    mime_type: str,
) -> HttpRequest:
    """Return a POST of a form with one file, which the form names `file`. The file's bytes are not copied.

    Args:
        url: The absolute URL.
        headers: Headers beside the content type.
        fields: The form's other fields.
        content: The file's bytes.
        filename: The file's name.
        mime_type: The file's type.
    """
    boundary = secrets.token_hex(16)
    texts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{_quoted(filename)}"\r\n'
        f"Content-Type: {mime_type}\r\n\r\n"
    )
    begin = Octets("".join([*texts, head]).encode())
    body = Joined((begin, content, Octets(f"\r\n--{boundary}--\r\n".encode())))
    return HttpRequest("POST", url, {**headers, "Content-Type": f"multipart/form-data; boundary={boundary}"}, body)


def _quoted(name: str) -> str:
    """Return a name as it stands between quotes (WHATWG HTML, "Multipart form data"), without control characters."""
    return _NOT_BETWEEN_QUOTES.sub(lambda found: f"%{ord(found[0]):02X}", name)


_NOT_BETWEEN_QUOTES = re.compile(r'[\x00-\x1f\x7f"]')
