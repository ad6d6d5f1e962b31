"""A Dify app as a LangChain chat model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from pydantic import SecretStr

from langchain_chatbots.remote_chat_model import RemoteChatModel
from remote_chatbots.concealing import concealing
from remote_chatbots.platform_fields.dify import DifyFields

if TYPE_CHECKING:
    from langchain_chatbots.chat_models.constructors import ChatDifyArguments


class ChatDify(DifyFields, RemoteChatModel):
    """A Dify app (chatbot, agent, chatflow or new agent) as a LangChain chat model.

    Example:
        >>> model = ChatDify(api_key="app-…", base_url="https://dify.example.com", user="anna")
        >>> first = model.invoke("When does the ferry leave?")
        >>> model.invoke([("human", "When does the ferry leave?"), first, ("human", "And on Sundays?")])

    The key is read from DIFY_API_KEY, the address from DIFY_BASE_URL, then DIFY_API_BASE, the user from DIFY_USER.
    """

    # Without it, type checkers would build a constructor from the fields, and refuse a key that is a plain string.
    @concealing
    def __init__(self, *, api_key: SecretStr | str | None = None, **given: Unpack[ChatDifyArguments]) -> None:
        """Take the fields of `DifyFields` as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        fields: dict[str, Any] = {"api_key": api_key, **given}
        super().__init__(**fields)
