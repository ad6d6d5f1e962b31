"""The general LLM: a remote bot behind LlamaIndex's own interface. It knows no platform."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from inspect import signature
from typing import Any, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    MessageRole,
)
from llama_index.core.tools import FunctionTool

from llama_index_chatbots._responses import ResponseMaker, as_completion
from llama_index_chatbots._steps import CHAT, COMPLETION, TOLD, Kind, Step, begun
from llama_index_chatbots._tool import tool_of
from llama_index_chatbots._translate import Said
from llama_index_chatbots.settings import RemoteLLMSettings
from llama_index_chatbots.sources import metadata_of
from llama_index_chatbots.structured import StructuredPrediction
from remote_chatbots import BotUsageError
from remote_chatbots.arguments import refusals_of
from remote_chatbots.flow import Flow
from remote_chatbots.history import Talk
from remote_chatbots.known_bot import KnownBot
from remote_chatbots.tool_arguments import arguments_of, description_of

Response = TypeVar("Response", ChatResponse, CompletionResponse)
Method = TypeVar("Method", bound=Callable[..., Any])


def _with_signature(method: Method) -> Method:
    """Keep a method's signature with it: LlamaIndex's span asks for it at each call, and making it takes long."""
    method.__signature__ = signature(method)  # type: ignore[attr-defined]
    return method


class RemoteLLM(StructuredPrediction, RemoteLLMSettings):
    """A bot that runs on a platform and keeps the conversation there. This class knows no platform.

    The conversation's id rides on each answer (`message.additional_kwargs["conversation_id"]`), so a history that holds
    the bot's answers continues by itself, and only what is new in it is sent. Nothing is kept on the LLM: one object
    serves many users and conversations at once, in threads and in tasks.

    `user`, `conversation_id`, `inputs`, `files` and `stop` may also be given per call; the call rules, then the
    history, then the constructor. In a stream each response holds all of the answer so far, and `delta` what is new; if
    the platform withdraws what it has said, `additional_kwargs["replaced"]` is true and `delta` is the whole new text.

    Errors are those of `remote_chatbots.errors`; one that breaks a stream holds the text so far.
    """

    @classmethod
    def class_name(cls) -> str:
        """Return the name that `to_dict` writes."""
        return cls.__name__

    @_with_signature
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Return the bot's answer; it is read from the stream.

        Args:
            messages: A history: what is new in it is asked.
            **kwargs: `user`, `conversation_id` ("" begins a new one), `inputs`, `files`, `stop`, `session_id`, the
                options of the platform, and `model`, a label for traces.
        """
        return self._answer(CHAT, messages, messages, kwargs, _as_it_is)

    @_with_signature
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Return the answer while it arrives: as `chat`. Leaving tells the server to stop (at most `stop_wait_s`)."""
        return self._stream(CHAT, messages, messages, kwargs, _as_it_is)

    @_with_signature
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Return the bot's answer: as `chat`."""
        return await self._aanswer(CHAT, messages, messages, kwargs, _as_it_is)

    @_with_signature
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Return the answer while it arrives.

        Leave early by `contextlib.aclosing`: when it returns, the server was told to stop (at most `stop_wait_s`) and
        the connection is closed. After a bare `break` that happens in the background.
        """
        return await self._astream(CHAT, messages, messages, kwargs, _as_it_is)

    @_with_signature
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Return the bot's answer to one question: as `chat`."""
        return self._answer(COMPLETION, prompt, self._asking(prompt, formatted), kwargs, as_completion)

    @_with_signature
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Return the answer to one question while it arrives, as `stream_chat`."""
        return self._stream(COMPLETION, prompt, self._asking(prompt, formatted), kwargs, as_completion)

    @_with_signature
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Return the bot's answer to one question: as `chat`."""
        return await self._aanswer(COMPLETION, prompt, self._asking(prompt, formatted), kwargs, as_completion)

    @_with_signature
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """Return the answer to one question while it arrives, as `astream_chat`."""
        return await self._astream(COMPLETION, prompt, self._asking(prompt, formatted), kwargs, as_completion)

    def as_tool(
        self, *, name: str | None = None, description: str | None = None, return_direct: bool = False
    ) -> FunctionTool:
        """Return a tool that asks the bot: its text is the tool's content, the whole response its raw output.

        It takes `question` and, after `discover()`, the variables of the app's input form with their types, options,
        limits and defaults, but for those that `inputs` of the LLM hold, and files. Each call begins a conversation of
        its own, unless the LLM has a fixed one.

        Args:
            name: The tool's name. Default: `ask_dify_bot` and the like.
            description: What the bot is good for: by this an agent decides whether to ask it. Default: what the app
                says of itself after `discover()`.
            return_direct: Whether the answer ends the agent's turn.

        Raises:
            BotUsageError: If the app requires what no argument can be.
        """
        name = name or f"ask_{self.platform}_bot"
        filled = {*self.inputs, self.system_input or ""}
        with refusals_of(self.platform):
            arguments = arguments_of(self.learned.input_form, name, known=filled)
        description = description or description_of(self.learned)
        return tool_of(self, arguments, name=name, description=description, return_direct=return_direct)

    def _answer(
        self,
        kind: Kind,
        asked: Any,
        messages: Sequence[ChatMessage],
        kwargs: Mapping[str, Any],
        shape: Callable[[ChatResponse], Response],
    ) -> Response:
        with begun(kind, self, asked, kwargs) as step:
            known, flow, maker = self._turn(messages, kwargs)
            if self.rate_limiter is not None:
                self.rate_limiter.acquire()
            with known.sync_client().run(flow) as run:
                for event in run:
                    maker.take(event)
                    if isinstance(event, TOLD):
                        step.happened(event)
            answer = shape(maker.response())
            step.ended(answer)
        return answer

    async def _aanswer(
        self,
        kind: Kind,
        asked: Any,
        messages: Sequence[ChatMessage],
        kwargs: Mapping[str, Any],
        shape: Callable[[ChatResponse], Response],
    ) -> Response:
        with begun(kind, self, asked, kwargs) as step:
            known, flow, maker = self._turn(messages, kwargs)
            if self.rate_limiter is not None:
                await self.rate_limiter.async_acquire()
            async with known.loop_client().run(flow) as run:
                async for event in run:
                    maker.take(event)
                    if isinstance(event, TOLD):
                        step.happened(event)
            answer = shape(maker.response())
            step.ended(answer)
        return answer

    def _stream(
        self,
        kind: Kind,
        asked: Any,
        messages: Sequence[ChatMessage],
        kwargs: Mapping[str, Any],
        shape: Callable[[ChatResponse], Response],
    ) -> Generator[Response, None, None]:
        with begun(kind, self, asked, kwargs) as step:
            known, flow, maker = self._turn(messages, kwargs)
            if self.rate_limiter is not None:
                self.rate_limiter.acquire()
        return _read(step, known, flow, maker, shape)

    async def _astream(
        self,
        kind: Kind,
        asked: Any,
        messages: Sequence[ChatMessage],
        kwargs: Mapping[str, Any],
        shape: Callable[[ChatResponse], Response],
    ) -> AsyncGenerator[Response, None]:
        with begun(kind, self, asked, kwargs) as step:
            known, flow, maker = self._turn(messages, kwargs)
            if self.rate_limiter is not None:
                await self.rate_limiter.async_acquire()
        return _aread(step, known, flow, maker, shape)

    def _asking(self, prompt: str, formatted: bool) -> list[ChatMessage]:
        text = prompt if formatted or self.completion_to_prompt is None else self.completion_to_prompt(prompt)
        return [ChatMessage(role=MessageRole.USER, content=text)]

    def _told_of(self, message: Any) -> Mapping[str, Any] | None:
        return metadata_of(message)

    def _turn(
        self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]
    ) -> tuple[KnownBot, Flow[None], ResponseMaker]:
        """Return whom to ask, the turn, and what makes responses of its events.

        Raises:
            BotUsageError: If an argument is unknown, missing or wrong.
        """
        given = dict(kwargs)
        stop = given.pop("stop", None)
        known, talk = self._known_now(), Talk(messages, Said, set())
        flow, planned = self._turn_flow(known, talk, [stop] if isinstance(stop, str) else stop, given)
        maker = ResponseMaker(
            platform=self.platform,
            model_name=given.get("model") or self.model_name,
            bot_id=known.bot_id,
            system=planned.system,
            user=self._other_user(given.get("user")),
            newest=known.newest,
        )
        return known, flow, maker


def _read(
    step: Step, known: KnownBot, flow: Flow[None], maker: ResponseMaker, shape: Callable[[ChatResponse], Response]
) -> Generator[Response, None, None]:
    with step, known.sync_client().run(flow) as run:
        for event in run:
            told = maker.take(event)
            if told is not None:
                response = shape(told)
                step.progress(response)
                yield response
            elif isinstance(event, TOLD):
                step.happened(event)


async def _aread(
    step: Step, known: KnownBot, flow: Flow[None], maker: ResponseMaker, shape: Callable[[ChatResponse], Response]
) -> AsyncGenerator[Response, None]:
    with step:
        async with known.loop_client().run(flow) as run:
            async for event in run:
                told = maker.take(event)
                if told is not None:
                    response = shape(told)
                    step.progress(response)
                    yield response
                elif isinstance(event, TOLD):
                    step.happened(event)


def checked_llm(llm: Any) -> RemoteLLM:
    """Return `llm`.

    Raises:
        BotUsageError: If it is no remote bot.
    """
    if isinstance(llm, RemoteLLM):
        return llm
    what = "no LLM is given" if llm is None else f"a {type(llm).__name__} is no remote bot"
    raise BotUsageError(f"{what[0].upper()}{what[1:]}. Give llm=Dify(…) or set Settings.llm to one.")


def _as_it_is(response: ChatResponse) -> ChatResponse:
    return response
