"""A Dify app as a LlamaIndex LLM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from pydantic import Field, SecretStr

from llama_index_chatbots.remote_llm import RemoteLLM
from remote_chatbots.concealing import concealing
from remote_chatbots.platform_fields.dify import DifyFields

if TYPE_CHECKING:
    from llama_index_chatbots.llms.constructors import DifyLLMArguments


class Dify(DifyFields, RemoteLLM):
    """A Dify app (chatbot, agent, chatflow or new agent) as a LlamaIndex LLM.

    Example:
        >>> llm = Dify(api_key="app-…", base_url="https://dify.example.com", user="anna")
        >>> first = llm.chat([ChatMessage("When does the ferry leave?")])
        >>> llm.chat([ChatMessage("When does the ferry leave?"), first.message, ChatMessage("And on Sundays?")])

    The key is read from DIFY_API_KEY, the address from DIFY_BASE_URL, then DIFY_API_BASE, the user from DIFY_USER.
    """

    # Again, because the platform's fields come first, and LlamaIndex has no other way to leave a field out of a dump.
    api_key: SecretStr = Field(exclude=True, repr=False)

    # Without it, type checkers would build a constructor from the fields, and refuse a key that is a plain string.
    @concealing
    def __init__(self, *, api_key: SecretStr | str | None = None, **given: Unpack[DifyLLMArguments]) -> None:
        """Take the fields of `DifyFields` and of LlamaIndex's `LLM` as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        fields: dict[str, Any] = {"api_key": api_key, **given}
        super().__init__(**fields)
