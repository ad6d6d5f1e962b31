"""The price of a turn in traces of LangChain: in LangSmith's column of costs, and in OpenInference's attributes.

It cannot stand in a message's `usage_metadata`, where LangChain adds up whole numbers and nothing else.
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import BaseRunManager

from remote_chatbots import Usage
from remote_chatbots.dollars import langsmith_costs, openinference_costs


def tell_price(run: BaseRunManager | None, usage: Usage) -> None:
    """Tell those who trace a run that is under way what it cost, if that is known in dollars.

    Args:
        run: The run; None if nobody hears of it.
        usage: What the server says of the turn.
    """
    costs, attributes = langsmith_costs(usage), openinference_costs(usage)
    if run is None or not costs:
        return
    # LangChain has imported it where a run is heard of; otherwise it would bring all of LangSmith.
    from langchain_core.tracers import LangChainTracer

    for handler in run.handlers:
        if isinstance(handler, LangChainTracer):
            traced = handler.run_map.get(str(run.run_id))
            if traced is not None:
                traced.extra["metadata"] = _Priced(traced.extra.get("metadata") or {}, usage_metadata=costs)
        elif hasattr(handler, "get_span") and type(handler).__module__.startswith("openinference."):
            span = handler.get_span(run.run_id)
            if span is not None:
                span.set_attributes(attributes)


class _Priced(dict[str, Any]):
    """Metadata of LangSmith's run, whose usage keeps the price when LangChain's tracer writes the tokens there.

    It does so at the end of the run, in the place of what stands there, just before it sends them.
    """

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "usage_metadata":
            value = {**value, **self.get(name, {})}
        super().__setitem__(name, value)
