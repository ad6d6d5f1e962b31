"""A bot as a tool of somebody else's agent."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field, create_model

from langchain_chatbots.errors import ChatbotUsageError

_QUESTION = Field(description="What to ask, in whole sentences: the bot knows nothing of this conversation.")


def tool_of(
    model: BaseChatModel,
    args_schema: type[BaseModel] | None,
    *,
    name: str,
    description: str | None,
    arg_types: dict[str, type] | None,
) -> BaseTool:
    """Return a tool that asks `model` the argument `question`, with all other arguments as `inputs`.

    Raises:
        BotUsageError: If `args_schema` has no `question`.
    """
    if args_schema is None:
        fields: dict[str, Any] = {each: (kind, ...) for each, kind in (arg_types or {}).items()}
        args_schema = create_model(name, **{**fields, "question": (str, _QUESTION)})
    elif "question" not in args_schema.model_fields:
        raise ChatbotUsageError("args_schema has no field question, which the bot is asked. Add question: str.")

    # The config of the tool's call, with its conversation and its trace, is there although nobody passes it on.
    def ask(question: str, **inputs: Any) -> tuple[str, AIMessage]:
        answer = model.invoke(question, **_given(inputs))
        return str(answer.text), answer

    async def aask(question: str, **inputs: Any) -> tuple[str, AIMessage]:
        answer = await model.ainvoke(question, **_given(inputs))
        return str(answer.text), answer

    return StructuredTool.from_function(
        ask,
        aask,
        name=name,
        description=description or "Ask a bot that has knowledge and tools of its own; it answers in words.",
        args_schema=args_schema,
        response_format="content_and_artifact",
    )


def _given(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"inputs": inputs} if inputs else {}
