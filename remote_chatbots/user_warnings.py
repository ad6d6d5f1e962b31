"""Warnings that point at the line of the user's that they are about, not into the packages between."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

# Python 3.12 has `skip_file_prefixes` for this. What stands between a user's line and ours: the frameworks, and how
# Python runs coroutines, threads and context managers.
_BETWEEN = frozenset(
    (
        *("remote_chatbots", "langchain_chatbots", "llama_index_chatbots"),
        *("langchain", "langchain_core", "langgraph", "llama_index", "llama_index_instrumentation", "workflows"),
        *("pydantic", "tenacity", "asyncio", "concurrent", "contextlib", "functools", "threading"),
    )
)


def warn_user(message: str) -> None:
    """Warn, at the line of the user's from which it arises.

    Where there is none (in a thread of a framework's), the warning points at the caller.

    Args:
        message: What is odd, and what to do.
    """
    here: FrameType | None = sys._getframe(1)
    level = 2
    while here is not None and str(here.f_globals.get("__name__")).partition(".")[0] in _BETWEEN:
        here, level = here.f_back, level + 1
    warnings.warn(message, stacklevel=2 if here is None else level)
