"""What a LlamaIndex LLM is beside its fields: what is read, what is shown and what is serialised."""

import os
from typing import Any

from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.constants import DEFAULT_NUM_OUTPUTS
from llama_index.core.llms import LLM
from pydantic import Field, SecretStr, field_serializer

from remote_chatbots import Timeouts
from remote_chatbots.arguments import with_environment
from remote_chatbots.bot_fields import BotFields
from remote_chatbots.concealing import concealing

# LlamaIndex's memories count what rides on an answer, some thousand tokens where it has passages and steps, and drop
# the oldest when a share of this is full. Dropping costs more than it spares here: the bot keeps the conversation, only
# what is new is sent, and the newest answer says where to go on. One turn may be more than LlamaIndex's 3,900.
CONTEXT_WINDOW = 128_000


class RemoteLLMSettings(BotFields, LLM):
    """The fields of every LLM of this package."""

    api_key: SecretStr = Field(exclude=True, repr=False)
    context_window: int = Field(
        default=CONTEXT_WINDOW,  # by name: only so do type checkers see that it need not be given
        description="How many tokens LlamaIndex's memories and synthesizers may fill: the platform does not say.",
    )
    num_output: int = Field(
        default=DEFAULT_NUM_OUTPUTS, description="How many tokens of an answer they leave room for."
    )

    @concealing
    def __init__(self, **given: Any) -> None:
        """Take the fields as keyword arguments; what is not given is read from the environment.

        `api_base` is another name of `base_url`.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        if "api_base" in given:
            given.setdefault("base_url", given.pop("api_base"))
        super().__init__(**with_environment(given, self._environment, os.environ))

    @field_serializer("timeout")
    def _clocks(self, value: Any) -> list[float | None]:
        clocks = Timeouts.of(value)
        return [clocks.connect_s, clocks.silence_s, clocks.total_s]

    @property
    def metadata(self) -> LLMMetadata:
        """A chat model that calls no functions of the caller's.

        After `discover()` its name is the app's. Where the platform tells how long a question may be (GPTBots), what a
        synthesizer leaves room for is the rest of the context window, so that it packs no more into a question while
        memories hold as much as before. A `model_name` or a `context_window` that was given rules.
        """
        name, room, learned = self.model_name, self.num_output, self.learned
        longest = learned.parameters.max_question_tokens if learned.parameters else None
        if longest and self.context_window == CONTEXT_WINDOW:
            room = max(room, CONTEXT_WINDOW - longest)
        if learned.info and name == type(self).model_fields["model_name"].default:
            name = learned.info.name or name
        return LLMMetadata(
            context_window=self.context_window,
            num_output=room,
            is_chat_model=True,
            is_function_calling_model=False,
            model_name=name,
        )

    def to_payload(self) -> dict[str, Any]:
        """Return what events and callbacks may say of this LLM; never a key."""
        known = {"provider": self.platform, "model": self.model_name, "bot": self._own_bot_id()}
        return {"class_name": self.class_name(), **self.metadata.model_dump(), **known}
