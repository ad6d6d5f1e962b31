"""What `show` makes of an answer, in a real browser: nothing of the bot's runs, and it is legible on any ground."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from remote_chatbots.display.page import page
from tests.display.shown import everywhere
from tests.hostile_texts import HOSTILE, RAN
from tests.notebooks.browser import CHROMIUM, as_page, dom_of, picture_of
from tests.notebooks.execution import executed
from tests.notebooks.stored import KERNELSPEC

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser here: install chromium (apt-get install chromium)"),
]
_IN_PAGE = (Path(__file__).parent / "in_page.js").read_text(encoding="utf-8")
_TOLD = re.compile(r'data-(\w+)="([^"]*)"')

START = """
from langchain_chatbots import ChatDify, show, show_live
from remote_chatbots.emulator import Cut, Emulator

emulator = Emulator(seed=1, token_delay_s=0.002).__enter__()
bots = {kind: ChatDify(api_key=emulator.key(kind), base_url=emulator.dify_url, user="anna")
        for kind in ("chat", "agent-chat", "advanced-chat", "advanced-chat-form")}
"""
SHOWN = (
    'show(bots["advanced-chat"].invoke("When does the ferry leave? [[iterate]] [[think]] [[log]]"))',
    'show_live(bots["agent-chat"].stream("[[time]] [[md]]")).response_metadata["finish_reason"]',
    'answer = bots["advanced-chat-form"].invoke("Write to the harbour master.")\nshow(answer)\nshow(answer)',
    'emulator.faults.add(Cut(after_bytes=2600))\nshow_live(bots["chat"].stream("[[long]]"))',
    """
from remote_chatbots import Answer, Source, Step
from remote_chatbots.display import show as show_answer
steps = (Step("a", "node", "Search", status="succeeded", started_at=1, elapsed_s=0.5),
         Step("b", "tool", "Rent of each flat", status="failed", started_at=1, elapsed_s=1.5, error="no such flat"),
         Step("c", "node", "Ask a person", started_at=3))
text = "# Rent\\n\\nIt is **540 €** [1], see [the `site`](https://example.org).\\n\\n> so\\n\\n|a|b|\\n|-|-|\\n|1|2|"
show_answer(Answer(text, steps=steps, sources=(Source("It is 540 €.", "lease.pdf"),)))
""",
    "emulator.__exit__(None, None, None)",
)


def told(dom: str) -> dict[str, str]:
    """Return what the script in the page found out."""
    body = dom[dom.rindex("<body") :]
    return dict(_TOLD.findall(body[: body.index(">")]))


def with_script(html: str) -> str:
    return html.replace("</body>", f"<script>{_IN_PAGE}</script></body>")


def plain_page(inner: str) -> str:
    return with_script(f"<!DOCTYPE html><html><head><title>quiet</title></head><body>{inner}</body></html>")


@pytest.mark.parametrize("load_media", [False, True], ids=["links", "loaded"])
async def test_no_script_runs_whatever_a_bot_writes_and_a_reader_clicks(load_media: bool, tmp_path: Path) -> None:
    outputs = [
        page(everywhere(text), prefix=f"rcb-{number}", load_media=load_media)
        for number, text in enumerate(HOSTILE.values())
    ]
    found = told(await dom_of(plain_page("".join(outputs)), tmp_path))
    assert found["title"] == "quiet"
    assert int(found["prodded"]) > 40 * len(HOSTILE)


@pytest.mark.parametrize("name", ["script", "picture that fails", "attribute out of a quote", "svg that loads", "link"])
async def test_a_script_that_runs_would_be_noticed(name: str, tmp_path: Path) -> None:
    raw = {
        "attribute out of a quote": f'<a class="rcb" title="{HOSTILE["attribute out of a quote"]}">x</a>',
        "link": f'<a class="rcb" href="javascript:{RAN};void 0">x</a>',
    }.get(name, HOSTILE[name])
    assert told(await dom_of(plain_page(raw), tmp_path))["title"] == "ran"


async def test_a_hostile_answer_in_an_executed_notebook_stays_quiet_and_no_id_stands_twice(tmp_path: Path) -> None:
    run = await executed(
        _notebook(
            "from remote_chatbots.display import show\nfrom remote_chatbots import Answer, Source, Step\n"
            "from tests.hostile_texts import HOSTILE",
            "for text in HOSTILE.values():\n"
            "    show(Answer(text, sources=(Source(text, text),), steps=(Step('1', 'node', text, error=text),)))",
        ),
        tmp_path,
    )
    found = told(await dom_of(with_script(as_page(run, "light")), tmp_path / "browser"))
    assert found["title"] == "Notebook"
    assert (found["ids"], found["twice"]) == (str(len(HOSTILE)), "0")


async def test_an_answer_is_legible_on_light_and_on_dark_ground(tmp_path: Path) -> None:
    notebook = _notebook(START, *SHOWN)
    notebook.cells[4].metadata.tags = ["raises-exception"]  # the stream that breaks
    run = await executed(notebook, tmp_path)
    for theme in ("light", "dark"):
        found = told(await dom_of(with_script(as_page(run, theme)), tmp_path / theme))
        assert float(found["text"]) >= 4.5, (theme, found)  # WCAG 2.1, 1.4.3
        assert float(found["bar"]) >= 3, (theme, found)  # 1.4.11
        assert found["wide"] == "0", (theme, found)
        png = tmp_path / f"{theme}.png"
        await picture_of(as_page(run, theme), tmp_path / theme, png)
        assert png.read_bytes().startswith(b"\x89PNG")


async def test_a_streamed_answer_is_one_output_that_ends_as_the_whole(tmp_path: Path) -> None:
    run = await executed(_notebook(START, SHOWN[1], SHOWN[-1]), tmp_path)
    shown, result = run.cells[1].outputs
    assert shown.output_type == "display_data"
    assert "answering" not in shown.data["text/html"]
    assert "current_time" in shown.data["text/html"]
    assert shown.data["text/plain"].startswith("Let me check. ")
    assert result.data["text/plain"] == "'stop'"


def _notebook(*sources: str) -> NotebookNode:
    return new_notebook(cells=[new_code_cell(source) for source in sources], metadata={"kernelspec": KERNELSPEC})
