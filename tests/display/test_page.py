"""An answer as HTML: what it shows, and that nothing in it can run."""

from __future__ import annotations

import pytest

from remote_chatbots.answer import Answer
from remote_chatbots.display.page import page
from remote_chatbots.display.view import View, medium_of, view_of, view_of_answer
from remote_chatbots.display.words import in_words
from remote_chatbots.events import MediaProduced, Source, Step, Usage
from tests.display.shown import Elements, dangers, everywhere
from tests.hostile_texts import HOSTILE

hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))


@hostile
@pytest.mark.parametrize("load_media", [False, True], ids=["links", "loaded"])
def test_nothing_in_a_hostile_text_runs_loads_or_restyles(text: str, load_media: bool) -> None:
    made = page(everywhere(text), prefix="rcb-1", load_media=load_media)
    assert list(dangers(made, prefix="rcb-1", load_media=load_media)) == []


def test_what_the_test_above_looks_for_is_found() -> None:
    hostile_page = "".join(HOSTILE[name] for name in ("script", "frame", "attribute out of a quote"))
    page_of_others = (
        f'<style></style><a href="javascript:1" onclick="1" id="x" style="1" target="_blank">{hostile_page}'
    )
    found = " ".join(dangers(page_of_others, prefix="rcb-1"))
    for part in ("element script", "element iframe", "onclick", "style=", "javascript:", "id of others", "knows this"):
        assert part in found


@hostile
def test_each_place_shows_a_hostile_text_as_text(text: str) -> None:
    view = view_of("", {"retriever_resources": [{"title": text, "content": text}], "steps": [{"name": text}]})
    shown = "".join(Elements(page(view, prefix="p")).text.split())
    for word in ("<script>", "onmouseover=", "javascript:", "<img"):
        assert shown.count(word) >= text.count(word), word


def test_marks_of_direction_and_control_characters_are_taken_out() -> None:
    for text in (HOSTILE["direction"], HOSTILE["controls"], HOSTILE["halves"]):
        made = page(everywhere(text), prefix="p")
        assert not {"\u202e", "\u2066", "\u200f", "\x00", "\x1b", "\ud800"} & set(made)
        made.encode()


ANSWER = Answer(
    text="The rent is **540 €** [1], since May [2]; see [7] and [the lease](https://example.org/lease).",
    sources=(
        Source("It is 540 €.", "lease.pdf", score=0.831, position=1, raw={"url": "https://example.org/a"}),
        Source("Since May.", "letter.md", position=2),
    ),
    steps=(
        Step("a", "node", "Search", status="succeeded", started_at=10, elapsed_s=0.5),
        Step("b", "node", "Code", status="failed", started_at=10, elapsed_s=0.2, error="ZeroDivisionError: no"),
    ),
    reasoning="They *ask* for the rent.",
    usage=Usage(1_200, 340, 0),
)


def test_marks_in_the_text_lead_to_the_numbered_sources_and_others_stay_text() -> None:
    found = Elements(page(view_of_answer(ANSWER), prefix="rcb-7"))
    cites = [one["href"] for one in found.all("a") if one.get("class") == "rcb-cite"]
    assert cites == ["#rcb-7-1", "#rcb-7-2"]
    assert [one["id"] for one in found.all("li")] == ["rcb-7-1", "rcb-7-2"]
    assert "see [7] and" in found.text
    assert "lease.pdf" in found.text
    assert "score 0.83" in found.text


def test_links_say_where_they_lead_and_open_apart() -> None:
    links = [one for one in Elements(page(view_of_answer(ANSWER), prefix="p")).all("a") if "class" not in one]
    assert [one["href"] for one in links] == ["https://example.org/lease", "https://example.org/a"]
    for link in links:
        assert link["title"] == link["href"]
        assert link["target"] == "_blank"
        assert link["rel"] == "noopener noreferrer nofollow"


@pytest.mark.parametrize("mark", ["[2]", "【2】", "$[2]$"])
def test_each_platforms_mark_is_a_link(mark: str) -> None:
    view = view_of(f"Yes {mark}.", {"retriever_resources": [{"position": 2, "title": "a"}]})
    assert '<sup><a class="rcb-cite" href="#p-2"' in page(view, prefix="p")


def test_parts_of_the_text_that_rest_on_a_source_end_in_a_link() -> None:
    resources = [{"position": 1, "spans": [[0, 8]]}, {"position": 2, "spans": [[0, 8], [9, 17]]}]
    made = page(view_of("**One.** Two [x](https://e.org/two).", {"retriever_resources": resources}), prefix="p")
    told = Elements(made)
    assert "One.[1][2] Two x" in told.text  # the end of the second stands in the address of a link: it is left out
    assert "https://e.org/two" in [one["href"] for one in told.all("a")]


def test_numbers_are_the_servers_where_they_differ_and_else_their_places() -> None:
    def numbers(*positions: int | None) -> list[int]:
        return [
            source.number
            for source in view_of("", {"retriever_resources": [{"position": p} for p in positions]}).sources
        ]

    assert numbers(4, 2) == [4, 2]
    assert numbers(1, 1) == [1, 2]
    assert numbers(None, None) == [1, 2]


def test_failures_are_told_in_words_and_not_by_colour_alone() -> None:
    text = Elements(page(view_of_answer(ANSWER), prefix="p")).text
    assert "2 steps in 0.70 s, 1 failed" in text
    assert "✗ failed 0.20 s" in text
    assert "✗ Code: ZeroDivisionError: no" in text


def test_thoughts_are_folded_and_the_price_stands_at_the_end() -> None:
    found = Elements(page(view_of_answer(ANSWER), prefix="p"))
    assert "open" not in found.all("details")[0]
    assert "They ask for the rent." in found.text
    assert found.text.endswith("1,540 tokens (1,200 in, 340 out)")


def test_two_outputs_of_one_answer_share_no_id() -> None:
    ids = [
        {one["id"] for _, one in Elements(page(view_of_answer(ANSWER), prefix=p)).found if "id" in one} for p in "ab"
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_pictures_are_links_unless_they_may_be_loaded() -> None:
    view = view_of(
        "![plan](https://example.org/p.png)", {}, media=medium_of([MediaProduced("image", "https://e.org/i")])
    )
    links = Elements(page(view, prefix="p"))
    assert links.all("img") == []
    assert [one["href"] for one in links.all("a")] == ["https://example.org/p.png", "https://e.org/i"]
    loaded = Elements(page(view, prefix="p", load_media=True)).all("img")
    assert [(one["src"], one["referrerpolicy"]) for one in loaded] == [
        ("https://example.org/p.png", "no-referrer"),
        ("https://e.org/i", "no-referrer"),
    ]


def test_speech_plays_from_the_notebook_itself() -> None:
    pieces = [MediaProduced("audio", data=data, mime_type="audio/mpeg") for data in (b"one", b"two")]
    (sound,) = Elements(page(view_of("", {}, media=medium_of(pieces)), prefix="p")).all("audio")
    assert sound["src"] == "data:audio/mpeg;base64,b25ldHdv"


def test_what_is_too_much_for_a_page_is_cut_and_said_so() -> None:
    steps = [{"id": str(n), "name": f"step {n}", "kind": "node"} for n in range(1_000)]
    resources = [{"content": "x" * 1_000_000}] + [{"title": "z"}] * 999
    files = [{"kind": "image", "url": f"https://example.org/{n}"} for n in range(1_000)]
    forms = [{"form_content": "f", "actions": [{"id": "x" * 1_000, "title": "x" * 1_000}] * 200}] * 200
    told = {"steps": steps, "retriever_resources": resources, "media": files, "input_required": forms}
    made = page(view_of("y " * 100_000, told), prefix="p")
    assert len(made) < 300_000
    assert "150000 characters more" in made
    for left_out in ("920 steps more", "800 sources more", "950 files more"):
        assert left_out in made


@pytest.mark.parametrize("nested", ["[", "![", "*a **b ", "> ", "- ", "`", "<", "[a](", "| ", "\\", "&", "_a", "~~"])
@pytest.mark.parametrize("length", [15_000, pytest.param(50_000, marks=pytest.mark.matrix)])
def test_a_text_made_to_keep_a_parser_busy_is_shown_in_time(nested: str, length: int) -> None:
    made = page(View(text=nested * (length // len(nested))), prefix="p")
    assert not list(dangers(made, prefix="p"))


def test_the_text_of_a_form_names_its_fields_at_their_places() -> None:
    form = {"form_content": "Check **this**: {{#$output.comment#}}", "actions": [{"id": "go", "title": "Send"}]}
    view = view_of("Wait.", {"input_required": [form]})
    assert "Check <strong>this</strong>: [comment]" in page(view, prefix="rcb")
    assert "Check **this**: [comment]" in in_words(view)
