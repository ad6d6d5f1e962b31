"""What goes in: a question to a bot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import remote_chatbots
from remote_chatbots.errors import BotUsageError
from remote_chatbots.values import Value

if TYPE_CHECKING:
    from remote_chatbots.attachments import Attachment

HOW_FILES_ARE_GIVEN = "Give remote_chatbots.Attachment.from_path(…) for each file, or from_bytes, or from_url."
MAPPINGS = (dict, Mapping)  # to ask for the first costs next to nothing, for the second as much as to make a question


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Question(Value):
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
            new one, or a function that makes it when it is needed. Default none: that it has is an error.
        on_break: What becomes of a turn that breaks off, its fate unknown: "error", or "recover": go on with the answer
            where the server keeps it (a Dify 1.14 chatflow, GPTBots), else raise the error all the same.
        reasoning: Tell what the model says between `<think>` marks apart from its answer. Default on; off leaves
            the text untouched.
        steps: Tell what the bot does on its way: nodes, tool calls, logs. Default on; off leaves all of it out.

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
    steps: bool = True
    instead: Question | Callable[[], Question] | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    on_break: Literal["error", "recover"] = "error"

    def __post_init__(self) -> None:
        if self.on_break not in ("error", "recover"):
            raise BotUsageError('on_break must be "error" or "recover". Give one of these.')
        for name, value in (("text", self.text), ("user", self.user), ("conversation_id", self.conversation_id)):
            if not isinstance(value, str):
                raise not_wanted(name, "a string", type(value))
            if half_a_character_in(value):
                raise BotUsageError(f"{name} holds half a character (a lone surrogate). Give whole text.")
        if not self.text.replace("\0", "").strip() and not self.files:
            raise BotUsageError("The question is empty. Give a text of at least one character that is no space.")
        if not isinstance(self.inputs, MAPPINGS):
            raise not_wanted("inputs", "a mapping of variable names to values", type(self.inputs))
        if not isinstance(self.options, MAPPINGS):
            raise not_wanted("options", "a mapping of names to values", type(self.options))
        if not _is_list(self.files) or not all(isinstance(file, remote_chatbots.Attachment) for file in self.files):
            raise not_wanted("files", "a list of Attachment", type(self.files), HOW_FILES_ARE_GIVEN)
        if not _is_list(self.stop) or not all(isinstance(word, str) and word for word in self.stop):
            raise not_wanted("stop", "a list of non-empty strings", type(self.stop))


def _is_list(values: Any) -> bool:
    return isinstance(values, (list, tuple))


def half_a_character_in(text: str) -> bool:
    """Return whether a text holds a lone surrogate, which no encoding can send."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def check(holds: bool, name: str, wanted: str, got: type, cure: str = "") -> None:
    """Refuse a value that is not what is wanted.

    Raises:
        BotUsageError: With the name of the field, and what it got.
    """
    if not holds:
        raise not_wanted(name, wanted, got, cure)


def not_wanted(name: str, wanted: str, got: type, cure: str = "") -> BotUsageError:
    """Return the error of a value that is not what is wanted."""
    but = "" if got in (list, tuple) else f", not {got.__name__}"
    return BotUsageError(f"{name} must be {wanted}{but}. {cure or f'Give {wanted}.'}")
