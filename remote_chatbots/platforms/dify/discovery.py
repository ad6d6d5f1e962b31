"""What a Dify app says of itself: `/info`, `/parameters`, `/meta`, `/site`.

Sources: Dify API reference, "Get application information"; the recordings that are named info, parameters, meta and
site of 0.15.3 and 1.14.2; the API document of spring 2023 for `introduction` and `variables`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remote_chatbots.described import AppInfo, AppMeta, AppParameters, AppSite, FileRules, InputField
from remote_chatbots.errors import BotError, BotUsageError
from remote_chatbots.flow import Aside, Flow
from remote_chatbots.framing import parse_json
from remote_chatbots.input_form import wrong_inputs
from remote_chatbots.learned import Learned
from remote_chatbots.platforms.dify.calls import Calls
from remote_chatbots.platforms.dify.errors import NAME
from remote_chatbots.question import Question
from remote_chatbots.reading import mapping, objects, text, texts, whole
from remote_chatbots.wire import ResponseHead

_MIB = 1024 * 1024
# Dify's controls by our names; "string" is that of 2023.
_KINDS = {"text-input": "text", "string": "text", "json_object": "object"}
_LIMITS = {
    "image": "image_file_size_limit",
    "document": "file_size_limit",
    "custom": "file_size_limit",
    "audio": "audio_file_size_limit",
    "video": "video_file_size_limit",
}


def info(calls: Calls, learned: Learned) -> Flow[AppInfo]:
    """Return who the app is."""
    _, told = yield from calls.read("/info", {})
    learned.info = info_of(told)
    return learned.info


def parameters(calls: Calls, learned: Learned, user: str) -> Flow[AppParameters]:
    """Return how the app is set up."""
    head, told = yield from calls.read("/parameters", {"user": user} if user else {})
    return _learnt(head, told, learned)


def rules(calls: Calls, learned: Learned, user: str) -> Flow[AppParameters | None]:
    """Return as `parameters`; None if it is not to be had soon: for a turn that can do without."""
    try:
        head, body = yield Aside(calls.reading("/parameters", {"user": user} if user else {}))
        told = parse_json(body)
    except (BotError, ValueError):
        return None
    return _learnt(head, told, learned) if head.status < 300 and isinstance(told, dict) else None


def _learnt(head: ResponseHead, told: dict[str, Any], learned: Learned) -> AppParameters:
    found = parameters_of(told)
    learned.parameters, learned.server_version = found, head.headers.get("x-version", "")
    return found


def meta(calls: Calls) -> Flow[AppMeta]:
    """Return the icons of the app's tools."""
    _, told = yield from calls.read("/meta", {})
    return meta_of(told)


def site(calls: Calls) -> Flow[AppSite]:
    """Return how the app's page looks."""
    _, told = yield from calls.read("/site", {})
    return site_of(told)


def check_inputs(question: Question, learned: Learned) -> None:
    """Refuse what the app would refuse, where its input form is known.

    Raises:
        BotUsageError: If a required input is missing, or one is of the wrong type, no option, or too long.
    """
    known = learned.parameters
    if known is None or (question.conversation_id and not reads_inputs_each_turn(learned.server_version)):
        return
    if wrong := wrong_inputs(known.input_form, question.inputs):
        raise BotUsageError.of(
            NAME,
            f"inputs: {'; '.join(wrong)}. Give them as the app's form has them, with every turn; if the form "
            "was changed since, read it again by parameters().",
        )


def reads_inputs_each_turn(server_version: str) -> bool:
    """Return whether the server is known to be of 1.0 or later; one of 0.x goes on with a conversation's first inputs.

    Recorded: each answer of 0.15.3 and 1.14.2 names its version in `X-Version`.
    """
    return server_version[:1].isdigit() and not server_version.startswith("0.")


def info_of(told: dict[str, Any]) -> AppInfo:
    """Return what the body of `/info` says; 0.15 tells no kind and no author."""
    return AppInfo(
        name=text(told.get("name")),
        description=text(told.get("description")),
        tags=tuple(texts(told.get("tags"))),
        kind=text(told.get("mode")),
        author=text(told.get("author_name")),
        raw=told,
    )


def parameters_of(told: dict[str, Any]) -> AppParameters:
    """Return what the body of `/parameters` says, of any age."""
    speech = mapping(told.get("text_to_speech"))
    speaks_by_itself = speech.get("autoPlay")
    max_bytes = _max_bytes(told)
    return AppParameters(
        opening_statement=text(told.get("opening_statement")) or text(told.get("introduction")),
        suggested_questions=tuple(texts(told.get("suggested_questions"))),
        input_form=form_of(told),
        files=_files_of(mapping(told.get("file_upload")), max_bytes),
        citations=_enabled(told.get("retriever_resource")),
        suggestions=_enabled(told.get("suggested_questions_after_answer")),
        speech_to_text=_enabled(told.get("speech_to_text")),
        text_to_speech=_enabled(speech),
        speaks_by_itself=speaks_by_itself == "enabled" if isinstance(speaks_by_itself, str) else None,
        voice=text(speech.get("voice")),
        language=text(speech.get("language")),
        annotation_reply=_enabled(told.get("annotation_reply")),
        moderation=_enabled(told.get("sensitive_word_avoidance")),
        raw=told,
    )


def form_of(told: Mapping[str, Any]) -> tuple[InputField, ...]:
    """Return the input form that the body of `/parameters` holds: controls by kind, or the `variables` of 2023."""
    form = told.get("user_input_form", told.get("variables"))
    items = objects(form) if isinstance(form, list) else []
    if "user_input_form" not in told:
        return tuple(_variable_of(one) for one in items if text(one.get("key")))
    max_bytes = _max_bytes(told)
    controls = [(kind, control) for item in items for kind, control in item.items() if isinstance(control, dict)]
    return tuple(_field_of(kind, control, max_bytes) for kind, control in controls if text(control.get("variable")))


def meta_of(told: dict[str, Any]) -> AppMeta:
    """Return what the body of `/meta` says."""
    icons = {name: icon for name, icon in mapping(told.get("tool_icons")).items() if isinstance(icon, (str, dict))}
    return AppMeta(icons, raw=told)


def site_of(told: dict[str, Any]) -> AppSite:
    """Return what the body of `/site` says."""
    shows_steps = told.get("show_workflow_steps")
    return AppSite(
        title=text(told.get("title")),
        description=text(told.get("description")),
        icon=text(told.get("icon")),
        icon_url=text(told.get("icon_url")),
        icon_background=text(told.get("icon_background")),
        language=text(told.get("default_language")),
        copyright=text(told.get("copyright")),
        privacy_policy=text(told.get("privacy_policy")),
        disclaimer=text(told.get("custom_disclaimer")),
        shows_steps=shows_steps if isinstance(shows_steps, bool) else None,
        raw=told,
    )


def _field_of(kind: str, control: dict[str, Any], max_bytes: Mapping[str, int]) -> InputField:
    kind = _KINDS.get(kind, kind)
    takes_files = kind in ("file", "file-list")
    most = max(0, whole(control.get("max_length")) or 0) or None
    files = FileRules(
        enabled=True,
        number_limit=most if kind == "file-list" else 1,  # of a list of files the length is how many
        kinds=tuple(texts(control.get("allowed_file_types"))),
        extensions=_extensions(control.get("allowed_file_extensions")),
        transfer_methods=tuple(texts(control.get("allowed_file_upload_methods"))),
        max_bytes=max_bytes,
    )
    return InputField(
        name=text(control.get("variable")),
        label=text(control.get("label")) or text(control.get("variable")),
        kind=kind,
        required=control.get("required") is True,
        options=tuple(texts(control.get("options"))),
        max_length=most if kind in ("text", "paragraph") else None,
        default=_default(control),
        description=text(control.get("hint")) or text(control.get("description")),
        files=files if takes_files else None,
        raw=control,
    )


def _variable_of(told: dict[str, Any]) -> InputField:
    """Return what an item of `variables` says; 2023 does not tell what is required."""
    kind = text(told.get("type")) or "string"
    return InputField(
        name=text(told.get("key")),
        label=text(told.get("name")) or text(told.get("key")),
        kind=_KINDS.get(kind, kind),
        options=tuple(texts(told.get("options"))),
        default=_default(told),
        description=text(told.get("description")),
        raw=told,
    )


def _default(told: Mapping[str, Any]) -> Any:
    return None if told.get("default") in ("", []) else told.get("default")


def _files_of(told: dict[str, Any], max_bytes: Mapping[str, int]) -> FileRules:
    """Return the rules for files: servers that know both forms go by the newer one, older ones tell `image` alone."""
    image = mapping(told.get("image"))
    if "enabled" in told:
        return FileRules(
            enabled=_enabled(told),
            number_limit=whole(told.get("number_limits")),
            kinds=tuple(texts(told.get("allowed_file_types"))),
            extensions=_extensions(told.get("allowed_file_extensions")),
            transfer_methods=tuple(texts(told.get("allowed_file_upload_methods"))),
            max_bytes=max_bytes,
        )
    return FileRules(
        enabled=_enabled(image),
        number_limit=whole(image.get("number_limits")),
        kinds=("image",) if image else (),
        transfer_methods=tuple(texts(image.get("transfer_methods"))),
        max_bytes=max_bytes,
    )


def _max_bytes(told: Mapping[str, Any]) -> dict[str, int]:
    """Return the server's limits by kind; it counts in MiB (Dify, `api/services/file_service.py`)."""
    limits = mapping(told.get("system_parameters"))
    return {kind: size * _MIB for kind, name in _LIMITS.items() if (size := whole(limits.get(name))) is not None}


def _extensions(told: Any) -> tuple[str, ...]:
    return tuple("." + one.lower().removeprefix(".") for one in texts(told))


def _enabled(told: Any) -> bool | None:
    enabled = mapping(told).get("enabled")
    return enabled if isinstance(enabled, bool) else None
