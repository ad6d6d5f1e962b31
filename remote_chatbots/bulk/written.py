"""Answers and errors as JSON, and back: what a journal keeps of them."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from remote_chatbots import errors
from remote_chatbots.answer import Answer
from remote_chatbots.errors import BotError
from remote_chatbots.events import MediaProduced, Source, Step, Unrecognized, Usage

_PRICES = ("total_price", "prompt_price", "completion_price")
# A terminal obeys C1 controls and marks of direction; other readers of lines end one at U+0085, U+2028 and U+2029.
_ODD = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def line_of(value: Any, default: Any = str) -> str:
    """Return a value as one line of JSON, with its line end: text as people read it, escaped where it is none.

    Args:
        value: It.
        default: What JSON takes in the place of a value that it does not.
    """
    told = json.dumps(value, ensure_ascii=False, default=default)
    return _ODD.sub(lambda found: f"\\u{ord(found[0]):04x}", told) + "\n"


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON takes it, what it has not left out."""
    told = {name: value for name, value in asdict(answer).items() if value not in ("", None, (), {}, False)}
    for one in told.get("media", ()):
        one["data"] = b64encode(one["data"]).decode()
    if usage := told.get("usage"):
        usage.update({name: str(usage[name]) for name in _PRICES if usage[name] is not None})
    return told


def answer_of(told: Mapping[str, Any]) -> Answer:
    """Return the answer that was written."""
    known = dict(told)
    if usage := known.get("usage"):
        prices = {name: Decimal(usage[name]) for name in _PRICES if usage.get(name) is not None}
        known["usage"] = Usage(**{**usage, **prices})
    known["sources"] = tuple(
        Source(**{**one, "spans": tuple((start, end) for start, end in one["spans"])})
        for one in known.get("sources", ())
    )
    known["steps"] = tuple(Step(**one) for one in known.get("steps", ()))
    known["media"] = tuple(
        MediaProduced(**{**one, "data": b64decode(one["data"])}) for one in known.get("media", ())
    )  # fmt: skip
    known["unrecognized"] = tuple(Unrecognized(**one) for one in known.get("unrecognized", ()))
    known["input_required"] = tuple(known.get("input_required", ()))
    return Answer(**known)


def error_as_json(error: BotError) -> dict[str, Any]:
    """Return what of an error JSON takes: its class, its sentence, and what it knows."""
    known = {name: value for name, value in error.details().items() if isinstance(value, (str, int, float, bool))}
    kinds = (kind for kind in type(error).__mro__ if getattr(errors, kind.__name__, None) is kind)
    return {"class": next(kinds).__name__, "message": error.message, **known}


def error_of(told: Mapping[str, Any]) -> BotError:
    """Return the error that was written; of a class that this version does not know, a `BotError`."""
    known = dict(told)
    kind = getattr(errors, known.pop("class"), BotError)
    error: BotError = kind(known.pop("message"))
    vars(error).update(known)
    return error
