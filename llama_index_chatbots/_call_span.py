"""What OpenInference's span of a call cannot know of a remote bot: the provider, and what the turn cost."""

from __future__ import annotations

import sys

from remote_chatbots import Usage
from remote_chatbots.dollars import openinference_costs

_INSTRUMENTATION = "openinference.instrumentation.llama_index"


class CallSpan:
    """The span of the call under way, if OpenInference's instrumentation has one; else nothing is told.

    It is found when this is made: later the reader of a stream may be in a span of its own.

    Args:
        provider: The platform.
    """

    def __init__(self, provider: str) -> None:
        current = getattr(sys.modules.get(_INSTRUMENTATION), "get_current_span", None)
        self._span = current() if current is not None else None
        if self._span is not None:
            self._span.set_attribute("llm.provider", provider)

    def cost(self, usage: Usage) -> None:
        """Tell what the turn cost, if that is known in dollars."""
        # The instrumentation ends the span of a stream that was silent for a minute.
        if self._span is not None and self._span.is_recording():
            self._span.set_attributes(openinference_costs(usage))
