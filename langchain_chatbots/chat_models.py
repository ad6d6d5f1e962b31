"""The chat models that users meet, one for each platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import SecretStr

from langchain_chatbots._blocks import register
from langchain_chatbots.remote_chat_model import RemoteChatModel
from remote_chatbots import DifyApp, DifyOptions
from remote_chatbots.address import Key
from remote_chatbots.platforms.dify.chat import CLOUD_URL
from remote_chatbots.protocol import BotProtocol


class ChatDify(RemoteChatModel):
    """A Dify app (chatbot, agent, chatflow or new agent) as a LangChain chat model.

    Example:
        >>> model = ChatDify(api_key="app-…", base_url="https://dify.example.com", user="anna")
        >>> first = model.invoke("When does the ferry leave?")
        >>> model.invoke([("human", "When does the ferry leave?"), first, ("human", "And on Sundays?")])

    The key is read from DIFY_API_KEY, the address from DIFY_BASE_URL, then DIFY_API_BASE, the user from DIFY_USER.
    """

    base_url: str = CLOUD_URL
    model_name: str = "dify-app"
    workflow_id: str = ""
    """Run this published version of a chatflow; "" runs the newest. Also per call."""
    auto_generate_name: bool = True
    """Whether the server names a new conversation by its first message. Also per call."""
    trace_id: str = ""
    """Your id of the turn in a tracing system: 1 to 128 letters, digits, hyphens, underscores. Also per call."""

    platform: ClassVar[str] = "dify"
    _options: ClassVar[tuple[str, ...]] = ("workflow_id", "auto_generate_name", "trace_id")
    _environment: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "api_key": ("DIFY_API_KEY",),
        "base_url": ("DIFY_BASE_URL", "DIFY_API_BASE"),
        "user": ("DIFY_USER",),
    }

    # Without it, type checkers would build a constructor from the fields, and refuse a key that is a plain string.
    def __init__(self, *, api_key: SecretStr | str | None = None, **given: Any) -> None:
        """Take the fields of `RemoteModelSettings` as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        api_key = SecretStr(api_key) if isinstance(api_key, str) else api_key
        super().__init__(**{"api_key": api_key, **given})

    def _bot(self) -> BotProtocol:
        return DifyApp(
            Key(self.api_key.get_secret_value()),
            self.base_url,
            headers=self.default_headers,
            settings=self._settings(),
            options=DifyOptions(self.workflow_id, self.auto_generate_name, self.trace_id),
        )


register(ChatDify.platform)
