"""What a user sets on a model of a GPTBots agent, in either face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from remote_chatbots.address import Key
from remote_chatbots.bot_fields import BotFields
from remote_chatbots.field_texts import describe
from remote_chatbots.platforms import gptbots
from remote_chatbots.protocol import BotProtocol


class GPTBotsFields(BotFields):
    """The fields of a GPTBots agent, in either face."""

    base_url: str = gptbots.CLOUD_URL
    """The server, or a region: "sg", "th", "jp", "cn"."""
    model_name: str = "gptbots-agent"
    api_version: str = "auto"
    """The send call: "v2", "v1", or "auto": v2, and v1 where the server does not know v2."""
    short_term_memory: bool | None = None
    """Whether a turn remembers the conversation's recent turns. None: the agent's setting. Also per call."""
    long_term_memory: bool | None = None
    """Whether a turn uses the long-term memory. None: the agent's setting. Also per call."""
    knowledge: Any = None
    """What of the knowledge is searched: document ids, or a mapping with `data_ids` and `group_ids`; [] searches
    nothing. None: all that the agent has. Also per call."""
    corner_citation: bool | None = None
    """Whether the agent marks in its text what it cites (`$[1]$`), and names its sources. Also per call."""
    citation_marks: bool = True
    """Whether those marks stay in the text. Also per call."""
    fetch_sources: bool | None = None
    """Whether the passages behind an answer that names none are asked for after it, by one or two requests of their
    own. None: by the retrievers and `RemoteQueryEngine` alone, which are there for the sources. Also per call."""

    platform: ClassVar[str] = "gptbots"
    _options: ClassVar[tuple[str, ...]] = (
        "short_term_memory", "long_term_memory", "knowledge", "corner_citation", "citation_marks", "fetch_sources",
    )  # fmt: skip
    _in_form: ClassVar[Mapping[str, Any]] = {"citation_marks": False}
    _for_sources: ClassVar[Mapping[str, Any]] = {"fetch_sources": True}
    _environment: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "api_key": ("GPTBOTS_API_KEY",),
        "base_url": ("GPTBOTS_BASE_URL",),
        "user": ("GPTBOTS_USER",),
    }

    def _bot(self) -> BotProtocol:
        options = {name: getattr(self, name) for name in self._options}
        return gptbots.GPTBotsAgent(
            Key(self.api_key.get_secret_value()),
            self.base_url,
            self.api_version,
            headers=self.default_headers,
            settings=self._settings(),
            options=gptbots.GPTBotsOptions(**{**options, "fetch_sources": bool(self.fetch_sources)}),
        )


describe(__name__, GPTBotsFields)
