"""A bot's Markdown as HTML in which nothing can run, with its citation marks as links. Pure.

Twice guarded: the renderer takes no HTML from the text, and the sanitiser lets through only the elements, attributes
and schemes that are named here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from remote_chatbots.display.markup import Html, is_web
from remote_chatbots.display.view import Cited
from remote_chatbots.printable import printable

MOST_CHARACTERS = 50_000  # of a text; more would keep the reader waiting
_MOST_BRACKETS = 4_000  # a parser looks from each for its other half
_TAGS = set("a blockquote br code em h1 h2 h3 h4 h5 h6 hr img li ol p pre s strong sup".split())
_TAGS |= set("table tbody td th thead tr ul".split())
_ATTRIBUTES = {
    "a": {"href", "title", "target", "class"},
    "img": {"src", "alt", "loading", "referrerpolicy"},
    "ol": {"start"},
}
# Around the mark where a part of the text ends that rests on a source. To Markdown they are punctuation, as a bracket
# is, so `**bold**` ends before one; those in the text itself become brackets.
_BEGIN, _END = "\u2045", "\u2046"
_PLACED = re.compile(f"{_BEGIN}\\d+{_END}")
_PLACED_IN_URL = re.compile(f"{_BEGIN}\\d+{_END}|%E2%81%85\\d+%E2%81%86", re.IGNORECASE)
_MARK = re.compile(rf"\$\[(\d{{1,4}})\]\$|\[(\d{{1,4}})\]|【(\d{{1,4}})】|{_BEGIN}(\d+){_END}")
_OUTSIDE = "_blank"
_FENCE = "~" * 40


def markdown(text: str, *, sources: Sequence[Cited] = (), anchor: str = "", load_media: bool = False) -> Html:
    """Return a text as HTML.

    Pictures are links, or pictures if `load_media`. Links lead to the web alone, and to the listed sources. Formulas
    stand as they are written.

    Args:
        text: Markdown.
        sources: What `[1]`, `【1】` and `$[1]$` in it cite, and where parts end that rest on them.
        anchor: What the ids of the listed sources begin with.
        load_media: Whether pictures are loaded from where they are.
    """
    rest = len(text) - MOST_CHARACTERS
    marked = printable(_with_marks(text, sources)[:MOST_CHARACTERS])
    if marked.count("[") > _MOST_BRACKETS:
        marked = f"{_FENCE}\n{marked.replace(_FENCE, '')}\n{_FENCE}"
    wanted = {"numbers": {source.number for source in sources}, "anchor": anchor, "load_media": load_media}
    made = nh3.clean(
        _RENDERER.render(marked, wanted),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_filter(f"#{anchor}"),
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow",
    )
    made = _PLACED.sub("", made)
    return Html(made + (f"<p>… and {rest} characters more, not shown here.</p>" if rest > 0 else ""))


def host_of(url: str) -> str:
    """Return whose address it is, for people; "" if it does not say."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _with_marks(text: str, sources: Sequence[Cited]) -> str:
    """Return the text with a mark at the end of each part that rests on a source."""
    clean = text.replace(_BEGIN, "[").replace(_END, "]")
    at = sorted(
        (end, source.number)
        for source in sources
        if f"$[{source.number}]$" not in clean
        for end in source.ends
        if 0 < end <= len(clean)
    )
    pieces, begin = [], 0
    for end, number in at:
        pieces += [clean[begin:end], f"{_BEGIN}{number}{_END}"]
        begin = end
    return "".join([*pieces, clean[begin:]])


def _filter(anchor: str) -> Callable[[str, str, str], str | None]:
    def kept(element: str, name: str, value: str) -> str | None:
        ours = element == "a" and anchor != "#" and value.startswith(anchor)
        allowed = {
            "href": ours or is_web(value),
            "src": is_web(value),
            "class": value == "rcb-cite",
            "target": value == _OUTSIDE,
        }
        return value if allowed.get(name, True) else None

    return kept


class _Renderer(MarkdownIt):
    """CommonMark with tables and strike-through, without HTML; line ends in the text are line ends, as in a chat."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "breaks": True, "maxNesting": 30})
        self.enable(["table", "strikethrough"])
        self.core.ruler.push("cite", _cite)
        self.add_render_rule("cite", _render_cite)
        self.add_render_rule("image", _render_image)
        self.add_render_rule("link_open", _render_link)

    def normalizeLink(self, url: str) -> str:  # noqa: N802
        return super().normalizeLink(_PLACED_IN_URL.sub("", url))


def _cite(state: StateCore) -> None:
    for block in state.tokens:
        if block.children:
            block.children = _with_cites(block.children, state.env["numbers"])


def _with_cites(tokens: Sequence[Token], numbers: Collection[int]) -> list[Token]:
    made: list[Token] = []
    links = 0  # a link in a link is none
    for token in tokens:
        links += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        made += _cut(token, numbers) if token.type == "text" and not links else [token]
    return made


def _cut(token: Token, numbers: Collection[int]) -> list[Token]:
    made, begin = [], 0
    for mark in _MARK.finditer(token.content):
        number = next(group for group in mark.groups() if group)
        if int(number) in numbers:
            made += [
                Token("text", "", 0, content=token.content[begin : mark.start()]),
                Token("cite", "", 0, content=number),
            ]
            begin = mark.end()
    return [*made, Token("text", "", 0, content=token.content[begin:])]


def _render_cite(_: Any, tokens: Sequence[Token], at: int, __: Any, env: Mapping[str, Any]) -> str:
    number = int(tokens[at].content)
    return f'<sup><a class="rcb-cite" href="#{env["anchor"]}{number}">[{number}]</a></sup>'


def _render_link(_: Any, tokens: Sequence[Token], at: int, __: Any, ___: Any) -> str:
    # The words of a link may lie about where it leads; its title is that.
    url = escape(str(tokens[at].attrs.get("href", "")))
    return f'<a href="{url}" title="{url}" target="{_OUTSIDE}">'


def _render_image(_: Any, tokens: Sequence[Token], at: int, __: Any, env: Mapping[str, Any]) -> str:
    url, words = str(tokens[at].attrs.get("src", "")), _PLACED.sub("", tokens[at].content)
    if not is_web(url):
        return f"[picture: {escape(words)}]"
    if env["load_media"]:
        return f'<img src="{escape(url)}" alt="{escape(words)}" loading="lazy" referrerpolicy="no-referrer">'
    address = escape(url)
    told = escape(f"picture: {words or 'no name'}, at {host_of(url)}")
    return f'<a href="{address}" title="{address}" target="{_OUTSIDE}">[{told}]</a>'


_RENDERER = _Renderer()
