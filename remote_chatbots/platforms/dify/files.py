"""How the files of a question reach a Dify app: checked against its rules, uploaded as the user who asks, referred to.

Sources: Dify API reference, "Upload file", "Preview file" and "Send chat message"; the recordings upload-*,
err-upload-*, err-files-* and file-preview* of 0.15.3 and 1.14.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from posixpath import splitext
from typing import Any

from remote_chatbots.arguments import refusals_of
from remote_chatbots.attachments import Attachment, AttachmentKind
from remote_chatbots.described import AppParameters, FileRules
from remote_chatbots.errors import BotRejectedError, BotUsageError
from remote_chatbots.flow import Flow, open_reply, read_body
from remote_chatbots.learned import Learned
from remote_chatbots.multipart import multipart_request
from remote_chatbots.platforms.dify import discovery
from remote_chatbots.platforms.dify.calls import Calls, path_part
from remote_chatbots.platforms.dify.errors import NAME, UNKNOWN_UPLOAD, not_allowed
from remote_chatbots.question import Question
from remote_chatbots.reading import text
from remote_chatbots.uploads import Uploads

# What a server calls a document; any other file is "custom" (Dify API reference, "Send chat message", files).
DOCUMENTS = frozenset(
    ".txt .markdown .md .mdx .pdf .html .htm .xlsx .xls .docx .csv .vtt .properties"
    " .doc .eml .msg .pptx .ppt .xml .epub".split()
)


@dataclass(frozen=True, slots=True)
class Files(Calls):
    """The files of one app.

    Attributes:
        uploads: Which files its server has already.
        learned: What it said of its rules.
    """

    uploads: Uploads
    learned: Learned

    def upload(self, file: Attachment, user: str) -> Flow[Attachment]:
        """Upload a file; return it as one that goes with questions of that user.

        Raises:
            BotUsageError: If it has no bytes here.
            BotRejectedError: If it is too large, or of a type that the server does not take.
        """
        if not file.data:
            raise _refused("only bytes can be uploaded. Give a file that has them: Attachment.from_path(…).")
        request = multipart_request(
            f"{self.base_url}/files/upload",
            self.headers,
            {"user": user},
            file.content,
            filename=file.file_name,
            mime_type=file.media_type,
        )
        told = yield from self._call(request)
        id_ = text(told.get("id"))
        if not id_:
            raise not_allowed("the reply to an upload names no id", str(told).encode(), self.hidden)
        return Attachment(_kind(file), file_id=id_, name=file.file_name, mime_type=file.media_type)

    def download(self, file_id: str, user: str, most_bytes: int) -> Flow[bytes]:
        """Return the bytes of a file that some message refers to.

        Raises:
            BotNotFoundError: If no message does (recorded: file-preview-unused-upload).
            BotProtocolError: If it is larger than `most_bytes`.
        """
        request = self.reading(f"/files/{path_part(file_id)}/preview", {"user": user})
        yield from open_reply(request, error_of=self._error_of, policy=self._policy())
        return (yield from read_body(most_bytes, NAME))

    def asked_with(
        self, question: Question, ask: Callable[[Question], Flow[str]], *, by_rules: bool = True
    ) -> Flow[str]:
        """Run `ask` with a question all of whose files the server has; those that it has not are uploaded first.

        An id that was kept, and that the server does not know any more, it refuses before anything is asked (recorded:
        err-files-unknown-upload-stream): then the files are uploaded again, and asked with, once.

        Args:
            question: The question.
            ask: Asks it.
            by_rules: Whether `/parameters` tells the rules for its files: those of the newest version of the app.

        Raises:
            BotUsageError: If the app does not take a file. Nothing was asked.
            BotError: If an upload fails: nothing was asked; or what `ask` raises.
        """
        if by_rules:
            question = yield from self.as_taken(question)
        uploads = yield from self._uploaded(question)
        try:
            return (yield from ask(_referring(question, uploads)))
        except BotRejectedError as error:
            if not uploads or UNKNOWN_UPLOAD not in error.message:
                raise
        for key, _ in uploads:
            self.uploads.forget(key)
        uploads = yield from self._uploaded(question)
        return (yield from ask(_referring(question, uploads)))

    def in_form(self, inputs: Mapping[str, Any], user: str) -> Flow[Mapping[str, Any]]:
        """Return what fills in a form that a run waits for, files as the server wants them; bytes are uploaded.

        Raises:
            BotError: If an upload fails.
        """
        filled = Question("-", user=user, inputs=inputs)
        uploads = yield from self._uploaded(filled)
        return _referring(filled, uploads).inputs

    def _uploaded(self, question: Question) -> Flow[list[tuple[str, str]]]:
        """Return keys and ids of the question's files whose bytes are here, in its order."""
        found = []
        for file in files_in(question):
            if file.data:
                upload = partial(self._upload_id, file, question.user)
                with refusals_of(NAME):
                    found.append((yield from self.uploads.id_of(file, question.user, upload)))
        return found

    def _upload_id(self, file: Attachment, user: str) -> Flow[str]:
        return (yield from self.upload(file, user)).file_id

    def as_taken(self, question: Question) -> Flow[Question]:
        """Return the question, each file as a kind that the app takes.

        The app's rules are asked for once: of what they do not take, the server leaves out much in silence (recorded:
        chat-block-files-when-off). What was learnt of them may be of yesterday: they are asked for again before a file
        is refused.

        Raises:
            BotUsageError: If the app does not take a file.
        """
        refused = None
        if self.learned.parameters is not None:
            try:
                return _checked(question, self.learned.parameters)
            except BotUsageError as error:
                refused = error
        known = yield from discovery.rules(self, self.learned, question.user)
        if known is not None:
            return _checked(question, known)
        if refused is not None:
            raise refused
        return question  # the server decides


def reference(file: Attachment) -> dict[str, str]:
    """Return a file that the server has, or can fetch, as a message refers to it."""
    kind = _kind(file)
    if file.url:
        return {"type": kind, "transfer_method": "remote_url", "url": file.url}
    return {"type": kind, "transfer_method": "local_file", "upload_file_id": file.file_id}


def files_in(question: Question) -> Sequence[Attachment]:
    """Return a question's files: the values of its inputs, then those that go with it, as `_changed` meets them."""
    if not question.inputs and not question.files:
        return ()
    return _files_of([*question.inputs.values(), question.files])


def _files_of(value: Any) -> list[Attachment]:
    if isinstance(value, Attachment):
        return [value]
    return [file for one in value for file in _files_of(one)] if isinstance(value, (list, tuple)) else []


def _changed(question: Question, change: Callable[[str, Attachment], Any]) -> Question:
    """Return the question with each file changed; `change` is told of which input it is the value, "" if of none."""

    def changed(name: str, value: Any) -> Any:
        if isinstance(value, Attachment):
            return change(name, value)
        return [changed(name, one) for one in value] if isinstance(value, (list, tuple)) else value

    inputs = {name: changed(name, value) for name, value in question.inputs.items()}
    return replace(question, files=changed("", question.files), inputs=inputs)


def _referring(question: Question, uploads: list[tuple[str, str]]) -> Question:
    """Return the question with ids in the place of bytes; in its inputs files stand as the server wants them."""
    ids = iter([id_ for _, id_ in uploads])

    def referring(name: str, file: Attachment) -> Any:
        known = replace(file, data=b"", file_id=next(ids)) if file.data else file
        return reference(known) if name else known

    return _changed(question, referring)


def _checked(question: Question, known: AppParameters) -> Question:
    """Return the question, each file as a kind that the app takes.

    Raises:
        BotUsageError: If the app does not take a file.
    """
    rules = {"": known.files, **{one.name: one.files for one in known.input_form}}
    count: Counter[str] = Counter()

    def checked(name: str, file: Attachment) -> Attachment:
        rules_of_it = rules.get(name)
        if rules_of_it is None:
            raise _refused("the app has no variable of this name that is a file. Leave it out.", name)
        count[name] += 1
        kind = _taken_as(file, rules_of_it, name or "files", count[name])
        return replace(file, kind=kind)

    return _changed(question, checked)


def _taken_as(file: Attachment, rules: FileRules, name: str, place: int) -> AttachmentKind:
    """Return the kind by which `rules` take a file, the so-manieth of the field `name`.

    Raises:
        BotUsageError: If they do not.
    """
    kind, extension = _kind(file), splitext(file.file_name)[1].lower()
    method = "remote_url" if file.url else "local_file"
    if rules.enabled is False:
        # Recorded: chat-block-files-when-off.
        raise _refused("the app takes none, and would answer as if none were there. Switch file upload on in it.", name)
    if rules.number_limit is not None and place > rules.number_limit:
        raise _refused(f"the app takes at most {rules.number_limit} at once. Send fewer.", name)
    if rules.transfer_methods and method not in rules.transfer_methods:
        cure = "no addresses. Give the bytes" if file.url else "addresses alone. Give a url"
        raise _refused(f"the app takes {cure}.", name, place)
    if rules.kinds and kind not in rules.kinds and "custom" in rules.kinds and extension in rules.extensions:
        kind = "custom"
    if rules.kinds and kind not in rules.kinds:
        raise _refused(f"the app takes {', '.join(rules.kinds)}, and this is {kind}. Send another.", name, place)
    unknown = not (extension or file.data)  # an address or an id may tell none, and the server knows it all the same
    if kind == "custom" and rules.extensions and extension not in rules.extensions and not unknown:
        raise _refused(f"the app takes {', '.join(rules.extensions)}, and this is {extension or 'none'}.", name, place)
    most_bytes = rules.max_bytes.get(kind)
    if most_bytes is not None and len(file.content) > most_bytes:
        told = (
            f"this {kind} has {len(file.content)} bytes, and the server takes at most {most_bytes}. Send a smaller one."
        )
        raise _refused(told, name, place)
    return kind


def _kind(file: Attachment) -> AttachmentKind:
    """Return the kind as the server sees it, which is by the extension."""
    extension = splitext(file.file_name)[1].lower()
    return "custom" if file.kind == "document" and extension and extension not in DOCUMENTS else file.kind


def _refused(why: str, name: str = "files", place: int | None = None) -> BotUsageError:
    field = name if place is None else f"{name}[{place - 1}]"
    return BotUsageError.of(NAME, f"{field}: {why}")
