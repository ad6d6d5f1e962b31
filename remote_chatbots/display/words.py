"""What there is to show of an answer, in plain words: for terminals, and for whatever shows no HTML. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from textwrap import indent
from typing import Any

from remote_chatbots.display.drawing import seconds, summary, went_well
from remote_chatbots.display.timeline import timeline
from remote_chatbots.display.view import Cited, Medium, View
from remote_chatbots.printable import on_a_line, printable
from remote_chatbots.reading import objects, text

_ENDS = {
    "stopped": "The answer was stopped before its end.",
    "content_filter": "The platform withdrew or withheld what was said.",
    "handoff": "A person takes over the conversation.",
    "paused": "The bot waits for a person to fill in a form.",
}
_MOST_OF_PASSAGE = 100
# How a form's text shows where a field belongs (recorded: 1.14.2/human-2-form).
_PLACE = re.compile(r"\{\{#\$output\.(\w+)#\}\}")


def in_words(view: View) -> str:
    """Return an answer and all that is beside it, as lines of text."""
    return "\n".join([printable(view.text), *behind_text(view)])


def behind_text(view: View) -> list[str]:
    """Return the lines that stand behind the text."""
    return [printable(line) for part in _parts(view) if part for line in ("", *part)]


def _parts(view: View) -> Iterator[list[str]]:
    yield notes(view)
    for form in view.forms:
        yield [form_words(form), *(f"  ({id_}) {title}" for id_, title in actions(form))]
    yield ["Media", *(f"  {medium_words(one)}" for one in view.media)] if view.media else []
    yield ["Reasoning", indent(view.reasoning.strip(), "  ")] if view.reasoning.strip() else []
    yield ["Sources", *map(_source, view.sources)] if view.sources else []
    line = timeline(view.steps)
    if line.steps:
        yield [
            summary(line),
            *(
                f"  {'  ' * step.depth}{step.name}"
                + (f"  {seconds(step.length_s)}" if step.length_s is not None else "")
                + (f"  {step.status}" if not went_well(step) else "")
                + (f"  ✗ {step.error}".rstrip() if step.failed else "")
                for step in line.steps
            ),
        ]
    yield [" · ".join(facts(view))] if facts(view) else []


def notes(view: View) -> list[str]:
    """Return what a reader must know of how the turn went; [] if it went as usual."""
    told = [f"✗ {view.failure}"] if view.failure else []
    if view.replaced and view.finish_reason != "content_filter":
        told.append(_ENDS["content_filter"])
    return [*told, *([_ENDS[view.finish_reason]] if view.finish_reason in _ENDS else [])]


def facts(view: View) -> list[str]:
    """Return what a turn cost and who answered, a few words each."""
    told = []
    if usage := view.usage:
        total = max(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
        told.append(f"{total:,} tokens ({usage.prompt_tokens:,} in, {usage.completion_tokens:,} out)")
        if usage.total_price is not None:
            told.append(f"{usage.total_price.normalize():f} {on_a_line(usage.currency, 12)}".rstrip())
        if usage.latency_s is not None:
            told.append(f"{usage.latency_s:.2f} s")
        if usage.time_to_first_token_s is not None:
            told.append(f"first token after {usage.time_to_first_token_s:.2f} s")
    return [*told, on_a_line(view.bot, 100)] if view.bot else told


def form_words(form: Mapping[str, Any]) -> str:
    """Return what a form says, in Markdown, with the names of its fields at their places."""
    return _PLACE.sub(r"[\1]", text(form.get("form_content")))


def actions(form: object) -> list[tuple[str, str]]:
    """Return what a person may choose at the end of a form: ids and titles."""
    told = objects(form.get("actions")) if isinstance(form, dict) else []
    return [(on_a_line(text(one.get("id")), 60), on_a_line(text(one.get("title")), 100)) for one in told]


def medium_words(one: Medium) -> str:
    """Return what a file is, in words."""
    what = on_a_line(one.name or one.kind or "file", 100)
    if one.data:
        return f"{what}: {len(one.data):,} bytes of {one.mime_type or 'sound'}"
    return f"{what}: {on_a_line(one.url, 300)}"


def score_words(source: Cited) -> str:
    """Return the score of a source as it is shown; "" if it has none."""
    return "" if source.score is None else f"{source.score:.2f}"


def _source(source: Cited) -> str:
    score = score_words(source)
    title = on_a_line(source.title, 100) or "(no title)"
    parts = (f"  [{source.number}] {title}", score and f"({score})", on_a_line(source.passage, _MOST_OF_PASSAGE))
    return " ".join(part for part in parts if part)
