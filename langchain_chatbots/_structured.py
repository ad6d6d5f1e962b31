"""A chat model whose answers are objects of a form that the caller gives."""

from __future__ import annotations

from functools import partial
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass

from langchain_chatbots.errors import twin_of
from remote_chatbots.errors import BotFormatError, BotUsageError
from remote_chatbots.structured import Answered, AnswerForm, NotInForm, missing_keys, wrong_values


def form_of(schema: Any, platform: str) -> AnswerForm[Any]:
    """Return the form that a schema of LangChain's kinds describes.

    Raises:
        BotUsageError: If it is none.
    """
    of_class = isinstance(schema, type) and is_basemodel_subclass(schema)
    try:
        # A JSON Schema without a title is one all the same, though no tool.
        told = schema if isinstance(schema, dict) and _is_json_schema(schema) else convert_to_json_schema(schema)
    except (ValueError, TypeError, AttributeError) as error:
        raise BotUsageError.of(
            platform,
            f"the schema is none that can be asked for ({error}). Give a pydantic class, a TypedDict, or a "
            "JSON Schema as a dict.",
        ) from None
    parser: JsonOutputParser = PydanticOutputParser(pydantic_object=schema) if of_class else JsonOutputParser()
    return AnswerForm(platform, told, partial(_read, parser, None if of_class else told))


def _read(parser: JsonOutputParser, keys_of: dict[str, Any] | None, text: str) -> Any:
    try:
        value = parser.parse(text)
    except OutputParserException as error:
        found = _problem(error)
    else:
        return value if keys_of is None else missing_keys(value, keys_of)
    raise found


def _is_json_schema(schema: dict[str, Any]) -> bool:
    return bool(schema.keys() & {"properties", "type", "$ref", "anyOf"}) and schema.get("type") != "function"


def _problem(error: OutputParserException) -> NotInForm:
    found = getattr(error.__cause__, "errors", None)  # pydantic's, of either version
    return wrong_values(found()) if found else NotInForm("it does not fit the schema.")


class StructuredModel(Runnable[LanguageModelInput, Any]):
    """Asks a chat model for an answer in a form, and returns the object.

    Args:
        model: The chat model.
        form: The form.
        include_raw: Whether to return the message and what went wrong as well.
    """

    def __init__(self, model: BaseChatModel, form: AnswerForm[Any], *, include_raw: bool = False) -> None:
        self.model = model
        self.form = form
        self.include_raw = include_raw

    def invoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any  # noqa: A002
    ) -> Any:  # fmt: skip
        """Return the object; see `RemoteChatModel.with_structured_output`."""
        return self._call_with_config(self._ask, input, config, **kwargs)

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any  # noqa: A002
    ) -> Any:  # fmt: skip
        """Return the object; see `RemoteChatModel.with_structured_output`."""
        return await self._acall_with_config(self._aask, input, config, **kwargs)

    def _ask(
        self, asked: LanguageModelInput, run_manager: CallbackManagerForChainRun, config: RunnableConfig, **given: Any
    ) -> Any:
        talk = _Talk(self, asked, given)
        while not talk.over:
            answer = self.model.invoke(
                talk.messages, patch_config(config, callbacks=run_manager.get_child()), **talk.given
            )
            talk.take(answer)
        return talk.outcome

    async def _aask(
        self,
        asked: LanguageModelInput,
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
        **given: Any,
    ) -> Any:
        talk = _Talk(self, asked, given)
        while not talk.over:
            answer = await self.model.ainvoke(
                talk.messages, patch_config(config, callbacks=run_manager.get_child()), **talk.given
            )
            talk.take(answer)
        return talk.outcome


class _Talk:
    """What is asked next, and what came of it."""

    def __init__(self, structured: StructuredModel, asked: LanguageModelInput, given: dict[str, Any]) -> None:
        model, form = structured.model, structured.form
        self._include_raw = structured.include_raw
        self._turns = form.asked()
        said = [*model._convert_input(asked).to_messages()]
        self.messages: list[BaseMessage] = [*said, HumanMessage(next(self._turns))]
        told = {"kwargs": {"method": "json_mode"}, "schema": dict(form.schema)}  # for LangSmith
        in_form: dict[str, Any] = dict(getattr(model, "_in_form", {}))
        self.given: dict[str, Any] = {"ls_structured_output_format": told, **in_form, **given}
        self.over = False
        self.outcome: Any = None

    def take(self, answer: AIMessage) -> None:
        """Take an answer; then the talk is over, or the next messages are to be sent.

        Raises:
            BotFormatError: If the answer is not in the form, and it is not asked for once more.
        """
        try:
            say = self._turns.send(Answered(str(answer.text), answer.response_metadata))
        except StopIteration as done:
            self._end(answer, done.value, None)
        except BotFormatError as error:
            twin = twin_of(error)
            if not self._include_raw:
                raise twin from None
            self._end(answer, None, twin)
        else:
            self.messages = [*self.messages, answer, HumanMessage(say)]
            # Also where the call asked for a new conversation: now it is this one.
            self.given = {**self.given, "conversation_id": answer.response_metadata["conversation_id"]}

    def _end(self, answer: AIMessage, parsed: Any, error: BaseException | None) -> None:
        self.over = True
        raw = {"raw": answer, "parsed": parsed, "parsing_error": error}
        self.outcome = raw if self._include_raw else parsed
