"""The knowledge of a GPTBots agent, searched without the agent and its model, and listed.

Sources: GPTBots API reference, "Vector similarity matching", "Knowledge base API". Nobody has recorded that platform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from remote_chatbots.address import checked_headers, checked_key, sent_headers
from remote_chatbots.concealing import conceals
from remote_chatbots.flow import Flow
from remote_chatbots.platforms.gptbots import CLOUD_URL
from remote_chatbots.platforms.gptbots.calls import Calls
from remote_chatbots.platforms.gptbots.chat import server_of
from remote_chatbots.platforms.gptbots.errors import NAME
from remote_chatbots.platforms.gptbots.management import LIST_PAGE_SIZE, Management
from remote_chatbots.platforms.gptbots.retrieval import GPTBotsRetrieval
from remote_chatbots.platforms.gptbots.values import count, seconds, source_of
from remote_chatbots.reading import objects, text
from remote_chatbots.redaction import Hidden
from remote_chatbots.searching import Search, checked_query, found_events, repeatable
from remote_chatbots.stored_knowledge import StoredDocument, StoredKnowledgeBase
from remote_chatbots.timeouts import Settings

_SETTINGS, _OPTIONS = Settings(), GPTBotsRetrieval()


@conceals
@dataclass(frozen=True)
class GPTBotsKnowledge:
    """The knowledge bases of one GPTBots agent.

    Args:
        api_key: The agent's key ("app-…"). Not in `repr`.
        base_url: The server, or a region: "sg", "th", "jp", "cn". Default: Singapore.
        headers: Headers to send beside ours. Not in `repr`.
        settings: Patience and sizes.
        options: What each search is told beside its query; a search's own options are laid over them.

    Raises:
        BotUsageError: If the key or a header is no header value, or the address is none.
    """

    api_key: str = field(repr=False)
    base_url: str = CLOUD_URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Settings = _SETTINGS
    options: GPTBotsRetrieval = _OPTIONS

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", checked_key(self.api_key, "api_key"))
        object.__setattr__(self, "base_url", server_of(self.base_url))
        object.__setattr__(self, "headers", checked_headers(self.headers))

    @property
    def name(self) -> str:
        """The platform: "gptbots"."""
        return NAME

    def retrieve(self, query: str, **options: Any) -> Search:
        """Return the search for `query`: one part, for the server searches several knowledge bases at once.

        A passage has no id of the server's; its score is on a scale that depends on the options.

        Args:
            query: What to look for.
            **options: Fields of `GPTBotsRetrieval`.

        Raises:
            BotUsageError: At once, if the query is blank, or an option is wrong.
        """
        asked = self.options.with_those_of(options)
        return Search((repeatable(self._part(checked_query(query, NAME), asked)),), asked.k)

    def check(self, **options: Any) -> None:
        """Refuse what no search could be told.

        Raises:
            BotUsageError: If an option is unknown or wrong.
        """
        self.options.with_those_of(options)

    def knowledge_bases(self, *, limit: int | None = None) -> Flow[list[StoredKnowledgeBase]]:
        """Return the knowledge bases of the agent, in the server's order; at most `limit` of them."""
        told = yield from self._management().read("/v1/bot/knowledge/base/page")
        return [
            StoredKnowledgeBase(
                dataset_id=text(one.get("id")),
                name=text(one.get("name")),
                description=text(one.get("desc")),
                document_count=count(one.get("doc")),
                raw=one,
            )
            for one in objects(told.get("knowledge_base"))
        ][:limit]

    def documents(self, dataset_id: str, *, limit: int | None = None) -> Flow[list[StoredDocument]]:
        """Return the documents of a knowledge base, in the server's order; at most `limit` of them."""
        query = {"knowledge_base_id": dataset_id}

        def enough(found: list[dict[str, Any]]) -> bool:
            return limit is not None and len(found) >= limit

        found = yield from self._management().pages("/v1/bot/doc/query/page", query, "list", LIST_PAGE_SIZE, enough)
        return [
            StoredDocument(
                document_id=text(one.get("id")),
                name=text(one.get("name")),
                dataset_id=dataset_id,
                status=text(one.get("status")),
                created_at=seconds(one.get("create_time")),
                raw=one,
            )
            for one in found
        ][:limit]

    def _part(self, query: str, options: GPTBotsRetrieval) -> Flow[None]:
        told = yield from self._management(query).submit("/v1/vector/match", {"prompt": query, **options.payload()})
        yield from found_events([source_of(one) for one in objects(told.get("list"))][: options.k])

    def _management(self, *hidden: str) -> Management:
        calls = Calls(self.base_url, sent_headers(self.api_key, self.headers))
        return Management(calls, self.settings, Hidden(self.api_key, self.headers, *hidden))
