"""What every notebook keeps to, so that it can be read by anyone and run anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from nbformat import NotebookNode

from tests.notebooks.stored import DIFFERS, KERNELSPEC, PICTURE, shown, tidied, written

MAX_OUTPUT_LINES = 25
MAX_PICTURE_BYTES = 60_000
_UNWANTED = {
    "a path of one machine": re.compile(
        r"(?<![\w.:/-])/(?:home|root|Users|private|tmp|var|usr|opt|mnt|srv|etc|work|builds|workspace)/|\b[A-Z]:\\+\w+\\"
    ),
    "a key": re.compile(r"\b(?:app|dataset|sk)-[A-Za-z0-9]{8,}"),
    "a port": re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\]):\d+"),
    "a package host": re.compile(
        r"pypi\.|/pypi|pythonhosted|anaconda\.|/simple\b|\b(?:index-url|find-links|trusted-host)\b", re.IGNORECASE
    ),
    "an address in memory": re.compile(r"\b0x[0-9a-f]{6,}\b"),
}
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def complaints(notebook: NotebookNode, path: Path) -> list[str]:
    """Return what is wrong with a notebook, in words; [] if nothing is.

    Args:
        notebook: As it was read.
        path: Its file. What its links point to is looked for from there.
    """
    found = chain(_form(notebook, path), _convention(notebook), _outputs(notebook), _texts(notebook))
    return [*found, *_links(notebook, path)]


def _form(notebook: NotebookNode, path: Path) -> Iterator[str]:
    if notebook.metadata != {"kernelspec": KERNELSPEC}:
        yield "the metadata is more, or other, than the kernelspec python3"
    if path.read_text(encoding="utf-8") != written(tidied(notebook)):
        yield "the file is not as `make notebooks UPDATE=1` writes it"


def _convention(notebook: NotebookNode) -> Iterator[str]:
    first, last = notebook.cells[0], notebook.cells[-1]
    code = _code_cells(notebook)
    if first.cell_type != "markdown" or not first.source.startswith("# "):
        yield "it does not begin with a title"
    if last.cell_type != "markdown" or not _LINK.search(last.source):
        yield "it does not end with links"
    if len(code) < 2:
        yield "it has no code cells for installing and for the switch"
        return
    install, switch = code[0].source, code[1].source
    if "pip install" not in install or not all(line.startswith("#") for line in install.splitlines() if line):
        yield "the first code cell is not an install line, commented out so that the notebook runs offline"
    if not re.search(r"^USE_EMULATOR = ", switch, re.MULTILINE) or not re.search(r"Emulator\([^)]*\bseed=", switch):
        yield "the second code cell does not set USE_EMULATOR, or starts no emulator with a seed"


def _outputs(notebook: NotebookNode) -> Iterator[str]:
    code = _code_cells(notebook)
    if not any(cell.outputs for cell in code):
        yield "no outputs are stored"
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        yield "the cells were not run once, from top to bottom"
    for cell in code:
        for output in cell.outputs:
            tags = cell.metadata.get("tags", [])
            if output.output_type == "error" and "raises-exception" not in tags:
                yield f"cell {cell.id} failed and is not tagged raises-exception"
            if output.get("name") == "stderr" and DIFFERS not in tags:
                yield f"cell {cell.id} prints to stderr, and is not tagged {DIFFERS}"
            # A bot's words are data: nothing that a browser would run is stored. A picture is pixels.
            if set(output.get("data", ())) - {"text/plain", PICTURE}:
                yield f"cell {cell.id} has an output that is more than plain text and pictures"
            if len(output.get("data", {}).get(PICTURE, "")) * 3 // 4 > MAX_PICTURE_BYTES:
                yield f"cell {cell.id} has a picture of more than {MAX_PICTURE_BYTES} bytes"
        if len(shown(cell)) > MAX_OUTPUT_LINES:
            yield f"cell {cell.id} prints more than {MAX_OUTPUT_LINES} lines"


def _texts(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        text = "\n".join([cell.source, *(shown(cell) if cell.cell_type == "code" else [])])
        for what, pattern in _UNWANTED.items():
            if found := pattern.search(text):
                yield f"cell {cell.id} has {what}: {found[0]}"


def _links(notebook: NotebookNode, path: Path) -> Iterator[str]:
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for target in _LINK.findall(prose):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        page = path.parent / name
        if not page.is_file():
            yield f"the link {target} points to no file"
        elif anchor and anchor not in _anchors(page.read_text(encoding="utf-8")):
            yield f"the link {target} points to no heading"


def _anchors(page: str) -> set[str]:
    """Return the names that GitHub gives to the headings of a page."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(page)}


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]
