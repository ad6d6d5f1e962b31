"""What there is to show of an answer, as HTML. Pure.

No script and no address but links. Ids begin with what the caller says, so that many outputs stand on one page.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from remote_chatbots.display.drawing import drawn, summary
from remote_chatbots.display.markdown import host_of, markdown
from remote_chatbots.display.markup import Html, is_web, joined, tag
from remote_chatbots.display.style import STYLE
from remote_chatbots.display.timeline import timeline
from remote_chatbots.display.view import Cited, Medium, View
from remote_chatbots.display.words import actions, facts, form_words, medium_words, notes, score_words
from remote_chatbots.printable import on_a_line

_MOST_OF_PASSAGE = 4_000
_MOST_SOURCES = 200
_MOST_MEDIA = 50
_MOST_FORMS = 5
_MOST_ACTIONS = 20
_MOST_SOUND = 5 * 1024 * 1024  # it is stored in the notebook
_SOUND = re.compile(r"audio/[a-z0-9.+-]{1,40}")
# So are marks of money no formulas, and no language of formulas is let at a bot's words.
_CLASSES = "rcb tex2jax_ignore mathjax_ignore"


def page(view: View, *, prefix: str, load_media: bool = False) -> Html:
    """Return an answer as HTML.

    Args:
        view: The answer.
        prefix: What ids begin with; unlike that of any other output.
        load_media: Whether pictures, sounds and films are loaded from where they are.
    """
    parts = _parts(view, f"{prefix}-", load_media)
    return tag("div", tag("style", STYLE), *parts, class_=_CLASSES)


def _parts(view: View, anchor: str, load_media: bool) -> Iterator[Html]:
    for note in notes(view):
        yield tag("p", note, class_="rcb-note rcb-failed" if view.failure else "rcb-note", dir="auto")
    if view.reasoning.strip():
        yield _folded("Reasoning", markdown(view.reasoning, load_media=load_media))
    said = markdown(view.text, sources=view.sources, anchor=anchor, load_media=load_media)
    yield tag("div", said, class_="rcb-answer", dir="auto")
    if view.under_way:
        yield tag("p", "… answering", class_="rcb-small")
    for one in view.media[:_MOST_MEDIA]:
        yield tag("p", _medium(one, load_media), class_="rcb-medium")
    yield from _more(len(view.media) - _MOST_MEDIA, "files")
    for form in view.forms[:_MOST_FORMS]:
        titles = [tag("li", f"{title or id_} ", tag("code", id_)) for id_, title in actions(form)[:_MOST_ACTIONS]]
        yield tag("div", markdown(form_words(form)), tag("ul", *titles), class_="rcb-note", dir="auto")
    if view.sources:
        listed = [_source(source, anchor) for source in view.sources[:_MOST_SOURCES]]
        yield tag("p", "Sources", class_="rcb-head")
        yield tag("ul", *listed, class_="rcb-sources")
        yield from _more(len(view.sources) - _MOST_SOURCES, "sources")
    yield from _timeline(view)
    if told := facts(view):
        yield tag("p", " · ".join(told), class_="rcb-small")


def _timeline(view: View) -> Iterator[Html]:
    line = timeline(view.steps)
    if not line.steps:
        return
    failed = [tag("p", f"✗ {step.name}: {step.error}", class_="rcb-failed") for step in line.failed if step.error]
    yield _folded(summary(line), joined([drawn(line), *_more(line.left_out, "steps"), *failed]), open_=True)


def _more(left_out: int, what: str) -> Iterator[Html]:
    if left_out > 0:
        yield tag("p", f"… and {left_out} {what} more.", class_="rcb-small")


def _folded(head: str, inner: Html, *, open_: bool = False) -> Html:
    return tag("details", tag("summary", head), tag("div", inner, dir="auto"), class_="rcb-fold", open=open_)


def _source(source: Cited, anchor: str) -> Html:
    title = on_a_line(source.title, 200) or "(no title)"
    score = score_words(source)
    head = [
        tag("span", f"[{source.number}]", class_="rcb-number"),
        _link(source.url, title) if is_web(source.url) else title,
        *([tag("span", f"score {score}", class_="rcb-small")] if score else []),
    ]
    passage = source.passage[:_MOST_OF_PASSAGE] + ("…" if len(source.passage) > _MOST_OF_PASSAGE else "")
    inner = joined(one for part in head for one in (part, " "))
    if passage:
        folded = tag("details", tag("summary", inner), tag("blockquote", passage, dir="auto"))
    else:
        folded = tag("div", inner)
    return tag("li", folded, id=f"{anchor}{source.number}")


def _link(url: str, words: str) -> Html:
    return tag("a", words, href=url, title=url, target="_blank", rel="noopener noreferrer nofollow")


def _medium(one: Medium, load_media: bool) -> Html:
    name = on_a_line(one.name or one.kind or "file", 100)
    if one.data:
        if len(one.data) > _MOST_SOUND or not _SOUND.fullmatch(one.mime_type):
            return joined([medium_words(one), ", not stored here"])
        told = base64.b64encode(one.data).decode()
        return tag("audio", controls=True, src=f"data:{one.mime_type};base64,{told}", aria_label=name)
    if not is_web(one.url):
        return joined([medium_words(one)])
    if load_media and one.kind == "image":
        return tag("img", src=one.url, alt=name, loading="lazy", referrerpolicy="no-referrer")
    if load_media and one.kind in ("audio", "video"):
        return tag(one.kind, controls=True, preload="none", src=one.url, aria_label=name)
    return joined([_link(one.url, name), tag("span", f" {one.kind}, at {host_of(one.url)}", class_="rcb-small")])
