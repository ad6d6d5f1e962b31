"""What there is to show of an answer, of whichever shape it came in. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from remote_chatbots.answer import Answer
from remote_chatbots.errors import BotError
from remote_chatbots.events import MediaProduced, Usage
from remote_chatbots.metadata import resource
from remote_chatbots.passages import passages
from remote_chatbots.platforms.dify.values import usage_of as usage_of_dify
from remote_chatbots.platforms.gptbots.values import usage_of as usage_of_gptbots
from remote_chatbots.reading import mapping, objects, text, whole
from remote_chatbots.steps import told_of


@dataclass(frozen=True, slots=True)
class Cited:
    """A source as it is listed.

    Attributes:
        number: What it is cited by: the server's number where each source has one of its own, else its place from 1.
        title: The document's name; "" if the server gave none.
        passage: The passage's text.
        url: Where the document is; "" if the server gave no address.
        score: The server's score; None if it gave none.
        ends: Where the parts of the answer's text end that rest on it.
    """

    number: int
    title: str
    passage: str
    url: str = ""
    score: float | None = None
    ends: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Medium:
    """A file or speech of the bot's: at an address, or by its bytes."""

    kind: str
    url: str = ""
    name: str = ""
    mime_type: str = ""
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class View:
    """What there is to show of one answer.

    Attributes:
        text: The answer, in Markdown.
        reasoning: What the model thought, in Markdown.
        sources: The numbered sources.
        steps: What the bot did on the way, as `told_of` writes steps.
        usage: What it cost; None if that is not known.
        media: Files and speech of the bot's.
        forms: Forms that the bot waits for.
        finish_reason: How the turn ended; "" if that is not known.
        replaced: Whether text was withdrawn.
        bot: Which bot answered, in words; "" if that is not known.
        under_way: Whether more is to come.
        failure: What the turn failed by; "" if it did not.
    """

    text: str = ""
    reasoning: str = ""
    sources: tuple[Cited, ...] = ()
    steps: tuple[Mapping[str, Any], ...] = ()
    usage: Usage | None = None
    media: tuple[Medium, ...] = ()
    forms: tuple[Mapping[str, Any], ...] = ()
    finish_reason: str = ""
    replaced: bool = False
    bot: str = ""
    under_way: bool = False
    failure: str = ""

    def ended(self, *, under_way: bool, failure: str) -> View:
        """Return the same as one that more comes to, or that failed."""
        return replace(self, under_way=under_way, failure=failure)


def view_of(
    said: str,
    told: Mapping[str, Any],
    *,
    reasoning: str = "",
    steps: Iterable[Mapping[str, Any]] = (),
    media: Iterable[Medium] = (),
    usage: Usage | None = None,
) -> View:
    """Return what there is to show.

    Args:
        said: The answer's text.
        told: What rides on the answer, under the names that both faces have. What is odd in it is left out.
        reasoning: What the model thought.
        steps: The steps so far, where `told` has none yet.
        media: Files and speech, where `told` has none.
        usage: What it cost, where `told` does not say.
    """
    provider = text(told.get("model_provider"))
    return View(
        text=said,
        reasoning=reasoning,
        sources=_cited(told),
        steps=tuple(objects(told.get("steps")) or steps),
        usage=_usage(told, provider) or usage,
        media=tuple(dict.fromkeys([*media] or _media(told))),
        forms=tuple(objects(told.get("input_required"))),
        finish_reason=text(told.get("finish_reason")),
        replaced=told.get("replaced") is True,
        bot=" · ".join(part for part in (provider, text(told.get("model_name"))) if part),
    )


def view_of_answer(answer: Answer) -> View:
    """Return what there is to show of an `Answer`."""
    told = {
        "retriever_resources": [{**resource(source), "score": source.score} for source in answer.sources],
        "steps": [told_of(step) for step in answer.steps],
        "input_required": list(answer.input_required),
        "finish_reason": answer.finish_reason,
        "replaced": answer.replaced,
    }
    media = medium_of(answer.media)
    return view_of(answer.text, told, reasoning=answer.reasoning, media=media, usage=answer.usage)


def view_of_error(error: BotError) -> View:
    """Return what there is to show of a turn that broke: what was said until then, and why."""
    return View(text=error.partial_text or "", failure=str(error))


def medium_of(made: Iterable[MediaProduced]) -> tuple[Medium, ...]:
    """Return files as they are shown; pieces of speech are one sound."""
    found: list[Medium] = []
    pieces: list[MediaProduced] = []
    for one in made:
        if one.data:
            pieces.append(one)
        else:
            found.append(Medium(one.kind, one.url, one.name, one.mime_type))
    if pieces:
        data = b"".join(piece.data for piece in pieces)
        found.append(Medium("audio", mime_type=pieces[0].mime_type, data=data))
    return tuple(found)


def moment(value: Any) -> float | None:
    """Return a time or a duration in seconds; None if it is none that can be drawn."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e11:
        return None
    return None if math.isnan(value) else float(value)


def _cited(told: Mapping[str, Any]) -> tuple[Cited, ...]:
    found = passages(told)
    numbers = [whole(passage.metadata.get("position")) or 0 for passage in found]
    if len(set(numbers)) != len(numbers) or not all(0 < number < 10_000 for number in numbers):
        numbers = list(range(1, len(found) + 1))
    return tuple(
        Cited(
            number,
            text(passage.metadata.get("title")) or text(passage.metadata.get("source")),
            passage.text,
            text(passage.metadata.get("url")) or text(passage.metadata.get("source_url")),
            passage.score,
            _ends(passage.metadata.get("spans")),
        )
        for number, passage in zip(numbers, found, strict=True)
    )


def _ends(spans: Any) -> tuple[int, ...]:
    marked = [span for span in spans if isinstance(span, (list, tuple)) and len(span) == 2] if spans else []
    return tuple(span[1] for span in marked if whole(span[1]) is not None)


def _usage(told: Mapping[str, Any], provider: str) -> Usage | None:
    said = mapping(told.get("usage"))
    if not said:
        return None
    return usage_of_gptbots(said) if provider == "gptbots" else usage_of_dify(said)


def _media(told: Mapping[str, Any]) -> Iterable[Medium]:
    for one in objects(told.get("media")) or objects(told.get("files")):
        yield Medium(text(one.get("kind")), text(one.get("url")), text(one.get("name")), text(one.get("mime_type")))
