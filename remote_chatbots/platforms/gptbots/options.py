"""What a GPTBots turn may be told beside the question: set on the agent, or per question.

Source: GPTBots API reference, "Send message" and "Send message v2".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from remote_chatbots.arguments import check_options
from remote_chatbots.errors import BotUsageError
from remote_chatbots.platforms.gptbots.errors import NAME

_SCOPES = ("data_ids", "group_ids")


@dataclass(frozen=True, slots=True)
class GPTBotsOptions:
    """Fields of GPTBots' send call that are neither question nor variables ("Send message", "conversation_config").

    Attributes:
        short_term_memory: Whether this turn remembers the conversation's recent turns; None: the agent's setting.
        long_term_memory: Whether it uses the long-term memory; None: the agent's setting.
        knowledge: What of the knowledge is searched. None: all that the agent has. Empty (`[]`, `{}`, or a mapping
            whose lists are empty): nothing. A list of document ids, or a mapping with `data_ids` (documents) and
            `group_ids` (knowledge bases, v2 only): these, and where both are given, all of both.
        corner_citation: Whether the agent marks in its text what it cites (`$[1]$`), and names its sources; None: not
            asked for (v2 only).
        citation_marks: Whether those marks stay in the text. Default True; where they stood is told either way.
        fetch_sources: Whether the passages behind an answer that names none are asked for after it: one or two
            requests more, which count against the platform's limits. Default False.

    Raises:
        BotUsageError: If a field is of the wrong type. The message names it.
    """

    short_term_memory: bool | None = None
    long_term_memory: bool | None = None
    knowledge: Any = None
    corner_citation: bool | None = None
    citation_marks: bool = True
    fetch_sources: bool = False

    def __post_init__(self) -> None:
        for name in ("short_term_memory", "long_term_memory", "corner_citation"):
            if not isinstance(getattr(self, name), bool | None):
                raise BotUsageError.of(NAME, f"{name} must be True, False or None. Give one of these.")
        for name in ("citation_marks", "fetch_sources"):
            if not isinstance(getattr(self, name), bool):
                raise BotUsageError.of(NAME, f"{name} must be True or False. Give one of these.")
        self.scope()

    def scope(self) -> dict[str, list[str]] | None:
        """Return `knowledge` as GPTBots takes it; None for no restriction.

        Raises:
            BotUsageError: If it is neither a list of ids nor a mapping of such lists.
        """
        given = self.knowledge
        if given is None:
            return None
        scope = dict(given) if isinstance(given, Mapping) else {"data_ids": given}
        for name, ids in scope.items():
            # A lone string would be taken letter by letter.
            if (
                name not in _SCOPES
                or not isinstance(ids, (list, tuple))
                or not all(isinstance(id_, str) for id_ in ids)
            ):
                raise BotUsageError.of(
                    NAME,
                    "knowledge must be a list of document ids, or a mapping with lists of ids as data_ids and "
                    "group_ids. Give one of these, [] for no knowledge at all, or leave it out for all of it.",
                )
        return {name: list(ids) for name, ids in scope.items()} or {"data_ids": []}

    def with_those_of(self, given: Mapping[str, Any]) -> GPTBotsOptions:
        """Return these options with the given ones laid over them.

        Raises:
            BotUsageError: If a name is none of the fields, or a value is none that it takes.
        """
        if not given:
            return self
        check_options(given, self, NAME, "a GPTBots agent")
        return replace(self, **given)

    def payload(self) -> dict[str, Any]:
        """Return the fields that both versions of the send call have; absent means the agent's own setting."""
        told = {
            "short_term_memory": self.short_term_memory,
            "long_term_memory": self.long_term_memory,
            "knowledge": self.scope(),
        }
        return {name: value for name, value in told.items() if value is not None}
