"""What the tests of the display read HTML with, and views that have a text in each of their places."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from html.parser import HTMLParser

from remote_chatbots.display.view import View, medium_of, view_of
from remote_chatbots.events import MediaProduced, Usage

_FORBIDDEN = frozenset(
    "script iframe object embed form input button textarea select link meta base foreignobject use animate set "
    "animatemotion animatetransform template noscript math frame frameset portal".split()
)
_ADDRESSES = ("href", "src", "action", "formaction", "data", "xlink:href", "poster", "srcset", "background", "ping")


class Elements(HTMLParser):
    """The elements of a page, each with its attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.found if tag == name]


def dangers(page: str, *, prefix: str, load_media: bool = False) -> Iterator[str]:
    """Yield what in the HTML of an output could run, load, send or restyle something."""
    found = Elements(page).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    if sum(tag == "style" for tag, _ in found) != 1:
        yield "another style than ours"
    for tag, attributes in found:
        if tag in _FORBIDDEN:
            yield f"an element {tag}"
        for name, value in attributes.items():
            if name.startswith("on") or (name in ("style", "srcdoc", "target") and value != "_blank"):
                yield f"{tag} has {name}={value!r}"
            if name == "id" and not value.startswith(prefix):
                yield f"an id of others: {value!r}"
            if name in _ADDRESSES and not _is_good(tag, name, value, ids, load_media):
                yield f"{tag} leads to {value!r}"
        if tag == "a" and attributes.get("target") and "noopener" not in attributes.get("rel", ""):
            yield "a page that is opened knows this one"


def _is_good(tag: str, name: str, value: str, ids: list[str], load_media: bool) -> bool:
    if tag == "a" and name == "href":
        return value.startswith(("https://", "http://")) or value.removeprefix("#") in ids
    if tag == "audio" and value.startswith("data:audio/") and value.isascii() and '"' not in value:
        return True
    return load_media and tag in ("img", "audio", "video") and value.startswith(("https://", "http://"))


def everywhere(text: str) -> View:
    """Return a view that has `text` wherever a platform may write."""
    step = {"id": text, "kind": text, "name": text, "status": text, "error": text, "started_at": 1, "elapsed_s": 1.0}
    told = {
        "model_provider": text,
        "model_name": text,
        "finish_reason": text,
        "retriever_resources": [
            {"position": 1, "title": text, "content": text, "url": text, "spans": [[0, 3], [0, len(text)]]},
            {"position": 2, "document_name": text, "content": text, "url": f"https://example.org/{text}"},
        ],
        "steps": [step, {"id": "inner", "parent_id": text, "kind": "iteration", "name": text}],
        "input_required": [{"form_content": text, "actions": [{"id": text, "title": text}]}],
    }
    media = medium_of(
        [
            MediaProduced(text, text, raw={"filename": text}),
            MediaProduced("image", f"https://example.org/{text}", raw={"filename": text}),
            MediaProduced("audio", data=b"sound", mime_type=text),
        ]
    )
    usage = Usage(1, 2, 3, total_price=Decimal("0.5"), currency=text)
    view = view_of(text, told, reasoning=text, media=media, usage=usage)
    return view.ended(under_way=False, failure=text)
