"""A GPTBots agent as a LangChain chat model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from pydantic import SecretStr

from langchain_chatbots.remote_chat_model import RemoteChatModel
from remote_chatbots.concealing import concealing
from remote_chatbots.platform_fields.gptbots import GPTBotsFields

if TYPE_CHECKING:
    from langchain_chatbots.chat_models.constructors import ChatGPTBotsArguments


class ChatGPTBots(GPTBotsFields, RemoteChatModel):
    """A GPTBots agent as a LangChain chat model.

    Example:
        >>> model = ChatGPTBots(api_key="app-…", base_url="sg", user="anna")
        >>> first = model.invoke("How many leave days are left?", corner_citation=True)
        >>> model.invoke([("human", "How many leave days are left?"), first, ("human", "And next year?")])

    The key is read from GPTBOTS_API_KEY, the address from GPTBOTS_BASE_URL, the user from GPTBOTS_USER.
    """

    # Without it, type checkers would build a constructor from the fields, and refuse a key that is a plain string.
    @concealing
    def __init__(self, *, api_key: SecretStr | str | None = None, **given: Unpack[ChatGPTBotsArguments]) -> None:
        """Take the fields of `GPTBotsFields` as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        fields: dict[str, Any] = {"api_key": api_key, **given}
        super().__init__(**fields)
