"""A real browser, without a screen and without a net, for what notebooks show."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_TIMEOUT_S = 60
_SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


async def dom_of(page: str, folder: Path) -> str:
    """Return the document that the browser makes of a page, once its scripts and timers of two seconds have run."""
    return await _run(page, folder, "--virtual-time-budget=2000", "--dump-dom")


async def picture_of(page: str, folder: Path, png: Path, *, width: int = 1000, height: int = 1400) -> None:
    """Write what the page looks like to a file."""
    await _run(page, folder, "--virtual-time-budget=2000", f"--window-size={width},{height}", f"--screenshot={png}")


async def _run(page: str, folder: Path, *asked: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    assert CHROMIUM
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *_SWITCHES, f"--user-data-dir={folder / 'profile'}", *asked, file.as_uri(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            out, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, errors.decode()[-2000:]
    return out.decode()


def as_page(notebook: NotebookNode, theme: str) -> str:
    """Return an executed notebook as a page that asks no other machine for anything, in the theme "light" or "dark"."""
    exporter = HTMLExporter(theme=theme, mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="")
    page, _ = exporter.from_notebook_node(nbformat.from_dict(notebook))
    return str(page)
