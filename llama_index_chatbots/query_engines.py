"""A query engine over a remote bot, which retrieves and answers by itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager
from functools import partial
from typing import Any, Self

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.query_engine import BaseQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle

from llama_index_chatbots._about_answers import AboutAnswers
from llama_index_chatbots.remote_llm import RemoteLLM, checked_llm
from llama_index_chatbots.sources import source_nodes


class RemoteQueryEngine(AboutAnswers, BaseQueryEngine):
    """Asks a remote bot; each query begins a conversation of its own.

    Example:
        >>> llm = Dify(api_key="app-…", base_url="https://dify.example.com", user="anna")
        >>> print(RemoteQueryEngine.from_llm(llm).query("When does the ferry leave?").get_formatted_sources())

    A response has the bot's sources as `source_nodes` and the ids, usage and whatever else rides on the answer as
    `metadata`; a streamed one has them once it was read. Closing its `response_gen` early tells the server to stop.

    Where a GPTBots agent names no sources, they are asked for after the answer by one or two requests of their own,
    unless the LLM's `fetch_sources` is False.

    Args:
        llm: The bot.
        streaming: Whether responses are streamed.
        conversation_id: Ask in this conversation, in place of new ones.
        user: Your name for the person who asks. Default: the LLM's.
        inputs: Values of the app's variables, laid over the LLM's.
        callback_manager: Default: the LLM's.

    Raises:
        BotUsageError: If `llm` is no remote bot.
    """

    def __init__(
        self,
        llm: RemoteLLM,
        *,
        streaming: bool = False,
        conversation_id: str | None = None,
        user: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        self._llm = checked_llm(llm)
        self._streaming = streaming
        given = {"conversation_id": conversation_id, "user": user, "inputs": inputs}
        chosen = {name: value for name, value in given.items() if value is not None}
        self._of_each_call = {**self._llm._wanting_sources(), **chosen}
        super().__init__(callback_manager or llm.callback_manager)

    @classmethod
    def from_llm(cls, llm: RemoteLLM, **options: Any) -> Self:
        """Return an engine over `llm`; the options are those of the constructor."""
        return cls(llm, **options)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        asked = _asked(query_bundle)
        with self._telling(query_bundle) as told:
            if self._streaming:
                return told(_streamed(StreamingResponse, partial(self._tokens, asked)))
            return told(_response(self._llm.chat(asked, **self._of_each_call)))

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        asked = _asked(query_bundle)
        with self._telling(query_bundle) as told:
            if self._streaming:
                return told(_streamed(AsyncStreamingResponse, partial(self._atokens, asked)))
            return told(_response(await self._llm.achat(asked, **self._of_each_call)))

    @contextmanager
    def _telling(self, query: QueryBundle) -> Iterator[Callable[[RESPONSE_TYPE], RESPONSE_TYPE]]:
        """Tell callbacks of a query around the block, which passes its response through what this gives."""
        with self.callback_manager.event(CBEventType.QUERY, payload={EventPayload.QUERY_STR: query.query_str}) as event:

            def told(response: RESPONSE_TYPE) -> RESPONSE_TYPE:
                event.on_end(payload={EventPayload.RESPONSE: response})
                return response

            yield told

    def _tokens(
        self, asked: list[ChatMessage], nodes: list[NodeWithScore], metadata: dict[str, Any]
    ) -> Generator[str, None, None]:
        with closing(self._llm.stream_chat(asked, **self._of_each_call)) as stream:
            for response in stream:
                if response.delta:
                    yield response.delta
        _fill(response, nodes, metadata)

    async def _atokens(
        self, asked: list[ChatMessage], nodes: list[NodeWithScore], metadata: dict[str, Any]
    ) -> AsyncGenerator[str, None]:
        async with aclosing(await self._llm.astream_chat(asked, **self._of_each_call)) as stream:
            async for response in stream:
                if response.delta:
                    yield response.delta
        _fill(response, nodes, metadata)


def _asked(query: QueryBundle) -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.USER, content=query.query_str)]


def _streamed(
    kind: Callable[..., RESPONSE_TYPE], tokens: Callable[[list[NodeWithScore], dict[str, Any]], Any]
) -> RESPONSE_TYPE:
    """Return a response whose nodes and metadata are filled in once its tokens were read."""
    nodes: list[NodeWithScore] = []
    metadata: dict[str, Any] = {}
    return kind(tokens(nodes, metadata), nodes, metadata)


def _fill(response: ChatResponse, nodes: list[NodeWithScore], metadata: dict[str, Any]) -> None:
    nodes.extend(source_nodes(response))
    metadata.update(response.message.additional_kwargs)


def _response(answer: ChatResponse) -> Response:
    return Response(answer.message.content or "", source_nodes(answer), dict(answer.message.additional_kwargs))
