"""What an LLM promises."""

from __future__ import annotations

import asyncio
import json
import pickle
from contextlib import aclosing, closing
from typing import Any
from unittest import SkipTest

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, MessageRole
from llama_index.core.callbacks import CBEventType
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.llms import LLM
from llama_index.core.prompts import PromptTemplate

from llama_index_chatbots.conformance.listening import callback_listener, heartbeat, listening

Answer = ChatResponse | CompletionResponse


class LLMConformance:
    """The suite for an LLM. Inherit it and say how to make one.

    Attributes:
        question: What is asked; the answer should come in several pieces.
        waits: Whether an answer has to be waited for, on a network or elsewhere.
        accumulates: Whether each response of a stream holds all of the answer so far.
        tells_each_step_once: Whether a call is told as one call, also where a reader leaves its stream. LlamaIndex's
            `CustomLLM` tells a chat as a chat and as a completion, and forgets the end of the latter.
        secret: What must stand in no dump of the LLM; "" if it has none.
        given_again: What `from_dict` must be given beside the dump, because the dump does not hold it.
    """

    question: str = "Tell me a long story."
    waits: bool = True
    accumulates: bool = True
    tells_each_step_once: bool = True
    secret: str = ""
    given_again: dict[str, Any] = {}

    def make_llm(self) -> LLM:
        """Return a new LLM."""
        raise NotImplementedError

    def test_metadata_tells_the_model_and_what_fits_into_it(self) -> None:
        metadata = self.make_llm().metadata
        assert metadata.model_name
        assert metadata.context_window > 0

    def test_chat_and_complete_answer(self) -> None:
        llm = self.make_llm()
        _checked(llm.chat(self._messages()))
        _checked(llm.complete(self.question))

    def test_achat_and_acomplete_answer(self) -> None:
        async def ask() -> None:
            llm = self.make_llm()
            _checked(await llm.achat(self._messages()))
            _checked(await llm.acomplete(self.question))

        asyncio.run(ask())

    def test_streams_add_up(self) -> None:
        llm = self.make_llm()
        self._add_up(list(llm.stream_chat(self._messages())))
        self._add_up(list(llm.stream_complete(self.question)))

    def test_async_streams_add_up(self) -> None:
        async def ask() -> None:
            llm = self.make_llm()
            self._add_up([response async for response in await llm.astream_chat(self._messages())])
            self._add_up([response async for response in await llm.astream_complete(self.question)])

        asyncio.run(ask())

    def test_async_calls_leave_the_loop_free(self) -> None:
        if not self.waits:
            raise SkipTest("There is nothing to wait for.")

        async def ask() -> None:
            llm = self.make_llm()
            await llm.achat(self._messages())  # what is imported or opened with the first call has come
            async with heartbeat() as beats:
                await llm.achat(self._messages())
            assert beats, "achat held up the event loop"
            beats.clear()
            async with heartbeat() as beats:
                async for _ in await llm.astream_complete(self.question):
                    pass
            assert beats, "astream_complete held up the event loop"

        asyncio.run(ask())

    def test_a_chat_is_told_once(self) -> None:
        llm = self.make_llm()
        heard, llm.callback_manager = callback_listener()
        with listening() as listener:
            llm.chat(self._messages())
        assert listener.count(LLMChatStartEvent) == listener.count(LLMChatEndEvent) == 1
        assert heard.starts == heard.ends
        if self.tells_each_step_once:
            assert heard.starts[CBEventType.LLM] == 1
            assert listener.count(LLMCompletionStartEvent) == 0

    def test_a_completion_is_told_once(self) -> None:
        llm = self.make_llm()
        heard, llm.callback_manager = callback_listener()
        with listening() as listener:
            llm.complete(self.question)
        assert listener.count(LLMCompletionStartEvent) == listener.count(LLMCompletionEndEvent) == 1
        assert heard.starts == heard.ends
        if self.tells_each_step_once:
            assert heard.starts[CBEventType.LLM] == 1
            assert listener.count(LLMChatStartEvent) == 0

    def test_each_piece_of_a_stream_is_told_once(self) -> None:
        llm = self.make_llm()
        heard, llm.callback_manager = callback_listener()
        with listening() as listener:
            pieces = list(llm.stream_chat(self._messages()))
        assert listener.count(LLMChatInProgressEvent) == len(pieces)
        assert listener.count(LLMChatStartEvent) == listener.count(LLMChatEndEvent) == 1
        assert listener.of(LLMChatEndEvent)[0].response.message.content == pieces[-1].message.content
        assert heard.starts == heard.ends

    def test_each_piece_of_an_async_stream_is_told_once(self) -> None:
        async def ask() -> None:
            llm = self.make_llm()
            heard, llm.callback_manager = callback_listener()
            with listening() as listener:
                pieces = [piece async for piece in await llm.astream_complete(self.question)]
            if self.tells_each_step_once:
                assert listener.count(LLMCompletionInProgressEvent) == len(pieces)
                assert listener.count(LLMCompletionStartEvent) == listener.count(LLMCompletionEndEvent) == 1
            assert heard.starts == heard.ends

        asyncio.run(ask())

    def test_the_end_of_a_stream_that_is_left_is_told_once(self) -> None:
        llm = self.make_llm()
        heard, llm.callback_manager = callback_listener()
        with listening() as listener, closing(llm.stream_chat(self._messages())) as stream:
            next(stream)
        assert listener.count(LLMChatEndEvent, ExceptionEvent) == 1
        if self.tells_each_step_once:
            assert heard.starts == heard.ends

    def test_the_end_of_an_async_stream_that_is_left_is_told_once(self) -> None:
        async def ask() -> None:
            llm = self.make_llm()
            heard, llm.callback_manager = callback_listener()
            with listening() as listener:
                async with aclosing(await llm.astream_chat(self._messages())) as stream:
                    await anext(stream)
            assert listener.count(LLMChatEndEvent, ExceptionEvent) == 1
            if self.tells_each_step_once:
                assert heard.starts == heard.ends

        asyncio.run(ask())

    def test_calls_at_once_do_not_mix(self) -> None:
        async def ask() -> None:
            llm = self.make_llm()
            answers = await asyncio.gather(*(llm.achat(self._messages()) for _ in range(5)))
            for answer in answers:
                _checked(answer)

        asyncio.run(ask())

    def test_predict_fills_a_template(self) -> None:
        assert self.make_llm().predict(PromptTemplate("{what}"), what=self.question)

    def test_a_dump_makes_an_equal_llm_again(self) -> None:
        llm = self.make_llm()
        again = type(llm).from_dict(json.loads(json.dumps(llm.to_dict())), **self.given_again)
        assert again.to_dict() == llm.to_dict()
        assert again.metadata == llm.metadata

    def test_the_secret_is_in_nothing_that_is_shown(self) -> None:
        if not self.secret:
            raise SkipTest("It has no secret.")
        llm = self.make_llm()
        with listening() as listener:
            llm.chat(self._messages())
        shown = [repr(llm), str(llm), llm.to_json(), str(llm.to_dict()), str(llm.model_dump()), llm.model_dump_json()]
        shown += [f"{event!r} {event.model_dump()}" for event in listener.events]
        assert not any(self.secret in text for text in shown)

    def test_a_pickle_works(self) -> None:
        llm = self.make_llm()
        _checked(pickle.loads(pickle.dumps(llm)).complete(self.question))  # noqa: S301

    def _add_up(self, responses: list[Any]) -> None:
        texts = [_text(response) for response in responses]
        deltas = [response.delta or "" for response in responses]
        assert len(responses) > 1, "the answer came in one piece: ask for a longer one"
        assert texts[-1] == "".join(deltas)
        if self.accumulates:
            assert texts == ["".join(deltas[: n + 1]) for n in range(len(deltas))]
        _checked(responses[-1])

    def _messages(self) -> list[ChatMessage]:
        return [ChatMessage(role=MessageRole.USER, content=self.question)]


def _text(response: Answer) -> str:
    return response.text if isinstance(response, CompletionResponse) else response.message.content or ""


def _checked(response: Answer) -> None:
    assert _text(response)
    if isinstance(response, ChatResponse):
        assert response.message.role == MessageRole.ASSISTANT
