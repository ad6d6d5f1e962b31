"""Tracebacks as renderers show them that show each frame's locals."""

from __future__ import annotations

import traceback
from pathlib import Path

_TESTS = str(Path(__file__).parent)


def with_locals(error: BaseException, of: str = "") -> str:
    """Return an error's frames with their locals: those of files in `of`; else all but the tests', who know the key."""
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    frames = ((frame.split("\n")[0], frame) for frame in shown.split("  File "))
    return "".join(frame for file, frame in frames if (of in file if of else _TESTS not in file))
