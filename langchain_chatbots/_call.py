"""What is known of the call under way where LangChain does not hand it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig

from langchain_chatbots._events import StepEvents

Run = TypeVar("Run")
# The runs that it has opened, so that it can close them when it is left (LangChain leaves its own generators to the
# garbage collector when a callback raises), and the config that it was given.
_CALL: ContextVar[tuple[list[Any], RunnableConfig | None] | None] = ContextVar("remote_chatbots_call", default=None)


@contextmanager
def noting(opened: list[Any], config: RunnableConfig | None) -> Iterator[None]:
    """Have the runs that the block opens noted in `opened`, and its steps told to the run of `config`."""
    token = _CALL.set((opened, config))
    try:
        yield
    finally:
        _CALL.reset(token)


def noted(run: Run) -> Run:
    """Return `run`, noted."""
    call = _CALL.get()
    if call is not None:
        call[0].append(run)
    return run


def step_events() -> StepEvents:
    """Return what tells the call's steps."""
    call = _CALL.get()
    return StepEvents(call[1] if call is not None else None)
