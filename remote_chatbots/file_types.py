"""What a file is, told by its first bytes, and where these say little, by its name.

A table of our own: the usual formats are known by a few bytes, a library for hundreds of others would bring a system
library or half a megabyte, and `mimetypes` alone believes whatever name a file has and reads the machine's settings.
"""

from __future__ import annotations

import mimetypes
import re
from posixpath import splitext

OCTETS = "application/octet-stream"
_OFFICE = "application/vnd.openxmlformats-officedocument"
# Types and their extensions, the usual one first.
_EXTENSIONS = {
    "image/png": ".png",
    "image/jpeg": ".jpg .jpeg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/tiff": ".tiff .tif",
    "image/heic": ".heic",
    "image/svg+xml": ".svg",
    "audio/mpeg": ".mp3 .mpga",
    "audio/wav": ".wav",
    "audio/mp4": ".m4a",
    "audio/aac": ".aac",
    "audio/amr": ".amr",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg .oga .opus",
    "audio/webm": ".weba",
    "video/mp4": ".mp4 .m4v",
    "video/quicktime": ".mov",
    "video/mpeg": ".mpeg .mpg",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/x-msvideo": ".avi",
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "application/gzip": ".gz",
    "application/json": ".json",
    "application/epub+zip": ".epub",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    f"{_OFFICE}.wordprocessingml.document": ".docx",
    f"{_OFFICE}.spreadsheetml.sheet": ".xlsx",
    f"{_OFFICE}.presentationml.presentation": ".pptx",
    "text/plain": ".txt .properties",
    "text/markdown": ".md .markdown .mdx",
    "text/html": ".html .htm",
    "text/csv": ".csv",
    "text/vtt": ".vtt",
    "text/xml": ".xml",
    "message/rfc822": ".eml",
}
_BY_EXTENSION = {extension: kind for kind, names in _EXTENSIONS.items() for extension in names.split()}
_SAME = {
    "image/jpg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/mpga": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/x-flac": "audio/flac",
    "application/xml": "text/xml",
}
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"#!AMR", "audio/amr"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"\0\0\1\xba", "video/mpeg"),
    (b"\0\0\1\xb3", "video/mpeg"),
    (b"PK\3\4", "application/zip"),
    (b"PK\5\6", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
)
_RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}
_BRANDS = {b"M4A ": "audio/mp4", b"M4B ": "audio/mp4", b"qt  ": "video/quicktime", b"heic": "image/heic"}
_INSIDE_ZIP = (
    (b"word/", f"{_OFFICE}.wordprocessingml.document"),
    (b"xl/", f"{_OFFICE}.spreadsheetml.sheet"),
    (b"ppt/", f"{_OFFICE}.presentationml.presentation"),
    (b"mimetypeapplication/epub+zip", "application/epub+zip"),
)
# What these bytes may be, more exactly, if somebody says so: containers, and text of any language.
_MAY_BE = {
    "": ("",),
    "text/plain": ("text/", "application/", "image/svg", "message/"),
    "text/html": ("text/", "application/xhtml"),
    "application/zip": ("application/",),
    "application/x-ole-storage": ("application/",),
    "video/mp4": ("video/", "audio/mp4"),
    "video/webm": ("video/", "audio/webm"),
    "audio/ogg": ("audio/", "video/ogg"),
}
_CONTROL = re.compile(rb"[\0-\x06\x0e-\x1a\x1c-\x1f]")


def type_of(head: bytes, *, declared: str = "", name: str = "") -> str:
    """Return a file's media type: what its first bytes say, then what it is declared to be, then what its name says.

    Args:
        head: Its first bytes, a few thousand; b"" if they are not known.
        declared: The media type that somebody gave it; "" if nobody did.
        name: Its name or path; "" if it has none.
    """
    found = _sniffed(head) if head else ""
    allowed = _MAY_BE.get(found)
    told = [_plain(declared), type_named(name)]
    if allowed is not None:
        found = next((one for one in told if one not in ("", OCTETS) and one.startswith(allowed)), found)
    return found or OCTETS


def type_named(name: str) -> str:
    """Return the media type that a name's extension stands for; "" if it stands for none."""
    extension = splitext(name)[1].lower()
    return _BY_EXTENSION.get(extension) or (mimetypes.guess_type(f"a{extension}")[0] if extension else "") or ""


def extension_of(mime_type: str) -> str:
    """Return the usual extension of a media type, with its dot; "" if it has none."""
    kind = _plain(mime_type)
    if kind == OCTETS:
        return ""
    return _EXTENSIONS.get(kind, "").partition(" ")[0] or mimetypes.guess_extension(kind) or ""


def _plain(mime_type: str) -> str:
    kind = mime_type.partition(";")[0].strip().lower()
    return _SAME.get(kind, kind)


def _sniffed(head: bytes) -> str:
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            inside = _INSIDE_ZIP if kind == "application/zip" else ()
            return next((exact for part, exact in inside if part in head), kind)
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # a frame of MPEG audio; layer 0 is AAC's
        return "audio/mpeg" if head[1] & 0x06 else "audio/aac"
    return _text_type(head)


def _text_type(head: bytes) -> str:
    # A character may be cut at the end of what is known of the file.
    for cut in range(min(4, len(head))):
        try:
            text = head[: len(head) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        if _CONTROL.search(head):
            return ""
        begin = text.lstrip()[:512].lower()
        if begin.startswith("<svg") or (begin.startswith("<?xml") and "<svg" in begin):
            return "image/svg+xml"
        return "text/html" if begin.startswith(("<!doctype html", "<html")) else "text/plain"
    return ""
