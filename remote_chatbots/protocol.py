"""What a platform file offers to the clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from remote_chatbots.flow import Flow
    from remote_chatbots.question import Question
    from remote_chatbots.searching import Search
    from remote_chatbots.stored_knowledge import StoredDocument, StoredKnowledgeBase
    from remote_chatbots.timeouts import Settings


class BotProtocol(Protocol):
    """One bot on one platform, whose server keeps the conversation: immutable, and without I/O.

    Beside what stands here a platform may offer the small calls of `remote_chatbots.management.Management`, under the
    same names and with the same arguments, each returning a flow whose outcome is the call's; what it does not offer
    is refused by name.
    """

    @property
    def name(self) -> str:
        """The platform, as errors and metadata name it: "dify", "gptbots"."""

    @property
    def settings(self) -> Settings:
        """Patience and sizes."""

    @property
    def bot_id(self) -> str:
        """Equal for equal bots in every process and framework, different for two bots on one host."""

    def ask(self, question: Question) -> Flow[None]:
        """Return the flow of one turn: its last event is `Finished`, or it raises a `BotError`.

        Raises:
            BotUsageError: At once, if the platform cannot take the question as it is.
        """


class KnowledgeProtocol(Protocol):
    """Knowledge bases on one platform: immutable, and without I/O."""

    @property
    def name(self) -> str:
        """The platform, as errors and metadata name it: "dify", "gptbots"."""

    @property
    def settings(self) -> Settings:
        """Patience and sizes."""

    def retrieve(self, query: str, **options: Any) -> Search:
        """Return the search for `query`, described and not begun.

        Raises:
            BotUsageError: At once, if the query or an option is none that the platform takes.
        """

    def check(self, **options: Any) -> None:
        """Refuse options that no search takes.

        Raises:
            BotUsageError: If one is unknown or wrong.
        """

    def knowledge_bases(self, *, limit: int | None = None) -> Flow[list[StoredKnowledgeBase]]:
        """Return the flow that lists the knowledge bases, in the server's order."""

    def documents(self, dataset_id: str, *, limit: int | None = None) -> Flow[list[StoredDocument]]:
        """Return the flow that lists the documents of a knowledge base, in the server's order."""
