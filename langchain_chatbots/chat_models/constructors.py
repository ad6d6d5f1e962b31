"""What the constructors of the chat models take, for type checkers: a program imports it when it names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypedDict

from langchain_core.caches import BaseCache
from langchain_core.callbacks import Callbacks
from langchain_core.language_models import ModelProfile
from langchain_core.rate_limiters import BaseRateLimiter

from remote_chatbots.constructors import DifyArguments, GPTBotsArguments


class ChatModelArguments(TypedDict, total=False):
    """What every chat model of LangChain takes, for type checkers."""

    name: str | None
    cache: BaseCache | bool | None
    verbose: bool | None
    callbacks: Callbacks
    tags: list[str] | None
    metadata: dict[str, Any] | None
    custom_get_token_ids: Callable[[str], list[int]] | None
    rate_limiter: BaseRateLimiter | None
    disable_streaming: bool | Literal["tool_calling"] | None
    output_version: str | None
    profile: ModelProfile | None


class ChatDifyArguments(DifyArguments, ChatModelArguments):
    """What `ChatDify` takes beside the key."""


class ChatGPTBotsArguments(GPTBotsArguments, ChatModelArguments):
    """What `ChatGPTBots` takes beside the key."""
