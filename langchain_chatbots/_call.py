"""What is known of the call under way where LangChain does not hand it on."""

from __future__ import annotations

from contextvars import ContextVar, Token
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


class Call:
    """A call under way of a model.

    It knows the runs of ours that it has opened, so that it can close them when it is left (LangChain leaves its own
    generators to the garbage collector when a callback raises), and LangChain's run that it is, which a stream is not
    told. The clocks of an event loop keep it for minutes, so it holds nothing any more once it is over.

    Args:
        bot: The model.
        run: LangChain's run; None if nobody hears of it.
    """

    def __init__(self, bot: RemoteChatModel, run: OwnRun | None) -> None:
        self.bot: RemoteChatModel | None = bot
        self.run = run
        self.opened: list[Any] = []
        self._token: Token[Call | None] | None = None

    def __enter__(self) -> None:
        self._token = _CALL.set(self)

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        _CALL.reset(self._token)

    def close(self) -> None:
        """End the call, and leave what it has opened."""
        for run in self._over():
            run.close()

    async def aclose(self) -> None:
        """Do as `close`, in an event loop."""
        for run in self._over():
            await run.aclose()

    def _over(self) -> list[Any]:
        opened, self.opened = self.opened, []
        self.bot = self.run = self._token = None
        return opened


_CALL: ContextVar[Call | None] = ContextVar("remote_chatbots_call", default=None)


def call_of(bot: RemoteChatModel) -> Call | None:
    """Return the call of this model that is under way here; None if there is none, or another's."""
    call = _CALL.get()
    return call if call is not None and call.bot is bot else None


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


def noted(run: Run, bot: RemoteChatModel) -> Run:
    """Return `run`, noted."""
    if (call := call_of(bot)) is not None:
        call.opened.append(run)
    return run


def session_of(bot: RemoteChatModel) -> Session | None:
    """Return the session of the history under which the model is called; None if that is none of this bot's."""
    around = var_child_runnable_config.get()  # what LangChain asks where a call is given no config
    history = ((around or {}).get("configurable") or {}).get("message_history")
    if history is None or not isinstance(history, langchain_chatbots.RemoteChatMessageHistory):
        return None
    return history.session if history.bot._own_bot_id() == bot._own_bot_id() else None


def run_of(bot: RemoteChatModel, given: OwnRun | None) -> OwnRun | None:
    """Return LangChain's run that the call is, where that is `given` or known; None if nobody hears of it."""
    if given is None and (call := call_of(bot)) is not None:
        return call.run
    return given


def is_unheard(bot: RemoteChatModel, given: OwnRun | None) -> bool:
    """Return whether nobody hears of the call: then none but LangChain and its caller hold what a stream yields."""
    return given is None and (call := call_of(bot)) is not None and call.run is None
