"""How a notebook is kept in its file: without anything that differs from one run, or one editor, to the next."""

from __future__ import annotations

import re
from copy import deepcopy
from difflib import unified_diff
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Tags a cell whose output, times for the most part, is another at each run: it is stored, and only its kind compared.
DIFFERS = "differs"
PICTURE = "image/png"
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n)")


def load(path: Path) -> NotebookNode:
    """Read a notebook.

    Raises:
        nbformat.ValidationError: It is not one of format 4.5.
    """
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return notebook


def save(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook, tidied, in one step: whoever reads the file at the same time sees the old or the new one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(written(tidied(notebook)), encoding="utf-8")
    fresh.replace(path)


def written(notebook: NotebookNode) -> str:
    """Return the text of the notebook's file."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def tidied(notebook: NotebookNode) -> NotebookNode:
    """Return a copy without an editor's traces, each output in the one form in which it is stored."""
    tidy = deepcopy(notebook)
    tidy.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC})
    for cell in tidy.cells:
        cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags} if cell.metadata.get("tags") else {})
        if cell.cell_type == "code":
            cell.outputs = _tidied_outputs(cell.outputs)
    return tidy


def _tidied_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    tidy: list[NotebookNode] = []
    for output in deepcopy(outputs):
        before = tidy[-1] if tidy else None
        if output.output_type == "stream" and before and before.get("name") == output.name:
            before.text += output.text  # where the kernel cut a stream is a matter of time
        else:
            tidy.append(output)
        if "text/plain" in output.get("data", ()):
            output.data.pop("text/html", None)  # a bot's words are data: no page of them is stored
        if output.output_type == "error":
            output.traceback = [f"{output.ename}: {output.evalue}"]  # the real one has paths, and differs by version
    for output in tidy:
        if output.output_type == "stream":
            output.text = _OVERWRITTEN.sub("", output.text)  # of a bar what a reader has before them in the end
    return tidy


def differences(stored: NotebookNode, run: NotebookNode) -> str:
    """Return how the outputs of `run` differ from the stored ones, cell by cell; "" if they are the same."""
    found = []
    for old, new in zip(_code_cells(stored), _code_cells(run), strict=True):
        if _compared(old) != _compared(new) or old.execution_count != new.execution_count:
            lines = unified_diff(shown(old), shown(new), "stored", "printed", lineterm="", n=1)
            found.append(f"\nCell {old.id}:\n" + "\n".join(lines))
    return "".join(found)


def _compared(cell: NotebookNode) -> list[Any]:
    if DIFFERS in cell.metadata.get("tags", []):
        return [(output.output_type, output.get("name"), sorted(output.get("data", ()))) for output in cell.outputs]
    outputs = deepcopy(cell.outputs)
    for output in outputs:
        if PICTURE in output.get("data", ()):
            output.data[PICTURE] = ""  # fonts, and what draws them, differ from one machine to the next
    return outputs


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in tidied(notebook).cells if cell.cell_type == "code"]


def shown(cell: NotebookNode) -> list[str]:
    """Return the lines of what a reader sees below a cell, each output under its kind."""
    lines = [f"[{cell.execution_count or ' '}]"]
    for output in cell.outputs:
        lines += [f"({output.get('name') or output.output_type})", *_text(output).splitlines()]
    return lines


def _text(output: Any) -> str:
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type == "error":
        return "\n".join(output.traceback)
    told = {kind: "(a picture)" if kind == PICTURE else data for kind, data in output.data.items()}
    return "\n".join(f"{kind}: {data}" for kind, data in sorted(told.items()))
