"""A bot's steps as custom events of LangChain's callbacks, while they happen."""

from __future__ import annotations

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import (
    ensure_config,
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
)

from remote_chatbots import Step
from remote_chatbots.steps import told_of

STEP_EVENT = "remote_chatbots.step"


class StepEvents:
    """Tells the steps of one call to the run in which it happens: a chain's, a graph's, a tool's; else to nobody.

    LangChain has no custom events without such a run, and raises where one is dispatched.

    Args:
        config: The config that the call was given; None if none.
    """

    def __init__(self, config: RunnableConfig | None) -> None:
        self._config = ensure_config(config)
        self._manager: CallbackManager | None = None
        self._async_manager: AsyncCallbackManager | None = None

    def tell(self, step: Step) -> None:
        """Tell a step, as `told_of` writes it."""
        if self._manager is None:
            self._manager = get_callback_manager_for_config(self._config)
        if run_id := self._manager.parent_run_id:
            self._manager.on_custom_event(STEP_EVENT, told_of(step), run_id=run_id)

    async def atell(self, step: Step) -> None:
        """Do as `tell`, awaiting handlers that are coroutines."""
        if self._async_manager is None:
            self._async_manager = get_async_callback_manager_for_config(self._config)
        if run_id := self._async_manager.parent_run_id:
            await self._async_manager.on_custom_event(STEP_EVENT, told_of(step), run_id=run_id)
