"""What is known of the call under way where LangChain does not hand it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun, Callbacks
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import (
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
    var_child_runnable_config,
)
from langchain_core.utils.uuid import uuid7

import langchain_chatbots

if TYPE_CHECKING:
    from langchain_chatbots.remote_chat_model import RemoteChatModel
    from remote_chatbots.sessions import Session

OwnRun = CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun
Run = TypeVar("Run")
# The runs of ours that it has opened, so that it can close them when it is left (LangChain leaves its own generators to
# the garbage collector when a callback raises), and LangChain's run that it is, which a stream is not told.
_CALL: ContextVar[tuple[list[Any], OwnRun | None] | None] = ContextVar("remote_chatbots_call", default=None)


def named(config: RunnableConfig, local: Callbacks, *, awaited: bool = False) -> OwnRun | None:
    """Say in a config which run of LangChain's the call will be, and return that run; None if nobody hears of it.

    Args:
        config: The call's config, with all its keys; it is changed.
        local: The model's own callbacks, which hear of its runs and of nothing below.
        awaited: Whether it is a call of a coroutine.
    """
    manager = (get_async_callback_manager_for_config if awaited else get_callback_manager_for_config)(config)
    own = local if isinstance(local, list) else local.handlers if local is not None else []
    if not manager.handlers and not own:
        return None
    run_id = config.get("run_id") or uuid7()
    config["callbacks"], config["run_id"] = manager, run_id
    return (AsyncCallbackManagerForLLMRun if awaited else CallbackManagerForLLMRun)(
        run_id=run_id,
        handlers=[*manager.handlers, *own],
        inheritable_handlers=manager.inheritable_handlers,
        parent_run_id=manager.parent_run_id,
        inheritable_tags=manager.inheritable_tags,
        inheritable_metadata=manager.inheritable_metadata,
    )


@contextmanager
def noting(opened: list[Any], run: OwnRun | None) -> Iterator[None]:
    """Have the runs that the block opens noted in `opened`, and know that it is `run`."""
    token = _CALL.set((opened, run))
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


def session_of(bot: RemoteChatModel) -> Session | None:
    """Return the session of the history under which the model is called; None if that is none of this bot's."""
    around = var_child_runnable_config.get()  # what LangChain asks where a call is given no config
    history = ((around or {}).get("configurable") or {}).get("message_history")
    if history is None or not isinstance(history, langchain_chatbots.RemoteChatMessageHistory):
        return None
    return history.session if history.bot._own_bot_id() == bot._own_bot_id() else None


def own_run() -> OwnRun | None:
    """Return LangChain's run that the call is; None if nobody hears of it."""
    call = _CALL.get()
    return call[1] if call is not None else None


def is_unheard() -> bool:
    """Return whether nobody hears of the call: then none but LangChain and its caller hold what a stream yields."""
    call = _CALL.get()
    return call is not None and call[1] is None
