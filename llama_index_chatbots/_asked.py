"""A question to a chat engine: its message, and what goes along with this one alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from llama_index.core.base.llms.types import ChatMessage, MessageRole

from remote_chatbots import BotUsageError

if TYPE_CHECKING:
    from remote_chatbots import Attachment

OF_ENGINE = ("prefix_messages", "conversation_id", "user", "inputs", "callback_manager")


class Asked(NamedTuple):
    """What is asked once.

    Attributes:
        message: The question, as it is remembered.
        along: Arguments of this call alone.
    """

    message: ChatMessage
    along: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        message: str | ChatMessage,
        files: Sequence[Attachment] | None,
        inputs: Mapping[str, Any] | None,
        others: Iterable[str],
    ) -> Asked:
        """Return the question.

        Raises:
            BotUsageError: If there are other arguments, or the message is neither text nor a user's message.
        """
        for name in others:
            where = "the engine: RemoteChatEngine.from_llm(llm, {0}=…)" if name in OF_ENGINE else "the LLM: {0}=…"
            raise BotUsageError(
                f"{name} is no argument of one question to a chat engine, which takes files and inputs. Give it to "
                f"{where.format(name)}."
            )
        if isinstance(message, str):
            message = ChatMessage(role=MessageRole.USER, content=message)
        role = message.role.value if isinstance(message, ChatMessage) else None
        if role != "user":
            what = f"one of the role {role}" if role else f"a {type(message).__name__}"
            raise BotUsageError(
                f'The message is {what}, and a question is asked. Give a str, or a ChatMessage of the role "user".'
            )
        given = {"files": files, "inputs": inputs}
        return cls(message, {name: value for name, value in given.items() if value is not None})

    @property
    def text(self) -> str | None:
        """The question's text."""
        return self.message.content
