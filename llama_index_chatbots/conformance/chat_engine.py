"""What a chat engine promises."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from contextlib import aclosing
from unittest import SkipTest

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.instrumentation.events.chat_engine import (
    StreamChatDeltaReceivedEvent,
    StreamChatEndEvent,
    StreamChatErrorEvent,
    StreamChatStartEvent,
)

from llama_index_chatbots.conformance.listening import heartbeat, listening


class ChatEngineConformance:
    """The suite for a chat engine. Inherit it and say how to make one.

    Attributes:
        question: What is asked; the answer should come in several pieces.
        waits: Whether an answer has to be waited for, on a network or elsewhere.
        reads_in_the_background: Whether a streamed answer is read by a thread or task of the engine's: then leaving it
            leaves that at work.
        breaks: The error to which `make_breaking_engine` comes.
    """

    question: str = "Tell me a long story."
    waits: bool = True
    reads_in_the_background: bool = False
    breaks: type[Exception] | None = None

    def make_engine(self) -> BaseChatEngine:
        """Return a new engine, with an empty history."""
        raise NotImplementedError

    def make_breaking_engine(self) -> BaseChatEngine:
        """Return an engine whose answers break off after some text with an error of the class `breaks`."""
        raise NotImplementedError

    def test_chat_answers_and_remembers(self) -> None:
        engine = self.make_engine()
        answer = engine.chat(self.question)
        assert str(answer)
        self._remembered(engine, str(answer))

    def test_achat_answers_and_remembers(self) -> None:
        async def ask() -> None:
            engine = self.make_engine()
            answer = await engine.achat(self.question)
            assert str(answer)
            self._remembered(engine, str(answer))

        asyncio.run(ask())

    def test_a_streamed_answer_adds_up_and_is_remembered(self) -> None:
        engine = self.make_engine()
        answer = engine.stream_chat(self.question)
        pieces = list(answer.response_gen)
        assert len(pieces) > 1, "the answer came in one piece: ask for a longer one"
        assert "".join(pieces).strip() == str(answer).strip()
        self._remembered(engine, str(answer))

    def test_an_async_streamed_answer_adds_up_and_is_remembered(self) -> None:
        async def ask() -> None:
            engine = self.make_engine()
            answer = await engine.astream_chat(self.question)
            pieces = [piece async for piece in answer.async_response_gen()]
            assert len(pieces) > 1
            assert "".join(pieces).strip() == str(answer).strip()
            self._remembered(engine, str(answer))

        asyncio.run(ask())

    def test_what_is_printed_is_the_answer(self) -> None:
        async def ask() -> str:
            streamed = await self.make_engine().astream_chat(self.question)
            await streamed.aprint_response_stream()
            return str(streamed)

        for way in ("sync", "async"):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                if way == "async":
                    text = asyncio.run(ask())
                else:
                    answer = self.make_engine().stream_chat(self.question)
                    answer.print_response_stream()
                    text = str(answer)
            assert text
            assert printed.getvalue().strip() == text.strip()

    def test_turns_follow_one_another(self) -> None:
        engine = self.make_engine()
        engine.chat(self.question)
        list(engine.stream_chat(self.question).response_gen)
        roles = [message.role for message in engine.chat_history]
        assert roles == [MessageRole.USER, MessageRole.ASSISTANT] * 2

    def test_reset_forgets(self) -> None:
        engine = self.make_engine()
        engine.chat(self.question)
        engine.reset()
        assert engine.chat_history == []
        assert str(engine.chat(self.question))

    def test_a_history_that_is_given_replaces_the_engines(self) -> None:
        engine = self.make_engine()
        engine.chat("Forget this.")
        before = [ChatMessage(role="user", content="Hello"), ChatMessage(role="assistant", content="Hello to you.")]
        engine.chat(self.question, chat_history=list(before))
        told = [message.content for message in engine.chat_history]
        assert told[:3] == ["Hello", "Hello to you.", self.question]
        assert len(told) == 4

    def test_a_streamed_answer_is_told_from_start_to_end(self) -> None:
        engine = self.make_engine()
        with listening() as listener:
            pieces = list(engine.stream_chat(self.question).response_gen)
        assert listener.count(StreamChatStartEvent) == listener.count(StreamChatEndEvent) == 1
        assert listener.count(StreamChatErrorEvent) == 0
        assert [event.delta for event in listener.of(StreamChatDeltaReceivedEvent)] == pieces

    def test_an_answer_that_is_left_leaves_nothing_at_work(self) -> None:
        if self.reads_in_the_background:
            raise SkipTest("It reads on in the background.")
        engine = self.make_engine()
        threads = threading.active_count()
        with listening() as listener:
            for _ in engine.stream_chat(self.question).response_gen:
                break
        assert listener.count(StreamChatStartEvent) == listener.count(StreamChatEndEvent) == 1
        assert threading.active_count() == threads
        assert [message.role for message in engine.chat_history] == [MessageRole.USER, MessageRole.ASSISTANT]
        assert str(engine.chat(self.question))

    def test_an_async_answer_that_is_left_leaves_nothing_at_work(self) -> None:
        if self.reads_in_the_background:
            raise SkipTest("It reads on in the background.")

        async def ask() -> None:
            engine = self.make_engine()
            await engine.achat(self.question)  # what is imported or opened with the first call has come
            threads, tasks = threading.active_count(), len(asyncio.all_tasks())
            async with aclosing((await engine.astream_chat(self.question)).async_response_gen()) as pieces:
                await anext(pieces)
            assert (threading.active_count(), len(asyncio.all_tasks())) == (threads, tasks)
            assert len(engine.chat_history) == 4

        asyncio.run(ask())

    def test_async_calls_leave_the_loop_free(self) -> None:
        if not self.waits:
            raise SkipTest("There is nothing to wait for.")

        async def ask() -> None:
            engine = self.make_engine()
            await engine.achat(self.question)
            async with heartbeat() as beats:
                async for _ in (await engine.astream_chat(self.question)).async_response_gen():
                    pass
            assert beats, "astream_chat held up the event loop"

        asyncio.run(ask())

    def test_an_error_in_mid_stream_reaches_the_reader(self) -> None:
        if self.breaks is None:
            raise SkipTest("No engine that breaks is given.")
        engine = self.make_breaking_engine()
        seen: list[str] = []
        with listening() as listener:
            try:
                seen.extend(engine.stream_chat(self.question).response_gen)
            except self.breaks:
                pass
            else:
                raise AssertionError("the answer broke off, and nobody was told")
        assert listener.count(StreamChatErrorEvent) == 1
        assert listener.count(StreamChatEndEvent) == 0

    def _remembered(self, engine: BaseChatEngine, answer: str) -> None:
        asked, said = engine.chat_history
        assert (asked.role, asked.content) == (MessageRole.USER, self.question)
        assert (said.role, (said.content or "").strip()) == (MessageRole.ASSISTANT, answer.strip())
