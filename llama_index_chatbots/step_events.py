"""What a bot does on the way to its answer, as LlamaIndex's instrumentation events."""

from __future__ import annotations

from typing import Any

from llama_index.core.instrumentation.events import BaseEvent


class RemoteStepEvent(BaseEvent):
    """A step of a remote bot, told while it happens by the LLM, and by the chat and query engines that ask it.

    The same step is told again with each new state: a tool's call and its result, a node's start and end.

    Attributes:
        step: The step, as in the answer's `additional_kwargs["steps"]`: `id`, `kind`, `name`, `status`, and what is
            known of `parent_id`, `text`, `input`, `output`, `error`, `started_at` (Unix seconds) and `elapsed_s`.
        call_span_id: The `span_id` of the call's other events. This one's own is None, for instrumentation that knows
            spans warns of each event in one that it does not know.
    """

    step: dict[str, Any]
    call_span_id: str | None = None

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which handlers know it."""
        return "RemoteStepEvent"
