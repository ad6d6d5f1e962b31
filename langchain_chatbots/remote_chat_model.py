"""The general chat model: a remote bot behind LangChain's own interface. It knows no platform."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from langchain_chatbots._arguments import from_config
from langchain_chatbots._call import Call, OwnRun, is_unheard, named, noted, run_of, session_of
from langchain_chatbots._events import TOLD, StepsTold
from langchain_chatbots._generations import Generations
from langchain_chatbots._messages import MessageMaker, without_ids
from langchain_chatbots._parts import ProtocolEvents, V1Chunks
from langchain_chatbots._translate import PLAIN, Said
from langchain_chatbots.errors import SAFE_TO_POST_AGAIN, ChatbotUsageError, as_model_errors
from langchain_chatbots.settings import RemoteModelSettings
from remote_chatbots.arguments import check_tools, refusals_of
from remote_chatbots.flow import Flow
from remote_chatbots.history import Talk
from remote_chatbots.known_bot import KnownBot


class RemoteChatModel(RemoteModelSettings):
    """A bot that runs on a platform and keeps the conversation there. This class knows no platform.

    The conversation's id rides on each answer (`response_metadata["conversation_id"]`), so a history that holds the
    bot's answers continues by itself, and only what is new in it is sent. Nothing is kept on the model: one object
    serves many users and conversations at once, in threads and in tasks.

    `user`, `conversation_id`, `inputs` and `files` may also be given per call, through `bind`, or in
    `config["configurable"]`; the call rules, then `bind`, then the config, then the history, then the constructor.

    Errors are those of `remote_chatbots.errors`, and LangChain's `ModelError`s at the same time.
    """

    def bind_tools(self, tools: Sequence[Any], **given: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model where there is no tool, with what is `given` beside bound to it; refuse any tool.

        Raises:
            ToolsRefusedError: If there is one, or a form of the answer; a BotUsageError and a NotImplementedError.
        """
        with as_model_errors(), refusals_of(self.platform):
            given = check_tools({"tools": tools, **given})
        return self.bind(**given) if given else self

    def with_structured_output(  # type: ignore[override]
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str = "json_mode",
        strict: bool | None = None,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a runnable whose answers are objects: the form is asked for in the question, and checked.

        A bot takes no schema from a caller. So the question says which form the answer is to have; an answer in
        another form is asked for once more, in the same conversation. Streams give the one whole object.

        Args:
            schema: A pydantic class, whose objects are returned; a TypedDict or a JSON Schema: then dicts that have
                the keys which it requires, and whose values are not checked.
            include_raw: Whether to return a dict with `raw` (the message), `parsed`, and `parsing_error` in place of
                raising it.
            method: "json_mode" or "json_schema": either way the schema is told in words. "function_calling" is refused.
            strict: Refused if True: no platform holds its bots to a schema.

        Raises:
            BotUsageError: If schema, method or strict cannot be served.
            BotFormatError: On invoke, if the answer is not in the form after the repair; it is LangChain's
                OutputParserException as well.
        """
        # What this and `as_tool` are made of is imported here: most programs never call them.
        from langchain_chatbots._structured import StructuredModel, form_of
        from remote_chatbots.structured import checked_method

        with as_model_errors():
            checked_method(self.platform, method, strict)
            return StructuredModel(self, form_of(schema, self.platform), include_raw=include_raw)

    def as_tool(
        self,
        args_schema: type[BaseModel] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        arg_types: dict[str, type] | None = None,
    ) -> BaseTool:
        """Return a tool that asks the bot: its text is the tool's content, the whole message the artifact.

        Each call begins a conversation of its own, unless the model or `config["configurable"]` names one.

        Args:
            args_schema: The tool's arguments: `question`, a string; all others are values of the app's variables.
                Default: `question` and what `arg_types` names; without that the app's input form after `discover()`:
                types, options, limits and defaults, but for variables that `inputs` of the model hold, and files.
            name: The tool's name. Default: the model's `name`, else `ask_dify_bot` and the like.
            description: What the bot is good for: by this an agent decides whether to ask it. Default: what the app
                says of itself after `discover()`.
            arg_types: Types of the app's variables by name, where there is no `args_schema`.

        Raises:
            BotUsageError: If `args_schema` has no `question`, or the app requires what no argument can be.
        """
        from langchain_chatbots._tool import tool_of

        name = name or self.name or f"ask_{self.platform}_bot"
        with as_model_errors():
            return tool_of(self, args_schema, name=name, description=description, arg_types=arg_types)

    def get_num_tokens(self, text: str) -> int:
        """Return an estimate: a token for each four bytes of UTF-8, rounded up. Which model answers, the app decides.

        With `custom_get_token_ids` it is their count.
        """
        return (
            len(self.get_token_ids(text)) if self.custom_get_token_ids else -(-len(text.encode(errors="replace")) // 4)
        )

    def get_token_ids(self, text: str) -> list[int]:
        """Return what `custom_get_token_ids` returns.

        Raises:
            BotUsageError: Without it: which model answers, and so how it cuts text, only the app knows.
        """
        if self.custom_get_token_ids is None:
            raise ChatbotUsageError(
                f"{self.platform}: the app, not the caller, knows which model cuts text into tokens. Use "
                "get_num_tokens for an estimate, or give custom_get_token_ids=…",
                platform=self.platform,
            )
        return self.custom_get_token_ids(text)

    def with_retry(
        self, *, retry_if_exception_type: Any = SAFE_TO_POST_AGAIN, **given: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return a runnable that tries again, by default only where nothing can be posted twice.

        LangChain's own default tries again whatever was raised.
        """
        return super().with_retry(retry_if_exception_type=retry_if_exception_type, **given)

    # LangChain drops `configurable` when a model is called directly: these six copy it, and nothing else.

    def invoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any  # noqa: A002
    ) -> AIMessage:  # fmt: skip
        """Return the bot's answer.

        Args:
            input: A text, or a history: what is new in it is asked.
            config: LangChain's config; its "configurable" may hold what a call may.
            **kwargs: `user`, `conversation_id` ("" begins a new one), `inputs`, `files`, `stop`, `session_id`, the
                options of the platform, and `model`, a label for traces.
        """
        config, kwargs = self._of_call(config, kwargs)
        call = Call(self, named(config, self.callbacks))
        try:
            with call:
                return super().invoke(input, config, **kwargs)
        finally:
            call.close()

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any  # noqa: A002
    ) -> AIMessage:  # fmt: skip
        """Return the bot's answer: as `invoke`."""
        config, kwargs = self._of_call(config, kwargs)
        call = Call(self, named(config, self.callbacks, awaited=True))
        try:
            with call:
                return await super().ainvoke(input, config, **kwargs)
        finally:
            await call.aclose()

    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any  # noqa: A002
    ) -> Generator[AIMessageChunk, None, None]:  # fmt: skip
        """Yield the answer while it arrives: as `invoke`. Leaving tells the server to stop (at most `stop_wait_s`)."""
        config, kwargs = self._of_call(config, kwargs)
        call = Call(self, named(config, self.callbacks))
        chunks = super().stream(input, config, **kwargs)
        try:
            with call:
                first = next(chunks, None)
            if first is not None:
                yield first
                yield from chunks
        finally:
            chunks.close()  # type: ignore[attr-defined]
            call.close()

    async def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any  # noqa: A002
    ) -> AsyncGenerator[AIMessageChunk, None]:  # fmt: skip
        """Yield the answer while it arrives: as `invoke`.

        Leave early by `contextlib.aclosing`: when it returns, the server was told to stop (at most `stop_wait_s`) and
        the connection is closed. After a bare `break` that happens in the background.
        """
        config, kwargs = self._of_call(config, kwargs)
        call = Call(self, named(config, self.callbacks, awaited=True))
        chunks = super().astream(input, config, **kwargs)
        try:
            with call:
                first = await anext(chunks, None)
            if first is not None:
                yield first
                async for chunk in chunks:
                    yield chunk
        finally:
            await call.aclose()
            # Last: a loop that ends closes all generators at once, and two at one generator would complain.
            await chunks.aclose()  # type: ignore[attr-defined]

    def stream_events(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Yield events; with `version="v3"` return a stream of content blocks. It has no `close`: read it all."""
        config, kwargs = self._of_call(config, kwargs)
        return super().stream_events(input, config, **kwargs)

    def astream_events(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Yield events; with `version="v3"` return an awaitable stream of content blocks, with an `aclose`."""
        config, kwargs = self._of_call(config, kwargs)
        return super().astream_events(input, config, **kwargs)

    # LangChain's cache, for those who switched it on. Streams do not ask it.

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        # LangChain's own would be that of the object this one was copied from, and knows no key.
        asked = {"bot": self._own_bot_id(), "model": dumpd(self), "call": kwargs, "stop": stop}
        return json.dumps(asked, sort_keys=True, default=repr)

    def _convert_cached_generations(self, cache_val: list[Any]) -> list[ChatGeneration]:
        hits = super()._convert_cached_generations(cache_val)
        return [hit.model_copy(update={"message": without_ids(hit.message)}) for hit in hits]

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with as_model_errors():
            known, flow, maker = self._turn(messages, stop, kwargs)
            with StepsTold(run_manager) as steps, known.sync_client().run(flow) as run:
                for event in run:
                    if isinstance(event, TOLD):
                        steps.tell(event)
                    maker.take(event)
                return _result(maker.message(run.answer))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with as_model_errors():
            known, flow, maker = self._turn(messages, stop, kwargs)
            async with StepsTold(run_manager) as steps, known.loop_client().run(flow) as run:
                async for event in run:
                    if isinstance(event, TOLD):
                        await steps.atell(event)
                    maker.take(event)
                return _result(maker.message(run.answer))

    # LangChain itself hands each chunk to on_llm_new_token: doing it here too would double the tokens.

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with as_model_errors():
            known, flow, maker = self._turn(messages, stop, kwargs)
            generations = self._generations(maker, run_manager)
            with StepsTold(run_of(self, run_manager)) as steps, noted(known.sync_client().run(flow), self) as run:
                for event in run:
                    if isinstance(event, TOLD):
                        steps.tell(event)
                    if (generation := generations.of(event)) is not None:
                        yield generation

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        with as_model_errors():
            known, flow, maker = self._turn(messages, stop, kwargs)
            generations = self._generations(maker, run_manager)
            async with StepsTold(run_of(self, run_manager)) as steps, noted(known.loop_client().run(flow), self) as run:
                async for event in run:
                    if isinstance(event, TOLD):
                        await steps.atell(event)
                    if (generation := generations.of(event)) is not None:
                        yield generation

    def _stream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[dict[str, Any]]:
        with as_model_errors():
            known, flow, maker = self._turn(messages, stop, kwargs)
            told_so_far = ProtocolEvents(maker)
            with StepsTold(run_of(self, run_manager)) as steps, noted(known.sync_client().run(flow), self) as run:
                for event in run:
                    if isinstance(event, TOLD):
                        steps.tell(event)
                    yield from told_so_far.of(event)

    async def _astream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[dict[str, Any]]:
        with as_model_errors():
            known, flow, maker = self._turn(messages, stop, kwargs)
            told_so_far = ProtocolEvents(maker)
            async with StepsTold(run_of(self, run_manager)) as steps, noted(known.loop_client().run(flow), self) as run:
                async for event in run:
                    if isinstance(event, TOLD):
                        await steps.atell(event)
                    for protocol_event in told_so_far.of(event):
                        yield protocol_event

    def _generations(self, maker: MessageMaker, run: OwnRun | None) -> Generations:
        chunk_of = V1Chunks(maker).chunk if self.output_version == "v1" else maker.chunk
        # A class that was derived from this one, or whoever has put something around its methods, may keep them too.
        langchains = (type(self)._stream, type(self)._astream) == _STREAMS
        return Generations(chunk_of, keeps_texts=langchains and is_unheard(self, run))

    def _of_call(self, config: RunnableConfig | None, kwargs: dict[str, Any]) -> tuple[RunnableConfig, dict[str, Any]]:
        return from_config(config, kwargs, sessions=self.conversations is not None)

    @contextmanager
    def _about(self) -> Iterator[None]:
        with as_model_errors(), super()._about():
            yield

    def _told_of(self, message: Any) -> Mapping[str, Any] | None:
        if not isinstance(message, AIMessage):
            return None
        told = message.response_metadata
        # A chunk of a stream may hold nothing but the server's id; where the server told none, LangChain's is there.
        of_chunk = isinstance(message, AIMessageChunk) and told.get("model_provider") == self.platform
        own_id = "" if (message.id or "").startswith("lc_") else message.id
        return {"message_id": own_id, **told} if of_chunk else told

    def _turn(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> tuple[KnownBot, Flow[None], MessageMaker]:
        """Return whom to ask, the turn, and what makes messages of its events.

        Raises:
            BotUsageError: If an argument is unknown, missing or wrong.
        """
        known = self._known_now()
        flow, planned = self._turn_flow(known, Talk(messages, Said, PLAIN), stop, kwargs, session_of(self))
        maker = MessageMaker(
            platform=self.platform,
            model_name=kwargs.get("model") or self.model_name,
            bot_id=known.bot_id,
            system=planned.system,
            user=self._other_user(kwargs.get("user")),
            newest=known.newest,
        )
        return known, flow, maker


_STREAMS = (RemoteChatModel._stream, RemoteChatModel._astream)


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])
