"""Structured prediction with a bot that takes no schema: the form is asked for in words, and checked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, MessageRole
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictInProgressEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.program.utils import process_streaming_objects
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.types import Model, PydanticProgramMode
from pydantic import ValidationError

from remote_chatbots import BotUsageError

if TYPE_CHECKING:
    from llama_index_chatbots.settings import RemoteLLMSettings
    from remote_chatbots.structured import AnswerForm
else:
    RemoteLLMSettings = object  # pydantic would collect all the fields of an LLM once more, at each import

_dispatcher = get_dispatcher(__name__)
_MODES = (PydanticProgramMode.DEFAULT, PydanticProgramMode.LLM)


class StructuredPrediction(RemoteLLMSettings):
    """The four ways to have a pydantic object of an answer; `as_structured_llm` goes by them.

    A bot takes no schema from a caller. So the question says which form the answer is to have; an answer in another
    form is asked for once more, in the same conversation.
    """

    @_dispatcher.span
    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Return an object of `output_cls`.

        Args:
            output_cls: A pydantic class.
            prompt: What to ask.
            llm_kwargs: Arguments of `chat`: `conversation_id`, `user`, `inputs`, `files`.
            **prompt_args: Values of the prompt's variables.

        Raises:
            BotUsageError: If `pydantic_program_mode` is one for models that call functions.
            BotFormatError: If the answer is not in the form after the repair.
        """
        _begin(output_cls, prompt, prompt_args)
        talk = _Talk(self, output_cls, prompt, llm_kwargs, prompt_args)
        while not talk.over:
            talk.take(self.chat(talk.messages, **talk.given))
        predicted: Model = _ended(talk.outcome)
        return predicted

    @_dispatcher.span
    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Return an object of `output_cls`: as `structured_predict`."""
        _begin(output_cls, prompt, prompt_args)
        talk = _Talk(self, output_cls, prompt, llm_kwargs, prompt_args)
        while not talk.over:
            talk.take(await self.achat(talk.messages, **talk.given))
        predicted: Model = _ended(talk.outcome)
        return predicted

    @_dispatcher.span
    def stream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any, None, None]:
        """Yield what there is of the object while it arrives, at last an object of `output_cls`.

        Arguments and errors as of `structured_predict`. Leaving early tells the server to stop.
        """
        _begin(output_cls, prompt, prompt_args)
        talk = _Talk(self, output_cls, prompt, llm_kwargs, prompt_args)
        while not talk.over:
            with closing(self.stream_chat(talk.messages, **talk.given)) as answer:
                for response in answer:
                    if (partial := talk.partial(response)) is not None:
                        yield partial
            talk.take_newest()
        yield _ended(talk.outcome)

    @_dispatcher.span
    async def astream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any, None]:
        """Return a generator of what there is of the object while it arrives: as `stream_structured_predict`."""
        _begin(output_cls, prompt, prompt_args)
        return self._objects(_Talk(self, output_cls, prompt, llm_kwargs, prompt_args))

    async def _objects(self, talk: _Talk) -> AsyncGenerator[Any, None]:
        while not talk.over:
            async with aclosing(await self.astream_chat(talk.messages, **talk.given)) as answer:
                async for response in answer:
                    if (partial := talk.partial(response)) is not None:
                        yield partial
            talk.take_newest()
        yield _ended(talk.outcome)


class _Talk:
    """What is asked next, and what came of it."""

    def __init__(
        self,
        llm: RemoteLLMSettings,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: Mapping[str, Any] | None,
        prompt_args: Mapping[str, Any],
    ) -> None:
        if llm.pydantic_program_mode not in _MODES:
            raise BotUsageError.of(
                llm.platform,
                f"pydantic_program_mode {llm.pydantic_program_mode.value!r} is for models that take "
                "functions from their caller, and a remote bot takes none. Leave it at its default.",
            )
        self._form = _form_of(output_cls, llm.platform)
        self._output_cls = output_cls
        self._turns = self._form.asked()
        said = llm._extend_messages(prompt.format_messages(llm=llm, **prompt_args))
        self.messages: Sequence[ChatMessage] = [*said, _user(next(self._turns))]
        self.given: dict[str, Any] = {**llm._in_form, **(llm_kwargs or {})}
        self.over = False
        self.outcome: Any = None
        self._newest: ChatResponse | None = None
        self._objects: Any = None

    def take(self, answer: ChatResponse) -> None:
        """Take an answer; then the talk is over, or the next messages are to be sent.

        Raises:
            BotFormatError: If the answer is not in the form, and it is not asked for once more.
        """
        from remote_chatbots.structured import Answered

        message = answer.message
        try:
            say = self._turns.send(Answered(message.content or "", message.additional_kwargs))
        except StopIteration as done:
            self.over, self.outcome = True, done.value
            return
        self.messages = [*self.messages, message, _user(say)]
        # Also where the call asked for a new conversation: now it is this one.
        self.given = {**self.given, "conversation_id": message.additional_kwargs["conversation_id"]}

    def take_newest(self) -> None:
        """Take the answer whose stream has ended."""
        assert self._newest is not None  # a turn's stream ends with a response or raises
        self.take(self._newest)

    def partial(self, answer: ChatResponse) -> Any:
        """Return what there is of the object; None if nothing is new."""
        self._newest = answer
        if not answer.delta:
            return None
        from remote_chatbots.structured import begun_in

        text = begun_in(answer.message.content or "", self._form.schema)
        self._objects = process_streaming_objects(
            CompletionResponse(text=text), self._output_cls, cur_objects=self._objects and [self._objects]
        )
        _dispatcher.event(LLMStructuredPredictInProgressEvent(output=self._objects))
        return self._objects


def _form_of(output_cls: type[Model], platform: str) -> AnswerForm[Model]:
    # Here and where an answer is read: every LLM is imported with this module, and few are asked for objects.
    from remote_chatbots.structured import AnswerForm, wrong_values

    def read(text: str) -> Model:
        try:
            return output_cls.model_validate_json(text)
        except ValidationError as error:
            found = wrong_values(error.errors())
        raise found

    return AnswerForm(platform, output_cls.model_json_schema(), read)


def _begin(output_cls: type[Model], prompt: BasePromptTemplate, prompt_args: dict[str, Any]) -> None:
    _dispatcher.event(LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args))


def _ended(outcome: Any) -> Any:
    _dispatcher.event(LLMStructuredPredictEndEvent(output=outcome))
    return outcome


def _user(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.USER, content=text)
