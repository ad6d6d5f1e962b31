"""What goes in: a question to a bot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from remote_chatbots.errors import BotUsageError

AttachmentKind = Literal["image", "document", "audio", "video", "custom"]
HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
ATTACHMENT_KINDS: tuple[str, ...] = ("image", "document", "audio", "video", "custom")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a question: one the server can fetch, one that was uploaded before, or its bytes.

    Attributes:
        kind: "image", "document", "audio", "video" or "custom".
        url: Where the server finds the file; or
        file_id: The id that the platform's upload call returned, to the same user; or
        data: The file's bytes. Not in `repr`.
        name: The file's name with its extension, which tells the type; "" if it is not known.
        width_px: An image's width in pixels; None if it is not known.
        height_px: An image's height in pixels; None if it is not known.

    Raises:
        BotUsageError: If the kind is unknown, or not exactly one of `url`, `file_id` and `data` is given.
    """

    kind: AttachmentKind
    url: str = ""
    file_id: str = ""
    data: bytes = field(default=b"", repr=False)
    name: str = ""
    width_px: int | None = None
    height_px: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in ATTACHMENT_KINDS:
            raise BotUsageError(f"files: kind must be one of {', '.join(ATTACHMENT_KINDS)}. Give one of these.")
        if sum(map(bool, (self.url, self.file_id, self.data))) != 1:
            raise BotUsageError("files: give exactly one of url, file_id and data.")


@dataclass(frozen=True, slots=True)
class Question:
    """One question to a bot.

    Attributes:
        text: What is asked. Not in `repr`.
        user: Your name for the person who asks; conversations belong to it.
        conversation_id: The server's id of the conversation to go on with; "" begins a new one.
        inputs: Values of the app's variables.
        files: Files that go with the question.
        stop: The answer ends before the first of these, and the server is told to stop.
        blocking: Ask for the platform's blocking form where it has one. Default: the stream, also for a whole
            answer, because gateways cut blocking calls after a minute or so.
        options: What the platform may be told beside (for Dify: `DifyOptions`); laid over the bot's own.
        coalesce: Join pieces of text that arrived together. Default on.
        instead: What is asked in its place where the server has forgotten the conversation: a question that begins a
            new one. Default none: that it has is an error.
        reasoning: Tell what the model says between `<think>` marks apart from its answer. Default on; off leaves
            the text untouched.

    Raises:
        BotUsageError: If a field is missing or of the wrong type. The message names it.
    """

    text: str = field(repr=False)
    user: str = ""
    conversation_id: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    files: Sequence[Attachment] = ()
    stop: Sequence[str] = ()
    blocking: bool = False
    coalesce: bool = True
    reasoning: bool = True
    instead: Question | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("text", "user", "conversation_id"):
            value = getattr(self, name)
            _check(isinstance(value, str), name, "a string", type(value))
            if HALF_A_CHARACTER.search(value):
                raise BotUsageError(f"{name} holds half a character (a lone surrogate). Give whole text.")
        if not self.text.replace("\0", "").strip() and not self.files:
            raise BotUsageError("The question is empty. Give a text of at least one character that is no space.")
        _check(isinstance(self.inputs, Mapping), "inputs", "a mapping of variable names to values", type(self.inputs))
        _check(isinstance(self.options, Mapping), "options", "a mapping of names to values", type(self.options))
        _check(
            isinstance(self.files, (list, tuple)) and all(isinstance(file, Attachment) for file in self.files),
            "files", "a list of Attachment", type(self.files),
        )  # fmt: skip
        _check(
            isinstance(self.stop, (list, tuple)) and all(isinstance(word, str) and word for word in self.stop),
            "stop", "a list of non-empty strings", type(self.stop),
        )  # fmt: skip


def _check(holds: bool, name: str, wanted: str, got: type) -> None:
    if not holds:
        but = "" if got in (list, tuple) else f", not {got.__name__}"
        raise BotUsageError(f"{name} must be {wanted}{but}. Give {wanted}.")
