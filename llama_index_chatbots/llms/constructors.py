"""What the constructors of the LLMs take, for type checkers: a program imports it when it names it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager
from llama_index.core.types import BaseOutputParser, PydanticProgramMode

from remote_chatbots.constructors import DifyArguments, GPTBotsArguments


class LLMArguments(TypedDict, total=False):
    """What every LLM of LlamaIndex takes, and ours beside, for type checkers."""

    api_base: str | None
    context_window: int | None
    num_output: int | None
    callback_manager: CallbackManager | None
    rate_limiter: Any
    system_prompt: str | None
    messages_to_prompt: Callable[[Sequence[ChatMessage]], str] | None
    completion_to_prompt: Callable[[str], str] | None
    output_parser: BaseOutputParser | None
    pydantic_program_mode: PydanticProgramMode | None


class DifyLLMArguments(DifyArguments, LLMArguments):
    """What `Dify` takes beside the key."""


class GPTBotsLLMArguments(GPTBotsArguments, LLMArguments):
    """What `GPTBots` takes beside the key."""
