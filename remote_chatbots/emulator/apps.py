"""The apps that the emulator serves: their names, their input forms, how they describe themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .refusals import invalid_param
from .variables import Remembered

Mode = Literal["chat", "agent-chat", "advanced-chat"]
Control = Literal["text-input", "paragraph", "select", "number", "file", "file-list"]

AUTHOR = "harbour-office"

# Both are of Dify's own provider "time", and share its icon.
_TOOLS = ("current_time", "timestamp_to_localtime")

_SPEAKS = {"enabled": True, "voice": "harbour", "language": "en-US", "autoPlay": "enabled"}
_IS_MUTE = {"enabled": False, "voice": "", "language": ""}

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class Variable:
    """One field of an app's input form.

    Attributes:
        max_length: Of text the most characters, of a list of files the most files.
        default: What stands in for a value that is not given.
        kinds: Which files a field takes that takes some.
    """

    name: str
    label: str
    control: Control
    required: bool = False
    max_length: int | None = None
    options: tuple[str, ...] = ()
    default: str = ""
    kinds: tuple[str, ...] = ()

    @property
    def takes_files(self) -> bool:
        """Whether its value is a file, or a list of them."""
        return self.control in ("file", "file-list")

    def checked(self, value: Any) -> Any:
        """Return the value if Dify takes it.

        Raises:
            Refusal: 400 in Dify's words (recorded: 1.14.2/err-input-not-a-string, err-input-not-an-option,
                err-input-too-long, err-required-input-missing-stream; of numbers nothing was recorded).
        """
        if value is None or (value in ("", []) and self.required):
            if self.required:
                raise invalid_param(f"{self.name} is required in input form")
            return self.default or None
        if self.takes_files:
            return value  # `FileStore.in_inputs` has looked at it
        if self.control == "number":
            return self._number(value)
        if not isinstance(value, str):
            raise invalid_param(f"(type '{self.control}') {self.name} in input form must be a string")
        if self.options and value not in self.options:
            raise invalid_param(f"{self.name} in input form must be one of the following: {list(self.options)}")
        if self.max_length is not None and len(value) > self.max_length:
            raise invalid_param(f"{self.name} in input form must be less than {self.max_length} characters")
        return value

    def _number(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return (float(value) if "." in value else int(value)) if value.strip() else None
        except ValueError:
            raise invalid_param(f"{self.name} in input form must be a valid number") from None


@dataclass(frozen=True, slots=True)
class FileSetup:
    """Which files an app takes.

    Attributes:
        kinds: The kinds.
        most: How many at once.
    """

    kinds: tuple[str, ...]
    most: int = 3

    def told(self) -> dict[str, Any]:
        """Return the `file_upload` of `GET /parameters` (recorded: chat-parameters-image of both ages)."""
        methods = ["remote_url", "local_file"]
        image = {"enabled": "image" in self.kinds, "number_limits": self.most, "detail": "low"}
        return {
            "image": {**image, "transfer_methods": methods},
            "enabled": True,
            "allowed_file_types": list(self.kinds),
            "allowed_file_extensions": [],
            "allowed_file_upload_methods": methods,
            "number_limits": self.most,
        }


@dataclass(frozen=True, slots=True)
class App:
    """One app: a name that is also its kind, the mode that Dify runs it in, and its input form.

    Attributes:
        suggests: Whether it suggests what to ask next.
        remembers: The conversation variables of a chatflow.
        hears: Whether it writes down what is said in a recording.
        speaks: Whether it speaks, on demand and its own answers by itself.
        asks_person: Whether its workflow asks a person before its model speaks, and searches nothing.
        files: Which files it takes; `None` for none.
    """

    name: str
    mode: Mode
    variables: tuple[Variable, ...]
    opening_statement: str = "Welcome to Saltmouth, {{guest}}!"
    suggests: bool = True
    remembers: tuple[Remembered, ...] = ()
    asks_person: bool = False
    hears: bool = False
    speaks: bool = False
    files: FileSetup | None = None

    @property
    def is_chatflow(self) -> bool:
        """Whether a workflow answers; Dify runs those in a worker, apart from the request."""
        return self.mode == "advanced-chat"

    def checked_inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return a value for every variable of the form, `None` where none is given; others are dropped.

        Raises:
            Refusal: 400 if a value does not fit.
        """
        return {variable.name: variable.checked(inputs.get(variable.name)) for variable in self.variables}

    def introduction(self, inputs: Mapping[str, Any]) -> str:
        """Return the opening statement with the variables filled in."""
        return _PLACEHOLDER.sub(lambda match: inputs.get(match[1]) or "", self.opening_statement)

    def info(self) -> dict[str, Any]:
        """Return the body of `GET /info`."""
        return {
            "name": self.name,
            "description": "Answers questions of visitors to Saltmouth",
            "tags": [],
            "mode": self.mode,
            "author_name": AUTHOR,
        }

    def parameters(self) -> dict[str, Any]:
        """Return the body of `GET /parameters` (recorded: 1.14.2/chat-parameters, chatflow-parameters)."""
        return {
            "opening_statement": self.opening_statement,
            "suggested_questions": ["When does the ferry leave?", "博物馆几点开门？"],
            "suggested_questions_after_answer": {"enabled": self.suggests},
            "speech_to_text": {"enabled": self.hears},
            "text_to_speech": _SPEAKS if self.speaks else _IS_MUTE,
            "retriever_resource": {"enabled": True},
            "annotation_reply": {"enabled": False},
            "more_like_this": {"enabled": False},
            "user_input_form": [self._form_field(variable) for variable in self.variables],
            "sensitive_word_avoidance": self._moderation(),
            "file_upload": self.files.told() if self.files else {"image": {"enabled": False}},
            "system_parameters": {
                "image_file_size_limit": 10,
                "video_file_size_limit": 100,
                "audio_file_size_limit": 50,
                "file_size_limit": 15,
                "workflow_file_upload_limit": 10,
            },
        }

    def meta(self, server: str) -> dict[str, Any]:
        """Return the body of `GET /meta` (recorded: agent-meta, chat-meta).

        Args:
            server: Where the server is: "http://127.0.0.1:…".
        """
        icon = f"{server}/console/api/workspaces/current/tool-provider/builtin/time/icon"
        return {"tool_icons": dict.fromkeys(_TOOLS, icon) if self.mode == "agent-chat" else {}}

    def site(self) -> dict[str, Any]:
        """Return the body of `GET /site` (recorded: 1.14.2/site)."""
        return {
            "title": self.name,
            "chat_color_theme": None,
            "chat_color_theme_inverted": False,
            "icon_type": "emoji",
            "icon": "⚓",
            "icon_background": "#FFEAD5",
            "description": None,
            "copyright": None,
            "privacy_policy": None,
            "custom_disclaimer": "",
            "default_language": "en-US",
            "show_workflow_steps": True,
            "use_icon_as_answer_icon": False,
            "icon_url": None,
        }

    def _moderation(self) -> dict[str, Any]:
        if self.is_chatflow:
            return {"enabled": False}
        return {"enabled": False, "type": "", "configs": []}

    def _form_field(self, variable: Variable) -> dict[str, Any]:
        field = self._workflow_field(variable) if self.is_chatflow else self._plain_field(variable)
        return {variable.control: field}

    def _workflow_field(self, variable: Variable) -> dict[str, Any]:
        field: dict[str, Any] = {
            "variable": variable.name,
            "label": variable.label,
            "type": variable.control,
            "required": variable.required,
        }
        if variable.max_length is not None:
            field["max_length"] = variable.max_length
        if variable.default:
            field["default"] = variable.default
        if variable.takes_files:
            field |= {
                "allowed_file_types": list(variable.kinds),
                "allowed_file_extensions": [],
                "allowed_file_upload_methods": ["local_file", "remote_url"],
            }
        return {**field, "options": list(variable.options)}

    def _plain_field(self, variable: Variable) -> dict[str, Any]:
        field: dict[str, Any] = {
            "label": variable.label,
            "variable": variable.name,
            "required": variable.required,
        }
        if variable.max_length is not None:
            field["max_length"] = variable.max_length
        if variable.options:
            field["options"] = list(variable.options)
        return {**field, "default": variable.default}


_OPTIONAL = (
    Variable("guest", "Your name", "text-input", max_length=48),
    Variable("notes", "Notes", "paragraph"),
)
_REQUIRED = (
    Variable("city", "City", "text-input", required=True, max_length=8),
    Variable("tone", "Tone", "select", options=("brief", "full")),
)
_BOOKING = (
    Variable("guest", "Your name", "text-input", required=True, max_length=48),
    Variable("party", "How many you are", "number", required=True),
    Variable("room", "Room", "select", options=("single", "double"), default="double"),
    Variable("notes", "Notes", "paragraph"),
)
_REPORT = (
    Variable("report", "The report", "file", required=True, kinds=("document",)),
    Variable("pictures", "Pictures", "file-list", max_length=2, kinds=("image",)),
    Variable("notes", "Notes", "paragraph"),
)

_REMEMBERED = (
    Remembered("language", "string", "en", "The language that the visitor speaks"),
    Remembered("party", "number", 1, "How many visitors there are"),
    Remembered("stops", "array[string]", [], "What they want to see"),
    Remembered("consent", "boolean", False),
    Remembered("booking", "object", {}),
)

APPS: tuple[App, ...] = (
    App("chat", "chat", _OPTIONAL),
    App("agent-chat", "agent-chat", _OPTIONAL),
    App("advanced-chat", "advanced-chat", _OPTIONAL, remembers=_REMEMBERED),
    App("chat-required", "chat", _REQUIRED, "Which of the sights of {{city}} shall I tell you about?", suggests=False),
    App("advanced-chat-required", "advanced-chat", _REQUIRED, "Ask me about {{city}}.", suggests=False),
    App("advanced-chat-booking", "advanced-chat", _BOOKING, "Whom shall I book a room for?", suggests=False),
    App("advanced-chat-report", "advanced-chat", _REPORT, "What do you want to know of the report?", suggests=False),
    App("advanced-chat-form", "advanced-chat", _OPTIONAL, asks_person=True),
    App("chat-speech", "chat", _OPTIONAL, hears=True, speaks=True),
    App("chat-image", "chat", _OPTIONAL, files=FileSetup(("image",))),
    App("agent-chat-image", "agent-chat", _OPTIONAL, files=FileSetup(("image",))),
    App("advanced-chat-files", "advanced-chat", _OPTIONAL, files=FileSetup(("image", "document", "audio", "video"))),
)
