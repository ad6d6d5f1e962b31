"""The two frameworks: our model in each, its peer, and the framework alone. What is measured of one is of the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback

from langchain_chatbots import ChatDify
from llama_index_chatbots import Dify
from tests.benchmarks.contenders import KEY, QUESTION

MESSAGES = [ChatMessage(QUESTION)]


class Face(NamedTuple):
    """One framework.

    Attributes:
        name: The framework's.
        ours: Returns our model at an address.
        ours_name: Its name.
        peer: Returns the framework's own model for a chat API with server-sent events.
        peer_name: Its name.
        memory: Returns a model that has the pieces already: the framework alone.
        stream: Streams an answer.
        astream: The same, async.
        text_of: The text that one chunk adds.
    """

    name: str
    ours: Callable[..., Any]
    ours_name: str
    peer: Callable[[str], Any]
    peer_name: str
    memory: Callable[[list[str]], Any]
    stream: Callable[[Any], Iterator[Any]]
    astream: Callable[[Any], AsyncIterator[Any]]
    text_of: Callable[[Any], str]

    def texts(self, model: Any) -> list[str]:
        """Return the text of each chunk of an answer that has any."""
        return [text for chunk in self.stream(model) if (text := self.text_of(chunk))]

    async def atexts(self, model: Any) -> list[str]:
        """Return the text of each chunk of an answer that has any."""
        return [text async for chunk in self.astream(model) if (text := self.text_of(chunk))]


def chat_dify(url: str, *, coalesce: bool = True) -> ChatDify:
    """Return our model for LangChain."""
    return ChatDify(api_key=KEY, base_url=url, user="anna", coalesce=coalesce)


def dify(url: str, *, coalesce: bool = True) -> Dify:
    """Return our model for LlamaIndex."""
    return Dify(api_key=KEY, base_url=url, user="anna", coalesce=coalesce)


class _InLangChain(BaseChatModel):
    """The pieces are there already, and each becomes a chunk as any model must make one."""

    pieces: list[str]

    @property
    def _llm_type(self) -> str:
        return "from-memory"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    def _stream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        for piece in self.pieces:
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))

    async def _astream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for piece in self.pieces:
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))


class _InLlamaIndex(CustomLLM):
    """The pieces are there already, and each becomes a response as the framework's own models make one."""

    pieces: list[str]

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        raise NotImplementedError

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        raise NotImplementedError

    @llm_chat_callback()
    def stream_chat(self, messages: Any, **_: Any) -> Any:
        return self._responses()

    @llm_chat_callback()
    async def astream_chat(self, messages: Any, **_: Any) -> Any:
        async def responses() -> AsyncIterator[ChatResponse]:
            for response in self._responses():
                yield response

        return responses()

    def _responses(self) -> Iterator[ChatResponse]:
        text = ""
        for piece in self.pieces:
            text += piece
            yield ChatResponse(message=ChatMessage(role="assistant", content=text), delta=piece)


def _chat_openai(url: str) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(api_key=KEY, base_url=url, model="gpt-4o-mini", max_retries=0)


def _openai_like(url: str) -> Any:
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(api_key=KEY, api_base=url, model="gpt-4o-mini", max_retries=0, is_chat_model=True)


async def _astream_chat(llm: Any) -> AsyncIterator[ChatResponse]:
    async for response in await llm.astream_chat(MESSAGES):
        yield response


LANGCHAIN = Face(
    name="LangChain",
    ours=chat_dify,
    ours_name="ChatDify",
    peer=_chat_openai,
    peer_name="ChatOpenAI",
    memory=lambda pieces: _InLangChain(pieces=pieces, cache=False),
    stream=lambda model: model.stream(QUESTION),
    astream=lambda model: model.astream(QUESTION),
    text_of=lambda chunk: chunk.text,
)
LLAMA_INDEX = Face(
    name="LlamaIndex",
    ours=dify,
    ours_name="Dify",
    peer=_openai_like,
    peer_name="OpenAILike",
    memory=lambda pieces: _InLlamaIndex(pieces=pieces),
    stream=lambda llm: llm.stream_chat(MESSAGES),
    astream=_astream_chat,
    text_of=lambda response: response.delta or "",
)
FACES = (LANGCHAIN, LLAMA_INDEX)
