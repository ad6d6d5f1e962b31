"""Running a notebook from top to bottom in a kernel that knows nothing of whoever runs it."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp

from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

KERNEL_SITE = Path(__file__).parent / "kernel_site"
CHECKOUT = Path(__file__).parents[2]  # what is tested is what stands here, wherever an installation may point
CELL_TIMEOUT_S = 30
# What a process needs to start. All else stays out: proxies, keys, tracing, the user's own settings of Python.
_KEPT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMP", "TEMP", "TMPDIR")
_NOTHING_LEFT = "import sitecustomize\n\nassert not sitecustomize.left_open(), sitecustomize.left_open()"


def kernel_environment(home: Path) -> dict[str, str]:
    """Return the environment of a kernel that is at home in `home`."""
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": os.pathsep.join([str(KERNEL_SITE), str(CHECKOUT)]),
        "MPLCONFIGDIR": _fonts(),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the debugger that ipykernel loads warns at each start
    }


@cache
def _fonts() -> str:
    """Return a folder with matplotlib's list of fonts: a kernel that makes one of its own may say so in the cell."""
    folder = mkdtemp()
    atexit.register(rmtree, folder, ignore_errors=True)
    environment = {**os.environ, "MPLCONFIGDIR": folder, "MPLBACKEND": "agg"}
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], env=environment, check=True)
    return folder


async def executed(notebook: NotebookNode, home: Path, **variables: str) -> NotebookNode:
    """Return a copy of `notebook` with the outputs of this run. The kernel is gone when it is returned.

    Args:
        notebook: Is not changed.
        home: An empty folder, the kernel's home and working directory.
        **variables: Further variables of the kernel's environment.

    Raises:
        CellExecutionError: A cell raised and is not tagged `raises-exception`, or a server was left running.
    """
    run = deepcopy(notebook)
    run.cells.append(new_code_cell(_NOTHING_LEFT))
    client = NotebookClient(
        run,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--InteractiveShell.colors=nocolor"],  # errors are read in a terminal's log
    )
    manager = client.create_kernel_manager()
    with TemporaryDirectory() as channels:
        # Files, not ports: free ports are picked before the kernel takes them, and another process may be sooner.
        manager.transport, manager.ip = "ipc", f"{channels}/kernel"
        await client.async_execute(env={**kernel_environment(home), **variables}, cwd=str(home))
        assert not manager.has_kernel, "nbclient left its kernel running"
    run.cells.pop()
    return run
