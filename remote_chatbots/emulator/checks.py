"""What Dify checks in a request before it looks anything up; the words it refuses with depend on its age."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .datasets import Retrieval
from .refusals import invalid_param
from .state import ChatRequest

T = TypeVar("T")

ANONYMOUS_USER = "DEFAULT-USER"


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for.

    Attributes:
        after: The id of the item that the page before ended with.
    """

    limit: int
    after: str | None
    sort_by: str = "-updated_at"


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of one age; each raises a `Refusal`.

    Attributes:
        chat_request: Of the body of `POST /chat-messages`.
        message_page: Of the query of `GET /messages`; returns the conversation's id, `None` if it is empty, too.
        conversation_page: Of the query of `GET /conversations`.
        rating: Of the body of `POST /messages/{id}/feedbacks`; `None` takes a rating back.
        new_name: Of the body of `POST /conversations/{id}/name`; `None` asks for an automatic name.
        retrieval: Of the body of `POST /datasets/{id}/retrieve`.
    """

    chat_request: Callable[[Mapping[str, Any]], ChatRequest]
    message_page: Callable[[Mapping[str, str]], tuple[str | None, Page]]
    conversation_page: Callable[[Mapping[str, str]], Page]
    rating: Callable[[Mapping[str, Any]], str | None]
    new_name: Callable[[Mapping[str, Any]], str | None]
    retrieval: Callable[[Mapping[str, Any]], Retrieval]


def user_of(body: Mapping[str, Any]) -> str:
    """Return the end user that a request names.

    Raises:
        Refusal: 400 if there is none (recorded: 1.14.2/err-missing-user, err-empty-user).
    """
    if not body.get("user"):
        raise invalid_param("Arg user must be provided.")
    return str(body["user"])


def files_of(body: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what was sent as files."""
    files = body.get("files")
    return tuple(files) if isinstance(files, list) else ()


def normal_uuid(value: Any) -> str | None:
    """Return a UUID as Dify writes it, `None` for a blank value."""
    return None if is_blank(value) else str(uuid.UUID(value.strip()))


def is_blank(value: object) -> bool:
    """Whether a value counts as not given."""
    return not (value.strip() if isinstance(value, str) else value)


def parsed(value: object, kind: Callable[[str], T]) -> T | None:
    """Return a text as something else, `None` if it is no such thing."""
    try:
        return kind(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID."""
    return parsed(text, uuid.UUID) is not None
