"""What a platform file offers to the clients."""

from __future__ import annotations

from typing import Literal, Protocol

from remote_chatbots.flow import Flow
from remote_chatbots.question import Question
from remote_chatbots.timeouts import Settings

Memory = Literal["server", "client", "either"]


class BotProtocol(Protocol):
    """One bot on one platform: immutable, and without I/O.

    Beside what stands here a platform may offer the small calls of `remote_chatbots.management.Management`, under the
    same names and with the same arguments, each returning a flow whose outcome is the call's; what it does not offer
    is refused by name.
    """

    @property
    def name(self) -> str:
        """The platform, as errors and metadata name it: "dify", "gptbots"."""

    @property
    def memory(self) -> Memory:
        """Who keeps the conversation."""

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
