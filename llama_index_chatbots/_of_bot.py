"""What stands beside a bot's LLM and reads what its server keeps: its fields, and its calls in both colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn, TypedDict

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.schema import BaseComponent
from llama_index.core.settings import Settings
from pydantic import ConfigDict, Field, SerializeAsAny, ValidationError

import llama_index_chatbots
from llama_index_chatbots._stored import as_message
from llama_index_chatbots.remote_llm import RemoteLLM, checked_llm
from remote_chatbots import BotUsageError
from remote_chatbots.arguments import wrong_fields
from remote_chatbots.stored import StoredConversation, StoredMessage


class OfBotArguments(TypedDict, total=False):
    """What every such component takes beside the LLM, for type checkers."""

    user: str


class OfBot(BaseComponent):
    """A component over what a bot's server keeps. A dump holds no key: it is read from the environment again."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)
    __signature__: ClassVar[Any] = None  # until the schema is built the parents' would stand here

    llm: SerializeAsAny[RemoteLLM]
    user: str = ""

    def __init__(self, *, llm: Any = None, **given: Any) -> None:
        """Take the LLM (default: `Settings.llm`) and the fields.

        Raises:
            BotUsageError: If `llm` is no remote bot, or a field is wrong or unknown.
        """
        llm = checked_llm(_llm_of(llm) if llm is not None else Settings._llm)
        wrong = ""
        try:
            super().__init__(**{"llm": llm, **given})
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            wrong = wrong_fields(details, type(self).model_fields)
        if wrong:  # outside the except: pydantic's error holds what was given
            raise BotUsageError.of(llm.platform, wrong)

    def _read(self, conversation_id: str, last: int | None = None) -> list[ChatMessage]:
        return self._noted(
            conversation_id,
            self.llm._sync_client().history(conversation_id, limit=last, **self._of_reading()),
        )

    async def _aread(self, conversation_id: str, last: int | None = None) -> list[ChatMessage]:
        return self._noted(
            conversation_id,
            await self.llm._loop_client().history(conversation_id, limit=last, **self._of_reading()),
        )

    def _of_reading(self) -> dict[str, Any]:
        return {"user": self.llm._user(self.user), "reasoning": self.llm.reasoning, "steps": self.llm.steps}

    def _noted(self, conversation_id: str, stored: list[StoredMessage]) -> list[ChatMessage]:
        # What was just read need not be asked for again before a question goes on from it.
        newest = next((one.message_id for one in reversed(stored) if one.role == "assistant"), "")
        self.llm._newest_answers().note(conversation_id, newest)
        return [as_message(one, self.llm, self.user) for one in stored]

    def _listed(self, limit: int | None = None) -> list[StoredConversation]:
        return self.llm._sync_client().conversations(user=self.llm._user(self.user), limit=limit)

    async def _alisted(self, limit: int | None = None) -> list[StoredConversation]:
        return await self.llm._loop_client().conversations(user=self.llm._user(self.user), limit=limit)

    def _delete(self, conversation_id: str) -> None:
        self.llm._sync_client().delete(conversation_id, user=self.llm._user(self.user))

    async def _adelete(self, conversation_id: str) -> None:
        await self.llm._loop_client().delete(conversation_id, user=self.llm._user(self.user))

    def _refuse(self, why: str) -> NoReturn:
        raise BotUsageError.of(self.llm.platform, why)


LAST = Field(default=None, ge=1)


def _llm_of(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    name = value.get("class_name", "")
    if name not in ("Dify", "GPTBots"):
        raise BotUsageError("An LLM that this package does not know cannot be read from a dump. Give llm=… beside it.")
    kind: type[RemoteLLM] = getattr(llama_index_chatbots, name)
    return kind.from_dict(dict(value))
