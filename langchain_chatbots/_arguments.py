"""What LangChain's config may say in place of a call."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig, ensure_config

from remote_chatbots.arguments import PER_CALL


def from_config(
    config: RunnableConfig | None, kwargs: dict[str, Any], *, sessions: bool = False
) -> tuple[RunnableConfig, dict[str, Any]]:
    """Return the whole config of a call, and `kwargs` with what its `configurable` says and the call does not.

    With `sessions`, for a model that has a store of them, also the session: its `session_id`, else its `thread_id`.

    LangChain drops `configurable` when a model is called directly. Inside a graph's node or a chain the config is
    there although nobody passes it on.
    """
    whole = ensure_config(config)
    configurable = whole.get("configurable") or {}
    found = {name: configurable[name] for name in PER_CALL if configurable.get(name) is not None}
    if sessions:
        # LangGraph's checkpointers take a number or a UUID for a thread as well, and keep its text.
        thread_id = configurable.get("thread_id")
        found.setdefault("session_id", None if thread_id is None else str(thread_id))
    else:
        found.pop("session_id", None)
    return whole, {**found, **{name: value for name, value in kwargs.items() if name not in found or value is not None}}
