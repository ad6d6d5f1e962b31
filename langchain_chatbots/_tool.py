"""A bot as a tool of somebody else's agent."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field, create_model

from langchain_chatbots.errors import ChatbotUsageError
from langchain_chatbots.settings import RemoteModelSettings
from remote_chatbots.tool_arguments import QUESTION, arguments_of, description_of, inputs_of


def tool_of(
    model: RemoteModelSettings,
    args_schema: type[BaseModel] | None,
    *,
    name: str,
    description: str | None,
    arg_types: dict[str, type] | None,
) -> BaseTool:
    """Return a tool that asks `model` the argument `question`, with all other arguments as `inputs`.

    Raises:
        BotUsageError: If `args_schema` has no `question`, or the app requires what no argument can be.
    """
    if args_schema is not None and "question" not in args_schema.model_fields:
        raise ChatbotUsageError("args_schema has no field question, which the bot is asked. Add question: str.")
    if args_schema is None and arg_types:
        fields: dict[str, Any] = {each: (kind, ...) for each, kind in arg_types.items()}
        args_schema = create_model(name, **{**fields, "question": (str, Field(description=QUESTION))})
    elif args_schema is None:
        args_schema = arguments_of(model.learned.input_form, name, known={*model.inputs, model.system_input or ""})
    schema: type[BaseModel] = args_schema

    # The config of the tool's call, with its conversation and its trace, is there although nobody passes it on.
    def ask(question: str, **inputs: Any) -> tuple[str, AIMessage]:
        answer = model.invoke(question, **inputs_of(schema, inputs))
        return str(answer.text), answer

    async def aask(question: str, **inputs: Any) -> tuple[str, AIMessage]:
        answer = await model.ainvoke(question, **inputs_of(schema, inputs))
        return str(answer.text), answer

    return StructuredTool.from_function(
        ask,
        aask,
        name=name,
        description=description or description_of(model.learned),
        args_schema=schema,
        response_format="content_and_artifact",
    )
