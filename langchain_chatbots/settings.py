"""What a LangChain model is beside its fields: what is read, what is shown and what is serialised."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from langchain_core.language_models import BaseChatModel, LangSmithParams
from pydantic import Field

from langchain_chatbots.errors import as_model_errors
from remote_chatbots import Timeouts
from remote_chatbots.arguments import with_environment
from remote_chatbots.bot_fields import BotFields


class RemoteModelSettings(BotFields, BaseChatModel):
    """The fields of every model of this package."""

    model_config = BotFields.model_config  # LangChain's would ignore unknown fields

    # A cached answer would hand one user another's conversation, so the global cache is not asked.
    cache: Any = Field(default=False, exclude=True)

    _ways_to_name_the_user: ClassVar[str] = "to the call, by bind(user=…), as config={'configurable': {'user': …}}"

    def __init__(self, **given: Any) -> None:
        """Take the fields as keyword arguments; what is not given is read from the environment.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        with as_model_errors():
            super().__init__(**with_environment(given, self._environment, os.environ))

    @property
    def _llm_type(self) -> str:
        return f"{self.platform}-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "base_url": self.base_url, "bot_id": self._own_bot_id()}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return True: `dumpd` and `load` work, the key is read from the environment again."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return where `load` finds the class."""
        return ["langchain_chatbots", "chat_models"]

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Return which fields are secrets, and the variables they are read from."""
        return {"api_key": self._environment["api_key"][0]}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Return what `dumpd` writes in a form of its own."""
        clocks = Timeouts.of(self.timeout)
        return {"timeout": [clocks.connect_s, clocks.silence_s, clocks.total_s]}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider=self.platform, ls_model_name=kwargs.get("model") or self.model_name, ls_model_type="chat"
        )
        if stops := stop or self.stop:
            params["ls_stop"] = stops
        return params
