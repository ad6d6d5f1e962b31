"""Requests to a GPTBots agent: where they go, what they carry."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from posixpath import splitext
from typing import Any, Literal
from urllib.parse import urlencode

from remote_chatbots.arguments import as_json, refusals_of
from remote_chatbots.attachments import Attachment
from remote_chatbots.contents import AsBase64, Content, Joined, Octets, head_of
from remote_chatbots.errors import BotUsageError
from remote_chatbots.platforms.gptbots.errors import NAME
from remote_chatbots.platforms.gptbots.options import GPTBotsOptions
from remote_chatbots.question import Question
from remote_chatbots.wire import HttpRequest, json_bytes, json_request

Version = Literal["v1", "v2"]
MOST_USER_CHARACTERS = 32
MOST_FILES = 9
MOST_BYTES = {"document": 20 * 1024 * 1024, "image": 10 * 1024 * 1024, "audio": 5 * 1024 * 1024}


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes the requests of one agent.

    Attributes:
        base_url: The server, without version and trailing slash.
        headers: What every request carries. Not in `repr`: it holds the key.
    """

    base_url: str
    headers: Mapping[str, str] = field(repr=False)

    def create(self, user: str) -> HttpRequest:
        """Return the request that begins a conversation ("Create conversation")."""
        return self.post("/v1/conversation", {"user_id": user})

    def send(
        self, version: Version, conversation_id: str, mode: str, question: Question, options: GPTBotsOptions
    ) -> HttpRequest:
        """Return the request that asks ("Send message", of either version). The bytes of its files are not copied.

        Args:
            version: The version of the call.
            conversation_id: The conversation.
            mode: "streaming" or "blocking".
            question: The question.
            options: What is told beside.

        Raises:
            BotUsageError: If the version has no place for something that the question or the options hold.
        """
        placeholder = secrets.token_hex(16)
        told = message(version, question, options, placeholder)
        payload = {"conversation_id": conversation_id, "response_mode": mode, **told}
        request = self.post(f"/{version}/conversation/message", payload)
        return replace(request, body=_filled(request.body, placeholder, [one.content for one in _held(question)]))

    def get(self, path: str, **query: Any) -> HttpRequest:
        """Return a request that reads."""
        asked = f"?{urlencode(query, errors='replace')}" if query else ""
        return HttpRequest("GET", f"{self.base_url}{path}{asked}", self.headers)

    def post(self, path: str, payload: object) -> HttpRequest:
        """Return a request that submits.

        Raises:
            BotUsageError: If it holds something that JSON has no form for.
        """
        with as_json(NAME):
            return json_request("POST", self.base_url + path, self.headers, payload)


def message(version: Version, question: Question, options: GPTBotsOptions, placeholder: str = "") -> dict[str, Any]:
    """Return the fields of the send call that hold the question, with `placeholder` where a file's bytes go.

    Raises:
        BotUsageError: If the version has no place for something that the question or the options hold.
    """
    told = options.payload()
    if version == "v2":
        parts: list[dict[str, Any]] = [{"type": "text", "text": question.text}] if question.text else []
        parts += [{"type": file.kind, file.kind: [_file_v2(file, placeholder)]} for file in question.files]
        if question.inputs:
            told["custom_variables"] = dict(question.inputs)
        if options.corner_citation is not None:
            told["corner_citation"] = options.corner_citation
        messages = [{"role": "user", "content": parts}]
        return {"messages": messages} | ({"conversation_config": told} if told else {})
    beyond = {
        "inputs": bool(question.inputs),
        "corner_citation": bool(options.corner_citation),
        "group_ids of knowledge": "group_ids" in told.get("knowledge", {}),
    }
    for name, given in beyond.items():
        if given:
            raise BotUsageError.of(
                NAME,
                f"{name} cannot be sent by v1 of the send call, and this server, or api_version, has no v2. "
                "Leave it out.",
            )
    text = {"text": question.text} if question.text else {}
    return text | ({"files": [_file_v1(file, placeholder) for file in question.files]} if question.files else {}) | told


def checked(question: Question, options: GPTBotsOptions) -> None:
    """Refuse what no version of the send call takes.

    Limits: GPTBots API reference, "Create conversation" (user_id), "Send message" (files).

    Raises:
        BotUsageError: If the user's name is too long, or a file is too many, too large, or of a kind that there is not.
    """
    if not question.user and not question.conversation_id:
        raise BotUsageError.of(
            NAME,
            "a question needs a user, your own name for the person who asks. Give user=… with the question, "
            "or where the bot is set up.",
        )
    if len(question.user) > MOST_USER_CHARACTERS:
        raise BotUsageError.of(
            NAME,
            f"user has {len(question.user)} characters, and GPTBots takes at most {MOST_USER_CHARACTERS}. Give "
            "a shorter name: of a UUID its 32 digits without dashes (uuid.hex), of anything else the first 32 "
            "characters of its SHA-256 in hex.",
        )
    if len(question.files) > MOST_FILES:
        raise BotUsageError.of(
            NAME,
            f"files holds {len(question.files)} files, and GPTBots takes at most {MOST_FILES} with a message. "
            "Send some of them with another message.",
        )
    for file in question.files:
        _check_file(file)
    files = [[file.url, file.name, file.width_px, file.height_px] for file in question.files]
    for name, value in {"inputs": dict(question.inputs), "files": files, "knowledge": options.scope()}.items():
        with as_json(NAME, f"{name} hold something that JSON has no form for"):
            json_bytes(value)


def _check_file(file: Attachment) -> None:
    most_bytes = MOST_BYTES.get(file.kind)
    if most_bytes is None or file.file_id:
        raise BotUsageError.of(
            NAME,
            "files: GPTBots takes images, audio and documents, by url or data, and has no uploads. Give one of these.",
        )
    if (size_bytes := len(file.content)) > most_bytes:
        raise BotUsageError.of(
            NAME,
            f"files: the {file.kind} has {size_bytes} bytes, and GPTBots takes at most {most_bytes}. "
            "Send a smaller one, or give its url.",
        )
    with refusals_of(NAME):
        head_of(file.content)  # a file that is gone would be noticed in the middle of the message
    if file.data and not splitext(file.file_name)[1]:
        raise BotUsageError.of(
            NAME,
            f"files: the {file.kind} has no name with an extension, which tells GPTBots its type. Give "
            'name="….pdf" or the like.',
        )


def _file_v1(file: Attachment, placeholder: str) -> dict[str, Any]:
    told = {**_content(file, placeholder), "name": file.file_name, "width": file.width_px, "height": file.height_px}
    return {key: value for key, value in told.items() if value}


def _file_v2(file: Attachment, placeholder: str) -> dict[str, Any]:
    name = file.file_name
    format_ = splitext(name)[1].removeprefix(".").lower()
    told = {**_content(file, placeholder), "format": format_, "name": name}
    return {key: value for key, value in told.items() if value}


def _content(file: Attachment, placeholder: str) -> dict[str, str]:
    return {"url": file.url} if file.url else {"base64_content": placeholder}


def _held(question: Question) -> list[Attachment]:
    """Return the files whose bytes go with a question, in its order."""
    return [file for file in question.files if file.data]


def _filled(body: bytes | Content, placeholder: str, contents: Sequence[Content]) -> bytes | Content:
    """Return JSON in which each placeholder's place is taken by the next content, in base64."""
    if not contents:
        return body
    assert isinstance(body, bytes)
    parts: list[Content] = []
    for text, content in zip_longest(body.split(placeholder.encode()), contents):
        parts += [Octets(text)] if content is None else [Octets(text), AsBase64(content)]
    return Joined(tuple(parts))
