"""What callers give, checked: constructor fields, per-call arguments, the four keys of a config."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig, ensure_config
from pydantic import ValidationError

from langchain_chatbots.errors import ChatbotUsageError, ToolsRefusedError

PER_CALL = ("conversation_id", "user", "inputs", "files")
# Other chat models take these; the app decides them, so they are accepted and not sent.
NOT_SENT = ("model", "temperature", "max_tokens", "stream", "stop_sequences")
_TOOLS = ("tools", "tool_choice", "functions", "parallel_tool_calls", "response_format")

TOOLS_REFUSED = (
    "A remote bot calls its own tools and takes none from the caller: add the tool to the app on its platform, or "
    "use the bot as one node of a graph (create_agent with tools=[] works) and call tools in another."
)


def checked_call(kwargs: Mapping[str, Any], options: Iterable[str]) -> None:
    """Refuse what a call cannot take.

    Args:
        kwargs: What the call was given.
        options: What calls to this platform may be told beside.

    Raises:
        ToolsRefusedError: For tools.
        ChatbotUsageError: For any other unknown name; it names the nearest that is known.
    """
    for name, value in kwargs.items():
        if name in _TOOLS:
            if value:
                raise ToolsRefusedError(TOOLS_REFUSED)
        elif name not in (*PER_CALL, *NOT_SENT, *options):
            raise ChatbotUsageError(unknown(name, (*PER_CALL, *NOT_SENT, *options, "stop")))


def from_config(config: RunnableConfig | None, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return `kwargs` with what `config["configurable"]` says and the call does not.

    LangChain drops `configurable` when a model is called directly. Inside a graph's node or a chain the config is
    there although nobody passes it on.
    """
    configurable = ensure_config(config).get("configurable") or {}
    found = {name: configurable[name] for name in PER_CALL if configurable.get(name) is not None}
    return {**found, **{name: value for name, value in kwargs.items() if name not in found or value is not None}}


def unknown(name: str, known: Iterable[str]) -> str:
    """Return the sentence about a name that is not known."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"{name} is no argument of this model. " + (f"Did you mean {near[0]}?" if near else "Leave it out.")


def told(error: ValidationError, known: Iterable[str]) -> str:
    """Return what pydantic found, by field, without the values: they may hold the key."""
    found = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in detail["loc"]) or "arguments"
        found.append(unknown(name, known) if detail["type"] == "extra_forbidden" else f"{name}: {detail['msg']}.")
    return " ".join(found) + " Correct the named arguments."
