"""A GPTBots agent as a LlamaIndex LLM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from pydantic import Field, SecretStr

from llama_index_chatbots.remote_llm import RemoteLLM
from remote_chatbots.concealing import concealing
from remote_chatbots.platform_fields.gptbots import GPTBotsFields

if TYPE_CHECKING:
    from llama_index_chatbots.llms.constructors import GPTBotsLLMArguments


class GPTBots(GPTBotsFields, RemoteLLM):
    """A GPTBots agent as a LlamaIndex LLM.

    Example:
        >>> llm = GPTBots(api_key="app-…", base_url="sg", user="anna")
        >>> first = llm.chat([ChatMessage("How many leave days are left?")])
        >>> llm.chat([ChatMessage("How many leave days are left?"), first.message, ChatMessage("And next year?")])

    The key is read from GPTBOTS_API_KEY, the address from GPTBOTS_BASE_URL, the user from GPTBOTS_USER.
    """

    # Again, because the platform's fields come first, and LlamaIndex has no other way to leave a field out of a dump.
    api_key: SecretStr = Field(exclude=True, repr=False)

    # Without it, type checkers would build a constructor from the fields, and refuse a key that is a plain string.
    @concealing
    def __init__(self, *, api_key: SecretStr | str | None = None, **given: Unpack[GPTBotsLLMArguments]) -> None:
        """Take the fields of `GPTBotsFields` and of LlamaIndex's `LLM` as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        fields: dict[str, Any] = {"api_key": api_key, **given}
        super().__init__(**fields)
