"""What a Dify turn may be told beside the question: set on the app, or per question."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from remote_chatbots.arguments import check_options
from remote_chatbots.errors import BotUsageError
from remote_chatbots.platforms.dify.errors import NAME

_TRACE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class DifyOptions:
    """Fields of Dify's chat request that are neither question nor inputs (Dify API reference, "Send chat message").

    Attributes:
        workflow_id: Run this published version of a chatflow; "" runs the newest.
        auto_generate_name: Whether the server names a new conversation by its first message. Default True.
        trace_id: Your id of the turn in a tracing system: 1 to 128 letters, digits, hyphens, underscores. A server
            ignores any other in silence, so it is refused here.

    Raises:
        BotUsageError: If a field is of the wrong type or form. The message names it.
    """

    workflow_id: str = ""
    auto_generate_name: bool = True
    trace_id: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.workflow_id, str):
            raise BotUsageError.of(
                NAME, "workflow_id must be a string. Give the id of a published version of the chatflow."
            )
        if not isinstance(self.auto_generate_name, bool):
            raise BotUsageError.of(NAME, "auto_generate_name must be True or False. Give one of these.")
        if not isinstance(self.trace_id, str) or (self.trace_id and not _TRACE_ID.fullmatch(self.trace_id)):
            raise BotUsageError.of(
                NAME, "trace_id must be 1 to 128 letters, digits, hyphens or underscores. Give such an id."
            )

    def with_those_of(self, given: Mapping[str, Any]) -> DifyOptions:
        """Return these options with the given ones laid over them.

        Raises:
            BotUsageError: If a name is none of the fields, or a value is none that it takes.
        """
        if not given:
            return self
        check_options(given, self, NAME, "a Dify app")
        return replace(self, **given)

    def payload(self) -> dict[str, Any]:
        """Return what of the request's body differs from the server's defaults."""
        told: dict[str, Any] = {}
        if self.workflow_id:
            told["workflow_id"] = self.workflow_id
        if self.trace_id:
            told["trace_id"] = self.trace_id
        if not self.auto_generate_name:
            told["auto_generate_name"] = False
        return told
