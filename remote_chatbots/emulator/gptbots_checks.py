"""What GPTBots checks in a request before it looks anything up."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, cast
from urllib.parse import urlsplit

from .gptbots_refusals import AgentRefusal, bad_parameters
from .gptbots_turn import Asked, FileKind, ResponseMode, Scope, SentFile
from .model import Exchange

USER_ID_LENGTH = 32
_MAX_FILES = 9
_MODES = ("blocking", "streaming", "webhook")
_IMAGES = frozenset({"jpg", "jpeg", "png", "gif", "webp"})
_AUDIO = frozenset({"mp3", "wav", "acc", "aac"})
_MIB = 1024 * 1024
# The smaller of the documented limits (send message, v1).
_MAX_BYTES: Mapping[FileKind, int] = {"document": 20 * _MIB, "image": 10 * _MIB, "audio": 5 * _MIB}


def user_id(body: Mapping[str, Any]) -> str:
    """Return the user of `POST /v1/conversation`.

    Raises:
        AgentRefusal: 40000 if it is no text of 1 to 32 characters (create conversation).
    """
    named = text(body, "user_id")
    if len(named) > USER_ID_LENGTH:
        raise bad_parameters(f"user_id has more than {USER_ID_LENGTH} characters")
    return named


def asked_v1(body: Mapping[str, Any]) -> Asked:
    """Read `POST /v1/conversation/message`: the settings stand at the top (send message, v1).

    Raises:
        AgentRefusal: 40000.
    """
    question = body.get("text") or ""
    if not isinstance(question, str):
        raise bad_parameters("text must be a string")
    files = _few_enough(_sent_file(each) for each in _objects(body, "files"))
    _require_something(question, files)
    return Asked(
        conversation_id=text(body, "conversation_id"),
        mode=_mode(body),
        text=question,
        files=files,
        short_term_memory=_switch(body, "short_term_memory"),
        long_term_memory=_switch(body, "long_term_memory"),
        scope=Scope(ids(_object(body, "knowledge"), "data_ids")),
    )


def asked_v2(body: Mapping[str, Any]) -> Asked:
    """Read `POST /v2/conversation/message`: the settings stand in `conversation_config` (send message, v2).

    Raises:
        AgentRefusal: 40000.
    """
    items = [_message(each) for each in _objects(body, "messages")]
    if not items or items[-1][0] != "user":
        raise bad_parameters("the last of messages must be the user's")
    *before, (_, question, files) = items
    _require_something(question, files)
    settings = _object(body, "conversation_config")
    knowledge = _object(settings, "knowledge")
    return Asked(
        conversation_id=text(body, "conversation_id"),
        mode=_mode(body),
        text=question,
        files=files,
        earlier=_exchanges((role, said) for role, said, _ in before),
        short_term_memory=_switch(settings, "short_term_memory"),
        long_term_memory=_switch(settings, "long_term_memory"),
        scope=Scope(ids(knowledge, "data_ids"), ids(knowledge, "group_ids")),
        variables=dict(_object(settings, "custom_variables")),
        marks_citations=_switch(settings, "corner_citation") or False,
    )


def text(values: Mapping[str, Any], name: str) -> str:
    """Return a text that must be there.

    Raises:
        AgentRefusal: 40000 if it is not, or empty.
    """
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise bad_parameters(f"{name} is required")
    return value


def ids(values: Mapping[str, Any], name: str) -> frozenset[str] | None:
    """Return a list of ids, `None` if there is none.

    Raises:
        AgentRefusal: 40000 if it is no list of texts.
    """
    given = values.get(name)
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise bad_parameters(f"{name} must be an array of strings")
    return frozenset(given)


def number(values: Mapping[str, Any], name: str, least: int, most: int | None = None) -> int:
    """Return a whole number that must be there; a text of digits will do.

    Raises:
        AgentRefusal: 40000 if it is not, or out of range.
    """
    given = values.get(name)
    try:
        value = int(given) if isinstance(given, int | str) and not isinstance(given, bool) else None
    except ValueError:
        value = None
    if value is None or value < least or (most is not None and value > most):
        raise bad_parameters(f"{name} must be a number from {least} to {most or 'any'}")
    return value


def one_of(values: Mapping[str, Any], name: str, known: Iterable[str]) -> str:
    """Return a word that must be one of those known.

    Raises:
        AgentRefusal: 40000.
    """
    value = text(values, name)
    if value not in known:
        raise bad_parameters(f"{name} must be one of {', '.join(known)}")
    return value


def _mode(body: Mapping[str, Any]) -> ResponseMode:
    return cast(ResponseMode, one_of(body, "response_mode", _MODES))


def _require_something(question: str, files: tuple[SentFile, ...]) -> None:
    if not question and not files:
        raise bad_parameters("text or files is required")


def _object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    if value is not None and not isinstance(value, dict):
        raise bad_parameters(f"{name} must be an object")
    return value or {}


def _objects(values: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    given = values.get(name) or []
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise bad_parameters(f"{name} must be an array of objects")
    return given


def _switch(values: Mapping[str, Any], name: str) -> bool | None:
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise bad_parameters(f"{name} must be a boolean")
    return value


def _message(item: Mapping[str, Any]) -> tuple[str, str, tuple[SentFile, ...]]:
    role, content = one_of(item, "role", ("user", "assistant")), item.get("content")
    if isinstance(content, str):
        return role, content, ()
    texts, files = [], []
    for part in _objects(item, "content"):
        kind = one_of(part, "type", ("text", *_MAX_BYTES))
        if kind == "text":
            texts.append(text(part, "text"))
            continue
        # The first pages show a single object where the newer show an array.
        given = [part[kind]] if isinstance(part.get(kind), dict) else _objects(part, kind)
        files += [_sent_file(each, cast(FileKind, kind)) for each in given]
    return role, "\n".join(texts), _few_enough(files)


def _exchanges(messages: Iterable[tuple[str, str]]) -> tuple[Exchange, ...]:
    found: list[Exchange] = []
    for role, said in messages:
        if role == "user":
            found.append(Exchange(said, ""))
        elif found and not found[-1].answer:
            found[-1] = Exchange(found[-1].query, said)
        else:
            found.append(Exchange("", said))
    return tuple(found)


def _few_enough(files: Iterable[SentFile]) -> tuple[SentFile, ...]:
    sent = tuple(files)
    if len(sent) > _MAX_FILES:
        raise bad_parameters(f"more than {_MAX_FILES} files")
    return sent


def _sent_file(item: Mapping[str, Any], kind: FileKind | None = None) -> SentFile:
    url, encoded = item.get("url"), item.get("base64_content")
    if not isinstance(url or encoded, str):
        raise bad_parameters("a file needs url or base64_content")
    path = PurePosixPath(urlsplit(url).path) if url else PurePosixPath()
    name = str(item.get("name") or path.name)
    extension = str(item.get("format") or PurePosixPath(name).suffix.removeprefix(".")).lower()
    kind = kind or ("image" if extension in _IMAGES else "audio" if extension in _AUDIO else "document")
    content = _decoded(encoded) if encoded else None
    if content is not None and len(content) > _MAX_BYTES[kind]:
        raise bad_parameters(f"{kind} is larger than {_MAX_BYTES[kind] // _MIB} MB")
    return SentFile(kind, name, extension, url, content)


def _decoded(encoded: Any) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (TypeError, binascii.Error, ValueError) as error:
        raise AgentRefusal(40000, "base64_content is not base64") from error
