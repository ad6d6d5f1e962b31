"""A bot as a tool of somebody else's agent."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import CompletionResponse
from llama_index.core.llms import LLM
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from remote_chatbots.tool_arguments import inputs_of


def tool_of(llm: LLM, arguments: type[BaseModel], *, name: str, description: str, return_direct: bool) -> FunctionTool:
    """Return a tool that asks `llm` the argument `question`, with all other arguments as `inputs`."""

    def ask(question: str, **inputs: Any) -> CompletionResponse:
        return llm.complete(question, **inputs_of(arguments, inputs))

    async def aask(question: str, **inputs: Any) -> CompletionResponse:
        return await llm.acomplete(question, **inputs_of(arguments, inputs))

    return FunctionTool.from_defaults(
        ask,
        async_fn=aask,
        name=name,
        description=description,
        fn_schema=arguments,
        return_direct=return_direct,
    )
