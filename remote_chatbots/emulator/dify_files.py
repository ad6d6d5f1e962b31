"""The files of Dify's side: what was uploaded, what goes with a question, what an app made. No I/O."""

from __future__ import annotations

import hashlib
import uuid
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlencode

from .apps import App, Variable
from .ids import Ids
from .refusals import Refusal, invalid_param

Method = Literal["local_file", "remote_url", "tool_file"]

MIB = 1024 * 1024
_EXTENSIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "image": frozenset("jpg jpeg png webp gif svg".split()),
        "video": frozenset("mp4 mov mpeg webm".split()),
        "audio": frozenset("mp3 m4a wav amr mpga".split()),
        "document": frozenset("txt markdown md mdx pdf html htm xlsx xls docx csv vtt properties".split()),
    }
)
_MOST_MIB = {"image": 10, "video": 100, "audio": 50}
# What an app draws: 8 by 8 pixels.
PICTURE = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAcklEQVR42g3JoQEEIQwAsJ/khmAIhqhGV6Or0dXRTPnE5veFEWaIkKFChxt+3zKWucSS"
    "Syy93PUijTRTpEyVOt18sY1tbrHlVltvd78oo8wSJUuVLrdeHOOYRxx51NHHPS/aaLNFy1at2+0XDCZBUjSXP/X1YEFslsPPAAAAAElFTkSuQmCC"
)


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file that the server has."""

    id: str
    name: str
    mime_type: str
    content: bytes
    end_user_id: str
    created_at: int

    @property
    def extension(self) -> str:
        """The end of the name in lower case, without the dot."""
        return PurePosixPath(self.name).suffix.lower().removeprefix(".")


@dataclass(frozen=True, slots=True)
class Attached:
    """A file of a message.

    Attributes:
        id: The id of its belonging to the message.
        kind: "image", "document", …
        method: How it came.
        url: Where it is; the server's own addresses are signed.
        file: It itself, if the server has it.
        by_user: Whether it came with the question.
    """

    id: str
    kind: str
    method: Method
    url: str
    file: HeldFile | None
    by_user: bool

    @property
    def name(self) -> str:
        """Its name."""
        return self.file.name if self.file else PurePosixPath(self.url.partition("?")[0]).name

    def stored(self) -> dict[str, Any]:
        """Return it as an item of a stored message's `message_files` (Dify API reference, "Get history")."""
        told = self._told()
        return {
            "id": self.id,
            "filename": self.name,
            "type": self.kind,
            "url": self.url,
            "mime_type": told["mime_type"],
            "size": told["size"],
            "transfer_method": self.method,
            "belongs_to": "user" if self.by_user else "assistant",
            "upload_file_id": self.file.id if self.file and self.by_user else None,
        }

    def at_the_end(self) -> dict[str, Any]:
        """Return it as a `message_end` of a chat or agent app tells it (recorded: 1.14.2/agent-stream-with-image)."""
        told = self._told()
        return {
            "related_id": self.id,
            **{key: told[key] for key in ("extension", "filename", "size", "mime_type")},
            "transfer_method": self.method,
            "type": self.kind,
            "url": self.url,
            "upload_file_id": self.file.id if self.file else "",
            "remote_url": self.url if self.method == "remote_url" else "",
        }

    def in_a_run(self) -> dict[str, Any]:
        """Return it as a value of a workflow's run (recorded: 1.14.2/chatflow-stream-with-document)."""
        return {
            "dify_model_identity": "__dify__file__",
            "id": None,
            "type": self.kind,
            "transfer_method": self.method,
            "remote_url": self.url if self.method == "remote_url" else "",
            "reference": f"dify-file-ref:{self.file.id}" if self.file else None,
            **self._told(),
            "related_id": self.file.id if self.file else None,
            "url": self.url,
        }

    def _told(self) -> dict[str, Any]:
        extension = PurePosixPath(self.name).suffix
        file = self.file
        return {
            "filename": self.name,
            "extension": extension,
            "mime_type": file.mime_type if file else "",
            "size": len(file.content) if file else 0,
        }


@dataclass(frozen=True, slots=True)
class FileForms:
    """What the ages tell differently.

    Attributes:
        no_file: The code and the message where an upload has no file in it.
        too_large: The message where it is too large.
        no_method: The message where a transfer method is none, with a place for it.
        tells_all: Whether an upload's record has all the newer keys.
        apart: Whether a user can ask with their own uploads only.
    """

    no_file: tuple[str, str] = ("no_file_uploaded", "Please upload your file.")
    too_large: str = ""
    no_method: str = "'{}' is not a valid FileTransferMethod"
    tells_all: bool = True
    apart: bool = True


# recorded: 1.14.2/err-upload-no-file, err-files-bad-transfer-method, chat-block-other-users-upload
FORMS_1_14 = FileForms()
# recorded: 0.15.3/err-upload-no-file, err-files-bad-transfer-method, chat-block-other-users-upload, upload-image
FORMS_0_15 = FileForms(
    no_file=(
        "bad_request_key_error",
        "The browser (or proxy) sent a request that this server could not understand.",
    ),
    too_large="File size exceeded. {message}",
    no_method="No matching enum found for value '{}'",
    tells_all=False,
    apart=False,
)


class FileStore:
    """All files of one server.

    Attributes:
        origin: Where the server is, for the addresses of its files.
        forms: How it tells of them.
    """

    def __init__(self, ids: Ids, forms: FileForms = FORMS_1_14) -> None:
        self.origin = ""
        self.forms = forms
        self._ids = ids
        self._held: dict[str, HeldFile] = {}
        self._lost = 0

    def keep(self, name: str, mime_type: str, content: bytes, end_user_id: str, created_at: int) -> HeldFile:
        """Keep a file under an id of its own.

        Raises:
            Refusal: 413 if it is too large for its kind.
        """
        kind = _kind_named(name)
        if len(content) > _MOST_MIB.get(kind, 15) * MIB:
            raise Refusal(413, "file_too_large", self.forms.too_large)
        before = self._lost + sum(file.end_user_id == end_user_id for file in self._held.values())
        id_ = self._ids.uuid("file", end_user_id, name, before)
        self._held[id_] = HeldFile(id_, name, mime_type, content, end_user_id, created_at)
        return self._held[id_]

    def forget_all(self) -> None:
        """Lose all files; none that comes later has the id of one of them."""
        self._lost += len(self._held)
        self._held.clear()

    def held(self, id_: str) -> HeldFile | None:
        """Return a file, `None` if there is none."""
        return self._held.get(id_)

    def record_of(self, file: HeldFile) -> dict[str, Any]:
        """Return the body that answers an upload (recorded: upload-image of both ages)."""
        told: dict[str, Any] = {
            "id": file.id,
            "name": file.name,
            "size": len(file.content),
            "extension": file.extension,
            "mime_type": file.mime_type,
            "created_by": file.end_user_id,
            "created_at": file.created_at,
        }
        if not self.forms.tells_all:
            return told
        return {
            **told,
            "preview_url": None,
            "source_url": self.address_of(file),
            "original_url": None,
            "user_id": None,
            "tenant_id": self._ids.uuid("workspace"),
            "conversation_id": None,
            "file_key": None,
        }

    def attached(self, app: App, end_user_id: str, told: Sequence[Any]) -> list[Attached]:
        """Return the files that go with a question, without ids; an app that takes none does not look at them.

        recorded: chat-block-files-when-off, err-files-bad-transfer-method, err-files-not-uuid,
        err-files-unknown-upload-stream, chat-block-other-users-upload

        Raises:
            Refusal: 400 if one of them is none, or the app does not take it.
        """
        if app.files is None:
            return []
        found = [self._attached(end_user_id, item) for item in told]
        files = [one for one in found if one is not None]
        for file in files:
            if file.kind not in app.files.kinds:
                raise invalid_param(f"File validation failed for file: {file.name}")
        if len(files) > app.files.most:
            raise invalid_param(f"Number of files exceeds the maximum limit {app.files.most}")
        return files

    def in_inputs(self, app: App, end_user_id: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return a question's inputs, files among them as a workflow's run tells them.

        The refusals are written from the source of Dify's `_validate_inputs`; nothing of them was recorded.

        Raises:
            Refusal: 400 if a file is none, or its variable does not take it.
        """
        return dict(inputs) | {
            one.name: self._of_variable(one, end_user_id, inputs[one.name])
            for one in app.variables
            if one.takes_files and inputs.get(one.name) is not None
        }

    def drawn(self, end_user_id: str, message_id: str, created_at: int) -> Attached:
        """Return a picture that an app has made for an answer."""
        file = self.keep("drawing.png", "image/png", PICTURE, end_user_id, created_at)
        id_ = self._ids.uuid(message_id, "drawing")
        return Attached(id_, "image", "tool_file", self.address_of(file, made=True), file, by_user=False)

    def address_of(self, file: HeldFile, *, made: bool = False) -> str:
        """Return the signed address of a file."""
        path = f"tools/{file.id}.{file.extension}" if made else f"{file.id}/file-preview"
        nonce = self._digest("nonce", file.id)[:32]
        query = {"timestamp": file.created_at, "nonce": nonce, "sign": self._signature(file.id, file.created_at, nonce)}
        return f"{self.origin}/files/{path}?{urlencode(query)}"

    def opened(self, id_: str, query: Mapping[str, str]) -> HeldFile | None:
        """Return the file that a signed address opens, `None` if it opens none."""
        known = self._signature(id_, query.get("timestamp", ""), query.get("nonce", ""))
        return self.held(id_) if query.get("sign") == known else None

    def _attached(self, end_user_id: str, item: Any) -> Attached | None:
        told = item if isinstance(item, dict) else {}
        method, kind = told.get("transfer_method"), str(told.get("type") or "custom")
        if method == "local_file":
            file = self._uploaded(told.get("upload_file_id"), end_user_id)
            return Attached("", kind, "local_file", self.address_of(file), file, by_user=True)
        if method == "remote_url":
            url = told.get("url") or told.get("remote_url")
            return Attached("", kind, "remote_url", str(url), None, by_user=True) if url else None
        if method is None:
            return None
        raise invalid_param(self.forms.no_method.format(method))

    def _of_variable(self, variable: Variable, end_user_id: str, value: Any) -> Any:
        several = variable.control == "file-list"
        items = value if several else [value]
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            what = "a list of files" if several else "a file"
            raise invalid_param(f"{variable.name} in input form must be {what}")
        if variable.max_length is not None and len(items) > variable.max_length:
            raise invalid_param(f"{variable.name} in input form must be less than {variable.max_length} files")
        told = []
        for file in filter(None, (self._attached(end_user_id, item) for item in items)):
            if file.kind not in variable.kinds:
                raise invalid_param(f"File validation failed for file: {file.name}")
            told.append(file.in_a_run())
        return told if several else told[0] if told else None

    def _uploaded(self, id_: Any, end_user_id: str) -> HeldFile:
        try:
            uuid.UUID(str(id_))
        except ValueError:
            raise invalid_param("Invalid upload file id format") from None
        file = self.held(str(id_))
        if file is None or (self.forms.apart and file.end_user_id != end_user_id):
            raise invalid_param("Invalid upload file")
        return file

    def _signature(self, id_: str, timestamp: int | str, nonce: str) -> str:
        return self._digest("sign", id_, str(timestamp), nonce)[:43]

    def _digest(self, *parts: str) -> str:
        return hashlib.sha256(repr((self._ids.seed, *parts)).encode()).hexdigest()


def _kind_named(name: str) -> str:
    extension = PurePosixPath(name).suffix.lower().removeprefix(".")
    return next((kind for kind, known in _EXTENSIONS.items() if extension in known), "custom")
