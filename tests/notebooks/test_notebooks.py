"""Notebooks tell the truth: executed on the emulator, they print what is stored in them.

`make notebooks` runs this. With UPDATE_NOTEBOOKS=1 what is printed is stored, and not compared.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from remote_chatbots.emulator import Emulator
from tests.notebooks.execution import executed
from tests.notebooks.rules import complaints
from tests.notebooks.stored import KERNELSPEC, differences, load, save, tidied

pytestmark = pytest.mark.notebooks

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
UPDATE = os.environ.get("UPDATE_NOTEBOOKS") == "1"

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


@pytest.fixture(autouse=True)
def nobodys_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep out what this machine has set up for Jupyter: another kernel of the same name, or settings."""
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    for kind in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{kind}_DIR", str(tmp_path / "jupyter" / kind.lower()))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@each_notebook
async def test_a_notebook_prints_what_is_stored_in_it(path: Path, tmp_path: Path) -> None:
    stored = load(path)
    run = await executed(stored, tmp_path)
    if UPDATE:
        save(run, path)
    elif found := differences(stored, run):
        advice = "If what is printed is right, store it: make notebooks UPDATE=1"
        pytest.fail(f"{path.name} prints what is not stored in it.\n{found}\n\n{advice}", pytrace=False)


@each_notebook
async def test_a_notebook_runs_on_an_app_of_the_readers_own(path: Path, tmp_path: Path) -> None:
    # An emulator that the notebook knows nothing of stands for that app.
    async with Emulator(token_delay_s=0) as app:
        await executed(load(path), tmp_path, DIFY_API_KEY=app.dify_key, DIFY_BASE_URL=app.dify_url)
        assert app.requests


@each_notebook
def test_a_notebook_keeps_to_the_rules(path: Path) -> None:
    assert complaints(load(path), path) == []


# The tests below are about the machinery itself.


def notebook(*sources: str) -> NotebookNode:
    return new_notebook(cells=[new_code_cell(source) for source in sources], metadata={"kernelspec": KERNELSPEC})


def printed(run: NotebookNode) -> list[str]:
    return ["".join(output.text for output in cell.outputs) for cell in run.cells]


async def test_a_kernel_reaches_this_machine_alone_and_knows_nobodys_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "all_proxy", "DIFY_API_KEY", "DIFY_BASE_URL", "LANGSMITH_TRACING", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "http://192.0.2.1:9")
    trying = "try:\n    {}\nexcept PermissionError as error:\n    print(error)".format
    run = await executed(
        notebook(
            "import os, socket",
            "print([name for name, value in os.environ.items() if '192.0.2.1' in value])",
            trying("socket.create_connection(('192.0.2.1', 443))"),
            trying("socket.getaddrinfo('example.com', 443)"),
            "with socket.create_server(('127.0.0.1', 0)) as server:\n"
            "    socket.create_connection(server.getsockname()).close()\n    print('here')",
        ),
        tmp_path,
    )
    refused = "notebooks reach nothing but this machine, and not {}\n".format
    assert printed(run) == ["", "[]\n", refused("192.0.2.1"), refused("example.com"), "here\n"]


async def test_an_emulator_that_is_left_running_is_found(tmp_path: Path) -> None:
    source = "from remote_chatbots.emulator import Emulator\nemulator = Emulator()\nemulator.__enter__()\nprint('on')"
    with pytest.raises(CellExecutionError, match=r"AssertionError: \[\('127\.0\.0\.1', \d+\)\]"):
        await executed(notebook(source), tmp_path)


async def test_a_failing_cell_is_found_unless_it_is_tagged(tmp_path: Path) -> None:
    failing = notebook("print('before')", "1 / 0", "print('after')")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        await executed(failing, tmp_path)
    failing.cells[1].metadata.tags = ["raises-exception"]
    run = tidied(await executed(failing, tmp_path))
    assert run.cells[1].outputs[0].traceback == ["ZeroDivisionError: division by zero"]
    assert run.cells[2].outputs[0].text == "after\n"


def test_outputs_are_compared_as_a_reader_sees_them() -> None:
    stored, run = notebook("print(1)", "print(2)"), notebook("print(1)", "print(2)")
    for each, cut in ((stored, ["a\nb\n"]), (run, ["a\n", "b\n"])):
        for cell in each.cells:
            cell.outputs = [new_output("stream", text=text) for text in cut]
    assert differences(stored, run) == ""
    run.cells[1].outputs[1].text = "c\n"
    run.cells[1].id = stored.cells[1].id = "second"
    assert differences(stored, run).splitlines()[1:] == [
        "Cell second:", "--- stored", "+++ printed", "@@ -3,2 +3,2 @@", " a", "-b", "+c",
    ]  # fmt: skip


def test_pictures_and_times_are_compared_by_their_kind_alone() -> None:
    stored, run = notebook("plt.show()", "ask()"), notebook("plt.show()", "ask()")
    for made, drawn, time_s in ((stored, "AAAA", 1), (run, "BBBB", 2)):
        made.cells[0].outputs = [new_output("display_data", data={"text/plain": "<Figure>", "image/png": drawn})]
        made.cells[1].outputs = [new_output("stream", name="stderr", text=f"\r  0%|\r100%| {time_s} s\n")]
        made.cells[1].metadata.tags = ["differs"]
    assert differences(stored, run) == ""
    assert tidied(run).cells[1].outputs[0].text == "100%| 2 s\n"
    run.cells[0].outputs[0].data["text/plain"] = "<Table>"
    run.cells[1].outputs[0].name = "stdout"
    assert differences(stored, run).count("\nCell ") == 2


async def test_a_bar_in_a_notebook_without_widgets_is_a_bar_and_no_warning(tmp_path: Path) -> None:
    source = (
        "import sys\nsys.modules['ipywidgets'] = None\nfrom remote_chatbots import DifyApp\n"
        "from remote_chatbots.bulk import ask_all\nfrom remote_chatbots.emulator import Emulator\n"
        "with Emulator(token_delay_s=0) as emulator:\n    bot = DifyApp(emulator.dify_key, emulator.dify_url)\n"
        "    told = list(ask_all(bot, ['When?', 'Where?'], user='anna', progress=True))"
    )
    run = tidied(await executed(notebook(source), tmp_path))
    assert [output.name for output in run.cells[0].outputs] == ["stderr"]
    assert run.cells[0].outputs[0].text.startswith("100%|")


def test_what_an_editor_adds_is_not_stored() -> None:
    edited = notebook("print(1)")
    edited.metadata.language_info = {"name": "python", "version": "3.11.7"}
    edited.cells[0].metadata = {"execution": {"iopub.status.idle": "12:00"}, "tags": ["raises-exception"]}
    tidy = tidied(edited)
    assert tidy.metadata == {"kernelspec": KERNELSPEC}
    assert tidy.cells[0].metadata == {"tags": ["raises-exception"]}


def good() -> NotebookNode:
    """Return a notebook that keeps to the rules; links are looked for from the folder of the notebooks."""
    made = new_notebook(
        cells=[
            new_markdown_cell("# A title"),
            new_code_cell("# %pip install remote-chatbots", execution_count=1),
            new_code_cell("USE_EMULATOR = True\nEmulator(seed=1)", execution_count=2),
            new_code_cell("print(1)", execution_count=3, outputs=[new_output("stream", text="1\n")]),
            new_markdown_cell("[Tests](../README.md#tests)"),
        ],
        metadata={"kernelspec": KERNELSPEC},
    )
    for cell, name in zip(made.cells, ("title", "install", "switch", "one", "links"), strict=True):
        cell.id = name
    return made


def printing(text: str) -> Callable[[NotebookNode], None]:
    def change(made: NotebookNode) -> None:
        made.cells[3].outputs[0].text = text

    return change


def having(at: int, **told: object) -> Callable[[NotebookNode], None]:
    def change(made: NotebookNode) -> None:
        made.cells[at].update(told)

    return change


KEY = "app-" + "A1b2" * 6
FAILED = new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])
DRAWN = new_output("display_data", data={"image/png": "A" * 80_100})
RICH = new_output("display_data", data={"text/html": "<b>1</b>"})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (printing("/home/anna/notes.txt\n"), "cell one has a path of one machine: /home/"),
        (printing("C:\\Users\\anna\n"), "cell one has a path of one machine: C:\\Users\\"),
        (printing(f"{KEY}\n"), f"cell one has a key: {KEY}"),
        (printing("http://127.0.0.1:43121/v1\n"), "cell one has a port: 127.0.0.1:43121"),
        (printing("<object at 0x7f12ab34cd56>\n"), "cell one has an address in memory: 0x7f12ab34cd56"),
        (printing("1\n" * 30), "cell one prints more than 25 lines"),
        (having(1, source="# %pip install --index-url x y"), "cell install has a package host: index-url"),
        (having(4, source="<https://files.pythonhosted.example>"), "cell links has a package host: pythonhosted"),
        (having(1, source="%pip install x"), "the first code cell is not an install line"),
        (having(2, source="emulator = Emulator()"), "the second code cell does not set USE_EMULATOR"),
        (having(0, source="No title"), "it does not begin with a title"),
        (having(4, source="No link"), "it does not end with links"),
        (having(4, source="[x](../NONE.md)"), "the link ../NONE.md points to no file"),
        (having(4, source="[x](../README.md#none)"), "the link ../README.md#none points to no heading"),
        (having(3, outputs=[]), "no outputs are stored"),
        (having(3, execution_count=7), "the cells were not run once, from top to bottom"),
        (having(3, outputs=[FAILED]), "cell one failed and is not tagged raises-exception"),
        (having(3, outputs=[new_output("stream", name="stderr", text="!")]), "cell one prints to stderr"),
        (having(3, outputs=[RICH]), "cell one has an output that is more than plain text and pictures"),
        (having(3, outputs=[DRAWN]), "cell one has a picture of more than 60000 bytes"),
        (lambda made: made.metadata.update(language_info={}), "the metadata is more, or other, than the kernelspec"),
    ],
)
def test_what_is_against_the_rules_is_found(
    change: Callable[[NotebookNode], None], complaint: str, tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_text("## Tests\n")
    path = tmp_path / "notebooks" / "made.ipynb"
    path.parent.mkdir()
    made = good()
    save(made, path)
    assert complaints(load(path), path) == []
    change(made)
    found = complaints(made, path)
    assert any(one.startswith(complaint) for one in found), found


async def test_a_kernel_is_spoken_with_over_files(tmp_path: Path) -> None:
    source = "from ipykernel.kernelapp import IPKernelApp\nprint(IPKernelApp.instance().transport)"
    assert printed(await executed(notebook(source), tmp_path)) == ["ipc\n"]
