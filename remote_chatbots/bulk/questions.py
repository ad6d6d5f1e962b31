"""What is asked in bulk: texts, questions and rows, each with an id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from remote_chatbots.errors import BotUsageError
from remote_chatbots.question import Question

Asked: TypeAlias = str | Question | Mapping[str, Any]

_OF_A_ROW = ("id", "question", "user", "conversation_id", "inputs", "files", "stop", "options")


@dataclass(frozen=True, slots=True)
class Item:
    """One question in its place.

    Attributes:
        index: Its place, from 0.
        id: Its id.
        question: The question, with its user.
        digest: Tells it from any other; 64 hex digits.
    """

    index: int
    id: str
    question: Question
    digest: str


def check_several(asked: Any) -> None:
    """Refuse what would be taken apart, each part a question that is posted: the letters of a text, the keys of a row.

    Raises:
        BotUsageError: If it is one question, a table, or nothing that can be iterated.
    """
    if isinstance(asked, (str, bytes, bytearray, Question, Mapping)):
        raise BotUsageError(f"questions must be several, not one {type(asked).__name__}. Put it into a list.")
    if hasattr(asked, "to_dict"):  # pandas and its like give the names of their columns
        raise BotUsageError('questions must be rows, not a table. Give table.to_dict("records").')
    if isinstance(asked, type) or not hasattr(asked, "__iter__"):
        raise BotUsageError(f"questions must be an iterable, not {type(asked).__name__}. Give a list of them.")


def items(asked: Iterable[Asked], question_of: Callable[..., Question]) -> Iterator[Item]:
    """Yield the questions one by one, as they are read.

    Args:
        asked: Texts, questions, or rows with "question", perhaps "id", and more fields of `Question`.
        question_of: Makes a question of a text and the fields that are given with it.

    Raises:
        BotUsageError: If one is none of these, is wrong, or has the id of another.
    """
    seen: set[str] = set()
    for index, one in enumerate(asked):
        given_id: Any = None
        try:
            if isinstance(one, (str, Question)):
                question = question_of(one)
            elif isinstance(one, Mapping):
                given_id, question = _of_row(one, question_of)
            else:
                raise BotUsageError(f"it is {type(one).__name__}. Give a text, a Question, or a row with 'question'.")
        except BotUsageError as error:
            raise BotUsageError(f"Question {index}: {error.message}") from None
        id_ = str(index) if given_id is None else str(given_id)
        if id_ in seen:
            raise BotUsageError(f"Question {index}: its id {id_!r} is another's. Give each row an id of its own.")
        seen.add(id_)
        yield Item(index, id_, question, _digest(question))


def _of_row(row: Mapping[str, Any], question_of: Callable[..., Question]) -> tuple[Any, Question]:
    for name in row:
        if name not in _OF_A_ROW:
            raise BotUsageError(f"a row has no {name!r}. Leave it out: a row may have {', '.join(_OF_A_ROW)}.")
    text = row.get("question")
    if not isinstance(text, str):
        raise BotUsageError("its row has no text under 'question'. Give one.")
    # Tables have an empty cell where a row has no value.
    given = {name: row[name] for name in _OF_A_ROW[2:] if row.get(name) is not None}
    return row.get("id"), question_of(text, **given)


def _digest(question: Question) -> str:
    told = {field.name: getattr(question, field.name) for field in fields(question)}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Return what JSON has no word for in a form that is the same in every process."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return str(value)
