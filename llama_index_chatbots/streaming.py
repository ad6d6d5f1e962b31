"""The streamed response of a chat engine: read by whoever asks for it, without a thread and without a queue."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from typing import Any

from llama_index.core.base.llms.types import ChatResponse, ChatResponseAsyncGen, ChatResponseGen
from llama_index.core.chat_engine.types import StreamingAgentChatResponse
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.events.chat_engine import (
    StreamChatDeltaReceivedEvent,
    StreamChatEndEvent,
    StreamChatErrorEvent,
    StreamChatStartEvent,
)
from llama_index.core.tools import ToolOutput

from llama_index_chatbots._steps import listened_to
from llama_index_chatbots.sources import source_nodes
from remote_chatbots import BotUsageError

dispatcher = get_dispatcher(__name__)
InUse = Callable[[], bool]


class RemoteStreamingResponse(StreamingAgentChatResponse):
    """A streamed answer. Nothing is sent before `response_gen` (or `async_response_gen()`) is read.

    Leaving the `for` early tells the server to stop and closes the connection: in sync code before the next line runs,
    in async code when the generator is closed (`contextlib.aclosing`), after a bare `break` in the background. What had
    been said by then is the response, and stands in the memory.

    A second reading gives the whole text at once.

    Attributes:
        response: The answer, once it was read; if text was withdrawn, what stands in its place.
        source_nodes: The sources, in the server's order; filled when the answer is complete.
        sources: The same as the output of one tool.
        metadata: The ids, usage and whatever else rides on the answer.
        exception: What the reading came to, if it failed; it is raised to the reader.
        is_done: Whether the reading is over.
    """

    def __init__(
        self,
        *,
        open_stream: Callable[[InUse], ChatResponseGen] | None = None,
        open_async_stream: Callable[[InUse], ChatResponseAsyncGen] | None = None,
    ) -> None:
        super().__init__(is_writing_to_memory=False)
        self.metadata: dict[str, Any] = {}
        self._open_stream = open_stream
        self._open_async_stream = open_async_stream
        self._reader: weakref.ref[Any] | None = None
        self._pieces: list[str] = []
        self._last: ChatResponse | None = None

    def __str__(self) -> str:
        return self.response if self.is_done else "".join(self._pieces)

    @property
    def response_gen(self) -> Generator[str, None, None]:
        """The pieces of text, as they arrive.

        Raises:
            BotUsageError: If the response is to be read by `async for`, or is being read already.
            BotError: While iterating, if the turn fails; with the text and the ids so far.
        """
        if self._reader is not None:
            return self._again()
        if self._open_stream is None:
            raise BotUsageError("This response came from astream_chat. Read it by async for … in async_response_gen().")
        reader = self._read(self._open_stream(self._in_use))
        self._reader = weakref.ref(reader)
        return reader

    def async_response_gen(self) -> AsyncGenerator[str, None]:
        """Return the pieces of text, as they arrive.

        Raises:
            BotUsageError: If the response is to be read by `for`, or is being read already.
            BotError: While iterating, if the turn fails; with the text and the ids so far.
        """
        if self._reader is not None:
            return self._aagain()
        if self._open_async_stream is None:
            raise BotUsageError("This response came from stream_chat. Read it by for … in response_gen.")
        reader = self._aread(self._open_async_stream(self._in_use))
        self._reader = weakref.ref(reader)
        return reader

    def _read(self, stream: ChatResponseGen) -> Generator[str, None, None]:
        with self._telling() as take, closing(stream):
            for response in stream:
                if delta := take(response):
                    yield delta

    async def _aread(self, stream: ChatResponseAsyncGen) -> AsyncGenerator[str, None]:
        with self._telling() as take:
            async with aclosing(stream):
                async for response in stream:
                    if delta := take(response):
                        yield delta

    @contextmanager
    def _telling(self) -> Iterator[Callable[[ChatResponse], str | None]]:
        """Tell the four events of a streamed chat around the block, which hands each response to what this gives."""
        listened = listened_to()

        def take(response: ChatResponse) -> str | None:
            self._last = response
            delta = response.delta
            if delta:
                self._pieces.append(delta)
                if listened:
                    dispatcher.event(StreamChatDeltaReceivedEvent(delta=delta))
            return delta

        dispatcher.event(StreamChatStartEvent())
        try:
            yield take
        except (GeneratorExit, asyncio.CancelledError):
            dispatcher.event(StreamChatEndEvent())
            raise
        except Exception as error:
            self.exception = error
            dispatcher.event(StreamChatErrorEvent(exception=error))
            raise
        else:
            dispatcher.event(StreamChatEndEvent())
        finally:
            self._over()

    def _over(self) -> None:
        self.is_done = True
        if self._last is not None:
            message = self._last.message
            self.response = self.unformatted_response = message.content or ""
            self.metadata.update(message.additional_kwargs)
            self.source_nodes.extend(source_nodes(message))
            self.sources.extend(as_tool_output(self._last))

    def _in_use(self) -> bool:
        return self._reader is not None and self._reader() is not None

    def _again(self) -> Generator[str, None, None]:
        self._check_read()
        yield self.response

    async def _aagain(self) -> AsyncGenerator[str, None]:
        self._check_read()
        yield self.response

    def _check_read(self) -> None:
        if not self.is_done:
            raise BotUsageError("This response is being read already. Read it once, to its end.")


def as_tool_output(response: ChatResponse) -> list[ToolOutput]:
    """Return the sources of an answer as the output of one tool, the bot's own retrieval; [] if there are none."""
    nodes = source_nodes(response)
    if not nodes:
        return []
    text = "\n\n".join(node.get_content() for node in nodes)
    name = str(response.message.additional_kwargs.get("model_provider"))
    return [ToolOutput(tool_name=name, content=text or name, raw_input={}, raw_output=nodes)]
