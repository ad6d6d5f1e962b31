"""What a bot says of itself: who it is, what it asks a caller for, what it takes, what is switched on.

A switch that the server does not tell of is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class AppInfo:
    """Who a bot is.

    Attributes:
        name: Its name.
        description: What it is for; "" if nobody said.
        tags: Its labels.
        kind: The server's word for what it is: for Dify "chat", "agent-chat", "advanced-chat", …; for GPTBots
            "QuestionAnswer" or "Flow"; "" if the server does not say (Dify before 1.0).
        author: Who made it; "" if the server does not say.
        raw: The server's record, as sent.
    """

    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    kind: str = ""
    author: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class FileRules:
    """Which files a bot takes with a question, or as the value of one of its inputs.

    Attributes:
        enabled: Whether it takes any.
        number_limit: No more than so many at once; None if the server does not say.
        kinds: The kinds that it takes ("image", "document", "audio", "video", "custom"); () if it names none.
        extensions: Which extensions a "custom" file may have: lower case, with the dot.
        transfer_methods: How they may come: "remote_url", "local_file"; () if it names none.
        max_bytes: For each kind the largest file, in bytes; a kind that the server does not tell of is not in it.
    """

    enabled: bool | None = None
    number_limit: int | None = None
    kinds: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    transfer_methods: tuple[str, ...] = ()
    max_bytes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InputField:
    """One field of a bot's input form: a variable that `inputs` may, or must, hold.

    Attributes:
        name: The key in `inputs`.
        label: What a person sees; the name if there is nothing else.
        kind: "text", "paragraph", "select", "number", "checkbox", "file", "file-list", "object"; else the server's
            own word.
        required: Whether `inputs` must hold it.
        options: What it may be, of a "select".
        max_length: Of text: no more than so many characters; None for no limit.
        default: What it is where it is not given; None if nothing.
        description: A hint for who fills it in; "" if there is none.
        files: Of "file" and "file-list": which files it takes; else None.
        raw: The server's record, as sent.
    """

    name: str
    label: str = ""
    kind: str = "text"
    required: bool = False
    options: tuple[str, ...] = ()
    max_length: int | None = None
    default: Any = None
    description: str = ""
    files: FileRules | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class AppParameters:
    """How a bot is set up, as far as its callers are concerned.

    Attributes:
        opening_statement: What it says first; "" if nothing. It may hold `{{variables}}`.
        suggested_questions: What a user may begin with.
        input_form: Its variables, in its order.
        files: Which files go with a question.
        citations: Whether answers name their sources.
        suggestions: Whether it suggests questions after an answer.
        speech_to_text: Whether it understands speech.
        text_to_speech: Whether it speaks.
        speaks_by_itself: Whether it speaks without being asked to.
        voice: The voice that it speaks with; "" for its own choice.
        language: The language that it speaks; "" if the server does not say.
        annotation_reply: Whether answers that were written by hand stand in for the model's.
        moderation: Whether questions or answers are moderated.
        max_question_tokens: No longer question is taken, in tokens; None if the server does not say.
        raw: The server's record, as sent.
    """

    opening_statement: str = ""
    suggested_questions: tuple[str, ...] = ()
    input_form: tuple[InputField, ...] = ()
    files: FileRules = field(default_factory=FileRules)
    citations: bool | None = None
    suggestions: bool | None = None
    speech_to_text: bool | None = None
    text_to_speech: bool | None = None
    speaks_by_itself: bool | None = None
    voice: str = ""
    language: str = ""
    annotation_reply: bool | None = None
    moderation: bool | None = None
    max_question_tokens: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class AppMeta:
    """What belongs to a bot's tools.

    Attributes:
        tool_icons: For each tool the address of its icon, or an emoji with its background.
        raw: The server's record, as sent.
    """

    tool_icons: Mapping[str, str | Mapping[str, Any]] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class AppSite:
    """How a bot's own web page looks.

    Attributes:
        title: Its title.
        description: What stands below it; "" if nothing.
        icon: An emoji, or what the server calls the picture.
        icon_url: Where the picture is; "" if there is none.
        icon_background: The colour behind it, "#rrggbb"; "" if none.
        language: The page's language, e.g. "en-US".
        copyright: Whose it is; "" if nobody said.
        privacy_policy: Where that stands; "" if nowhere.
        disclaimer: The page's own words of caution; "" if none.
        shows_steps: Whether it shows the steps of a workflow.
        raw: The server's record, as sent.
    """

    title: str
    description: str = ""
    icon: str = ""
    icon_url: str = ""
    icon_background: str = ""
    language: str = ""
    copyright: str = ""
    privacy_policy: str = ""
    disclaimer: str = ""
    shows_steps: bool | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
