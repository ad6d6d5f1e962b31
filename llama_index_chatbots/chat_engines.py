"""A chat engine over a remote bot, which keeps the conversation itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    MessageRole,
)
from llama_index.core.callbacks import CallbackManager, trace_method
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine
from llama_index.core.llms import LLM
from llama_index.core.memory import BaseMemory
from llama_index.core.settings import Settings

from llama_index_chatbots._about_answers import AboutAnswers
from llama_index_chatbots._asked import OF_ENGINE, Asked
from llama_index_chatbots._one_at_a_time import OneAtATime
from llama_index_chatbots._server_memory import ServerMemory
from llama_index_chatbots._translate import Said
from llama_index_chatbots.local_record import LocalRecord
from llama_index_chatbots.remote_llm import RemoteLLM, checked_llm
from llama_index_chatbots.sources import source_nodes
from llama_index_chatbots.streaming import InUse, RemoteStreamingResponse, as_tool_output
from remote_chatbots import BotError, BotUsageError
from remote_chatbots.arguments import unknown
from remote_chatbots.events import IDS
from remote_chatbots.history import Talk, newest_conversation

if TYPE_CHECKING:
    from remote_chatbots import Attachment

Method = TypeVar("Method", bound=Callable[..., Any])


def _traced(method: Method) -> Method:
    """Trace a method as LlamaIndex's engines do, and let it keep its type: LlamaIndex's decorator tells none."""
    return cast(Method, trace_method("chat")(method))


class RemoteChatEngine(AboutAnswers, BaseChatEngine):
    """A conversation with a remote bot. The bot keeps it; the engine knows its id, and a memory holds what was said.

    Example:
        >>> llm = Dify(api_key="app-…", base_url="https://dify.example.com", user="anna")
        >>> engine = RemoteChatEngine.from_llm(llm)
        >>> engine.stream_chat("When does the ferry leave?").print_response_stream()
        >>> print(engine.chat("And on Sundays?").source_nodes)

    Each question is sent once, and only what is new goes with it, whatever the memory returns. Questions to one
    conversation wait for one another, also those of other engines of this process that are in it.

    A question and its answer reach the memory together, when the answer is over: whole, or as far as it had come when
    its reader left or the turn broke. A turn that failed before it said anything leaves nothing there.

    Args:
        llm: The bot.
        memory: Any LlamaIndex memory. Default: a plain record in this object.
        prefix_messages: Messages that stand before the memory's, e.g. a system message.
        conversation_id: The server's id of a conversation to go on with. Default: the one of the memory's newest answer
            of this bot, then the LLM's own; else a new one.
        user: Your name for the person who asks. Default: the LLM's.
        inputs: Values of the app's variables, laid over the LLM's.
        callback_manager: Default: the LLM's.

    Raises:
        BotUsageError: If `llm` is no remote bot.
    """

    def __init__(
        self,
        llm: RemoteLLM,
        memory: BaseMemory | None = None,
        prefix_messages: Sequence[ChatMessage] = (),
        *,
        conversation_id: str | None = None,
        user: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        self._llm = checked_llm(llm)
        self._memory = LocalRecord() if memory is None else memory
        self._prefix_messages = list(prefix_messages)
        session_id: str | None = None
        if isinstance(self._memory, ServerMemory):
            conversation_id, session_id = (
                self._memory.joined_with(llm, conversation_id),
                self._memory.session_id or None,
            )
        self._conversation_id = conversation_id
        of_each_call = {"user": user, "inputs": inputs, "session_id": session_id}
        self._of_each_call = {name: value for name, value in of_each_call.items() if value is not None}
        self.callback_manager = callback_manager or llm.callback_manager
        self._lock = OneAtATime()
        self._goes_on_in(conversation_id)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_lock": None}  # who waits, waits in this process

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=OneAtATime())
        self._goes_on_in(self._conversation_id)

    @classmethod
    def from_llm(cls, llm: RemoteLLM, conversation_id: str | None = None, **options: Any) -> Self:
        """Return an engine over `llm`; the options are those of `from_defaults`."""
        return cls.from_defaults(llm=llm, conversation_id=conversation_id, **options)

    @classmethod
    def from_defaults(
        cls,
        llm: LLM | None = None,
        memory: BaseMemory | None = None,
        memory_cls: type[BaseMemory] = LocalRecord,
        chat_history: list[ChatMessage] | None = None,
        system_prompt: str | None = None,
        prefix_messages: Sequence[ChatMessage] | None = None,
        **options: Any,
    ) -> Self:
        """Return an engine, with what LlamaIndex's own engines take.

        Args:
            llm: The bot. Default: `Settings.llm`.
            memory: Any LlamaIndex memory. Default: a new one of `memory_cls`.
            memory_cls: Its class.
            chat_history: What a new memory begins with. An answer of this bot in it is gone on with.
            system_prompt: A system message before all others.
            prefix_messages: Messages before all others, in its place.
            **options: Those of the constructor.

        Raises:
            BotUsageError: If `llm` is no remote bot, both kinds of prefix are given, or an option is unknown.
        """
        for name in options:
            if name not in OF_ENGINE:
                raise BotUsageError(unknown(name, OF_ENGINE))
        if system_prompt is not None and prefix_messages is not None:
            raise BotUsageError("Give either system_prompt or prefix_messages, not both.")
        if system_prompt is not None:
            prefix_messages = [ChatMessage(role=MessageRole.SYSTEM, content=system_prompt)]
        if memory is None:
            over = {"llm": llm} if issubclass(memory_cls, ServerMemory) else {}
            memory = memory_cls.from_defaults(chat_history=chat_history or [], **over)
        elif chat_history is not None:
            memory.set(chat_history)
        return cls(checked_llm(llm or Settings._llm), memory, prefix_messages or (), **options)

    @property
    def conversation_id(self) -> str:
        """The server's id of the conversation; "" while there is none."""
        return self._conversation_id or ""

    @property
    def chat_history(self) -> list[ChatMessage]:
        """What the memory holds."""
        return self._memory.get_all()

    def reset(self) -> None:
        """Forget the conversation here; the server keeps it. The next question begins a new one."""
        self._memory.reset()
        self._conversation_id = ""
        self._lock = OneAtATime()

    @_traced
    def chat(
        self,
        message: str | ChatMessage,
        chat_history: list[ChatMessage] | None = None,
        *,
        files: Sequence[Attachment] | None = None,
        inputs: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> AgentChatResponse:
        """Return the bot's answer.

        Args:
            message: The question; as a `ChatMessage` with blocks, also with pictures, documents or sound.
            chat_history: Replaces what the memory holds. The newest answer of this bot in it says the conversation.
            files: Files that go with this question; a memory has the message alone.
            inputs: Values of the app's variables for this question, laid over the engine's.
            **others: Refused; the message says where each belongs.

        Raises:
            BotUsageError: If an argument is unknown or wrong, or a file cannot be sent.
            BotError: If the turn fails; with the text and the ids so far.
        """
        asked = Asked.of(message, files, inputs, others)
        with self._lock.held():
            if chat_history is not None:
                self._memory.set(chat_history)
            messages, call = self._call(self._remembered(asked.text), asked, chat_history)
            try:
                response = self._llm.chat(messages, **call)
            except BotError as error:
                self._memory.put_messages(self._of_broken(asked, error, None))
                raise
            self._memory.put_messages(self._of_answered(asked, response))
        return _said(response)

    @_traced
    async def achat(
        self,
        message: str | ChatMessage,
        chat_history: list[ChatMessage] | None = None,
        *,
        files: Sequence[Attachment] | None = None,
        inputs: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> AgentChatResponse:
        """Return the bot's answer: as `chat`."""
        asked = Asked.of(message, files, inputs, others)
        async with self._lock.aheld():
            if chat_history is not None:
                await self._memory.aset(chat_history)
            messages, call = self._call(await self._aremembered(asked.text), asked, chat_history)
            try:
                response = await self._llm.achat(messages, **call)
            except BotError as error:
                await self._memory.aput_messages(self._of_broken(asked, error, None))
                raise
            await self._memory.aput_messages(self._of_answered(asked, response))
        return _said(response)

    @_traced
    def stream_chat(
        self,
        message: str | ChatMessage,
        chat_history: list[ChatMessage] | None = None,
        *,
        files: Sequence[Attachment] | None = None,
        inputs: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> RemoteStreamingResponse:
        """Return the answer, to be read from its `response_gen`. Arguments as of `chat`; nothing is sent before."""
        asked = Asked.of(message, files, inputs, others)
        return RemoteStreamingResponse(open_stream=lambda in_use: self._stream(asked, chat_history, in_use))

    @_traced
    async def astream_chat(
        self,
        message: str | ChatMessage,
        chat_history: list[ChatMessage] | None = None,
        *,
        files: Sequence[Attachment] | None = None,
        inputs: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> RemoteStreamingResponse:
        """Return the answer, to be read from its `async_response_gen()`: as `stream_chat`."""
        asked = Asked.of(message, files, inputs, others)
        return RemoteStreamingResponse(open_async_stream=lambda in_use: self._astream(asked, chat_history, in_use))

    def _stream(self, asked: Asked, chat_history: list[ChatMessage] | None, in_use: InUse) -> ChatResponseGen:
        last: ChatResponse | None = None
        with self._lock.held(in_use):
            if chat_history is not None:
                self._memory.set(chat_history)
            messages, call = self._call(self._remembered(asked.text), asked, chat_history)
            kept: list[ChatMessage] | None = None
            try:
                with closing(self._llm.stream_chat(messages, **call)) as stream:
                    for last in stream:
                        yield last
            except BotError as error:
                kept = self._of_broken(asked, error, last)
                raise
            finally:
                self._memory.put_messages(self._of_answered(asked, last) if kept is None else kept)

    async def _astream(
        self, asked: Asked, chat_history: list[ChatMessage] | None, in_use: InUse
    ) -> ChatResponseAsyncGen:
        last: ChatResponse | None = None
        async with self._lock.aheld(in_use):
            if chat_history is not None:
                await self._memory.aset(chat_history)
            messages, call = self._call(await self._aremembered(asked.text), asked, chat_history)
            kept: list[ChatMessage] | None = None
            try:
                async with aclosing(await self._llm.astream_chat(messages, **call)) as stream:
                    async for last in stream:
                        yield last
            except BotError as error:
                kept = self._of_broken(asked, error, last)
                raise
            finally:
                await self._memory.aput_messages(self._of_answered(asked, last) if kept is None else kept)

    def _remembered(self, message: str | None) -> list[ChatMessage]:
        needed = self._needed()
        return self._memory.get(input=message) if needed is None else needed

    async def _aremembered(self, message: str | None) -> list[ChatMessage]:
        needed = self._needed()
        return await self._memory.aget(input=message) if needed is None else needed

    def _needed(self) -> list[ChatMessage] | None:
        """Return what a memory gives without being read: the server has its history already."""
        if not isinstance(self._memory, ServerMemory):
            return None
        return self._memory.needed(system=bool(self._prefix_messages))

    def _call(
        self, remembered: Sequence[ChatMessage], asked: Asked, chat_history: Sequence[ChatMessage] | None
    ) -> tuple[list[ChatMessage], dict[str, Any]]:
        """Return the messages and the arguments of the call."""
        conversation_id = self._conversation_id
        if chat_history is not None:
            told = newest_conversation(Talk(chat_history, Said, set()), self._llm._own_bot_id())
            conversation_id = told or conversation_id
        where = {} if conversation_id is None else {"conversation_id": conversation_id}
        call = {**self._of_each_call, **where, **asked.along}
        if isinstance(call.get("inputs"), Mapping):
            call["inputs"] = {**self._of_each_call.get("inputs", {}), **call["inputs"]}
        return [*self._prefix_messages, *remembered, asked.message], call

    def _of_answered(self, asked: Asked, response: ChatResponse | None) -> list[ChatMessage]:
        """Return what to remember of a turn that ended, or that its reader left."""
        if response is None:
            return []
        answer = response.message
        self._goes_on_in(answer.additional_kwargs.get("conversation_id"))
        answer.additional_kwargs.setdefault("finish_reason", "stopped")
        return [asked.message, answer]

    def _of_broken(self, asked: Asked, error: BotError, last: ChatResponse | None) -> list[ChatMessage]:
        """Return what to remember of a turn that broke: as far as it had come, if the server knows of it."""
        self._goes_on_in(error.conversation_id)
        if not error.partial_text or not error.conversation_id:
            return []
        told = last.message.additional_kwargs if last is not None else {"bot": self._llm._own_bot_id()}
        ids = {name: value for name in IDS if (value := getattr(error, name))}
        partial = ChatMessage(
            role=MessageRole.ASSISTANT,
            content=error.partial_text,
            additional_kwargs={**told, **ids, "error": error.message},
        )
        return [asked.message, partial]

    def _goes_on_in(self, conversation_id: str | None) -> None:
        if conversation_id:
            self._conversation_id = conversation_id
            if isinstance(self._memory, ServerMemory):
                self._memory.conversation_id = conversation_id
            self._lock = OneAtATime.of(self._llm._own_bot_id(), conversation_id, self._lock)


def _said(response: ChatResponse) -> AgentChatResponse:
    return AgentChatResponse(
        response=response.message.content or "",
        sources=as_tool_output(response),
        source_nodes=source_nodes(response),
        metadata=dict(response.message.additional_kwargs),
    )
