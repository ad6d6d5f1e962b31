"""Answers in a form that the caller gives, from bots that take no schema: asked for in words, read, repaired once.

Pure. Which object the JSON becomes is the framework's affair: a face gives a `read` of its own parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from json import JSONDecodeError, JSONDecoder
from typing import Any, Generic, TypeVar

from remote_chatbots.errors import BotFormatError, BotUsageError
from remote_chatbots.events import IDS, TextDelta
from remote_chatbots.thinking import ThinkSplitter
from remote_chatbots.wire import json_bytes

T = TypeVar("T")

_INSTRUCTION = """\
Answer with one JSON value that fits this JSON Schema, and with nothing else: no words before or after it, no Markdown.

```json
{schema}
```"""
_CORRECTION = "Your last answer could not be read: {problem} Give the whole answer again."
_DECODER = JSONDecoder()
# A bracket behind which no value begins is a mere bracket. To ask the parser costs a look at all the text before it.
_OBJECT = r"\{(?=[ \t\n\r]*[\"}])"
_ARRAY = r"\[(?=[ \t\n\r]*(?:[\[{\"\]]|-?\d|-?Infinity|NaN|true|false|null))"
_OPENINGS = {"object": re.compile(_OBJECT), "array": re.compile(_ARRAY)}
_ANY_OPENING = re.compile(f"{_OBJECT}|{_ARRAY}")
_TOO_LONG = "a number in it has too many digits."
# A lone word or number may stand in any sentence: it must be all that is said.
_SCALARS = ("string", "integer", "number", "boolean", "null")
_ALONE = re.compile(r"(?:```\w*)?\s*(?P<value>.*?)\s*(?:```)?", re.DOTALL)


class NotInForm(Exception):
    """The text is not in the form. The sentence goes to the bot and into the error: it holds nothing of the text."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: its text, and the metadata that rides on it."""

    text: str
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnswerForm(Generic[T]):
    """The form of an answer.

    Attributes:
        platform: With which an error's message begins.
        schema: The JSON Schema.
        read: Makes the object of the JSON text; raises `NotInForm`.
    """

    platform: str
    schema: Mapping[str, Any]
    read: Callable[[str], T]

    def asked(self) -> Generator[str, Answered, T]:
        """Yield what to say to the bot, and be sent its answer; return the object.

        What is yielded first goes with the question. An answer that cannot be read is answered once more, in the same
        conversation; one that the platform stopped, withdrew or paused is not, nor one of no conversation.

        Raises:
            BotFormatError: If the answer is not in the form, and a repair has failed or makes no sense.
        """
        instruction = self._instruction()
        say, when = instruction, "and asking again would not help"
        while True:
            answered = yield say
            try:
                return self._object_in(answered.text)
            except NotInForm as wrong:
                problem = str(wrong)
            if say is not instruction or not _may_be_repaired(answered.told):
                break
            # The schema again: a bot may be set to remember nothing.
            say, when = f"{_CORRECTION.format(problem=problem)}\n\n{instruction}", "also after a repair turn"
        raise self._refusal(answered, problem, when)  # outside the except: a parser's error holds the text

    def _object_in(self, text: str) -> T:
        wrong: list[NotInForm] = []
        for value in values_in(text, self.schema):
            try:
                return self.read(value)
            except NotInForm as problem:
                wrong.append(problem)
        raise wrong[0]

    def _instruction(self) -> str:
        try:
            return _INSTRUCTION.format(schema=json_bytes(self.schema).decode())
        except TypeError as error:
            raise BotUsageError.of(
                self.platform, f"the schema holds something that JSON has no form for ({error}). Give a JSON Schema."
            ) from None

    def _refusal(self, answered: Answered, problem: str, when: str) -> BotFormatError:
        reason = answered.told.get("finish_reason", "stop")
        ended = "" if reason == "stop" else f" The turn ended with finish_reason {reason!r}."
        ids: dict[str, Any] = {name: str(answered.told.get(name) or "") for name in IDS}
        return BotFormatError.of(
            self.platform,
            f"the answer is not in the form that was asked for, {when}: {problem}{ended} The text is "
            "in partial_text. Ask for less at once, give the fields descriptions, or describe the form in the app's "
            "own prompt.",
            partial_text=answered.text,
            **ids,
        )


def _may_be_repaired(told: Mapping[str, Any]) -> bool:
    return told.get("finish_reason", "stop") == "stop" and bool(told.get("conversation_id"))


def values_in(text: str, schema: Mapping[str, Any]) -> list[str]:
    """Return the JSON values in a text that may be the answer, the longest first; what stands around them is left out.

    Raises:
        NotInForm: If there is none, or one is broken: no part of it is taken for the whole.
    """
    text = _without_thoughts(text)
    if schema.get("type") in _SCALARS:
        return [_alone_in(text)]
    openings = _openings(schema)
    found, at = [], 0
    while begun := openings.search(text, at):
        begin = begun.start()
        broken = None
        try:
            _, at = _DECODER.raw_decode(text, begin)
        except JSONDecodeError as error:
            broken, at = error, begin + 1
        except RecursionError:
            raise NotInForm("it is nested too deeply.") from None
        except ValueError:  # Python reads no whole number of more than some thousand digits
            raise NotInForm(_TOO_LONG) from None
        if broken is None:
            found.append(text[begin:at])
        elif text[at : broken.pos].strip() or broken.msg.startswith("Unterminated"):  # else a mere bracket
            raise _broken(broken)
    if not found:
        raise NotInForm("it holds no JSON value.")
    return sorted(found, key=len, reverse=True)


def _alone_in(text: str) -> str:
    alone = _ALONE.fullmatch(text)
    value = alone["value"] if alone else text
    try:
        _DECODER.decode(value)
    except JSONDecodeError as error:
        broken = _broken(error)
    except ValueError:
        raise NotInForm(_TOO_LONG) from None
    else:
        return value
    raise broken


def _broken(error: JSONDecodeError) -> NotInForm:
    return NotInForm(f"it holds no whole JSON value ({error.msg} at character {error.pos}).")


def begun_in(text: str, schema: Mapping[str, Any]) -> str:
    """Return the JSON value that a text has begun with, as far as it goes; "" before it."""
    text = _without_thoughts(text)
    begun = _openings(schema).search(text)
    return text[begun.start() :] if begun else ""


def _openings(schema: Mapping[str, Any]) -> re.Pattern[str]:
    kind = schema.get("type", "object" if "properties" in schema else None)
    return _OPENINGS.get(kind, _ANY_OPENING) if isinstance(kind, str) else _ANY_OPENING


def _without_thoughts(text: str) -> str:
    splitter = ThinkSplitter()
    said = [*splitter.cut([TextDelta(text)]), *splitter.rest()]
    return "".join(one.text for one in said if isinstance(one, TextDelta)).strip()


def checked_method(platform: str, method: str, strict: bool | None) -> None:
    """Refuse ways of asking for a form that no bot can be asked by.

    What LangChain calls "json_mode" and "json_schema" come to the same here: the schema is told in words.

    Raises:
        BotUsageError: For any other method, and for `strict=True`.
    """
    if method not in ("json_mode", "json_schema"):
        raise BotUsageError.of(
            platform,
            f"method {method!r} needs a model that takes tools from its caller, and a remote bot takes "
            'none. Leave it out, or give "json_mode" or "json_schema": the form is asked for in words, and checked.',
        )
    if strict:
        raise BotUsageError.of(
            platform,
            "strict=True promises that the platform holds the bot to the schema, and none does. Leave it "
            "out: the answer is checked, and repaired once.",
        )


def missing_keys(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return `value`, if it is an object that has the keys which the schema requires.

    Raises:
        NotInForm: If it is not.
    """
    if schema.get("type", "object" if "properties" in schema else "") != "object":
        return value
    if not isinstance(value, dict):
        raise NotInForm("it is no JSON object.")
    missing = [key for key in schema.get("required", ()) if key not in value]
    if missing:
        raise NotInForm(f"these keys are missing: {', '.join(missing)}.")
    return value


def wrong_values(details: Any) -> NotInForm:
    """Return pydantic's findings, `errors()` of its ValidationError, without the values."""
    found = [f"{'.'.join(str(part) for part in one['loc']) or 'the value'}: {one['msg']}." for one in details]
    return NotInForm(" ".join(found))
