"""What OpenInference's span of a call cannot know of a remote bot: the provider, and what the turn cost."""

from __future__ import annotations

import sys
from typing import Any

from remote_chatbots import Usage
from remote_chatbots.dollars import openinference_costs

_INSTRUMENTATION = "openinference.instrumentation.llama_index"


class CallSpan:
    """The span of a call under way, where OpenInference's instrumentation has one.

    Args:
        span: The span.
    """

    def __init__(self, span: Any) -> None:
        self._span = span

    @classmethod
    def of(cls, provider: str) -> CallSpan | None:
        """Return the span of the call that begins, and name its provider there; None if it has none.

        Later the reader of a stream may be in a span of its own.
        """
        current = getattr(sys.modules.get(_INSTRUMENTATION), "get_current_span", None)
        span = current() if current is not None else None
        if span is None:
            return None
        span.set_attribute("llm.provider", provider)
        return cls(span)

    def cost(self, usage: Usage) -> None:
        """Tell what the turn cost, if that is known in dollars."""
        # The instrumentation ends the span of a stream that was silent for a minute.
        if self._span.is_recording():
            self._span.set_attributes(openinference_costs(usage))
