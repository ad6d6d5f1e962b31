"""The suites that others may inherit: our classes pass them, and so do LlamaIndex's own, which is the control."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import TextNode

from llama_index_chatbots import Dify, DifyRetriever, GPTBots, GPTBotsRetriever, RemoteChatEngine
from llama_index_chatbots.conformance import ChatEngineConformance, LLMConformance, RetrieverConformance
from remote_chatbots import BotServerError
from remote_chatbots.emulator import Emulator


class _OnEmulator:
    kind = "chat"

    @pytest.fixture(autouse=True)
    def _reached(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.secret = emulator.key(self.kind)
        self.given_again = {"api_key": self.secret}

    def fields(self) -> dict[str, Any]:
        # Without coalescing, because an emulator that does not wait sends all in one piece.
        given = {"api_key": self._emulator.key(self.kind), "base_url": self._emulator.dify_url, "user": "anna"}
        return {**given, "coalesce": False}


class TestDify(_OnEmulator, LLMConformance):
    question = "[[long]]"

    def make_llm(self) -> Dify:
        return Dify(**self.fields())


@pytest.mark.matrix
class TestDifyAgent(TestDify):
    kind = "agent-chat"


@pytest.mark.matrix
class TestDifyChatflow(TestDify):
    kind = "advanced-chat"


class TestGPTBots(_OnEmulator, LLMConformance):
    question = "Tell me how to get to the island by ferry, and when."

    def fields(self) -> dict[str, Any]:
        self.secret = self._emulator.gptbots_key
        self.given_again = {"api_key": self.secret}
        return {"api_key": self.secret, "base_url": self._emulator.gptbots_url, "user": "anna", "coalesce": False}

    def make_llm(self) -> GPTBots:
        return GPTBots(**self.fields())


class TestMockLLM(LLMConformance):
    waits = False
    accumulates = False  # each response of its stream holds the whole text
    tells_each_step_once = False  # its chat is a completion, and both are told

    def make_llm(self) -> MockLLM:
        return MockLLM()


class TestRemoteChatEngine(_OnEmulator, ChatEngineConformance):
    question = "[[long]]"
    breaks = BotServerError

    def make_engine(self) -> RemoteChatEngine:
        return RemoteChatEngine.from_llm(Dify(**self.fields()))

    def make_breaking_engine(self) -> RemoteChatEngine:
        class Failing(RemoteChatEngine):
            def stream_chat(self, message: str, chat_history: Any = None) -> Any:
                return super().stream_chat("[[failmid]] Tell me", chat_history)

        return Failing.from_llm(Dify(**self.fields()))


@pytest.mark.matrix
class TestRemoteChatEngineOnAChatflow(TestRemoteChatEngine):
    kind = "advanced-chat"


class TestRemoteChatEngineOnGPTBots(TestRemoteChatEngine):
    question = TestGPTBots.question
    breaks = None

    def make_engine(self) -> RemoteChatEngine:
        fields = {"api_key": self._emulator.gptbots_key, "base_url": self._emulator.gptbots_url, "user": "anna"}
        return RemoteChatEngine.from_llm(GPTBots(coalesce=False, **fields))


class TestSimpleChatEngine(ChatEngineConformance):
    waits = False
    reads_in_the_background = True

    def make_engine(self) -> SimpleChatEngine:
        memory = ChatMemoryBuffer(token_limit=10**6, tokenizer_fn=str.split)
        return SimpleChatEngine(MockLLM(), memory, [], CallbackManager([]))


class TestDifyRetriever(_OnEmulator, RetrieverConformance):
    query = "When does the ferry leave?"

    def make_retriever(self) -> DifyRetriever:
        return DifyRetriever(**self.fields())

    def make_retriever_of(self, k: int) -> DifyRetriever:
        return DifyRetriever(k=k, **self.fields())


class TestGPTBotsRetriever(TestDifyRetriever):
    def make_retriever(self) -> GPTBotsRetriever:  # type: ignore[override]
        return self.make_retriever_of(10)

    def make_retriever_of(self, k: int) -> GPTBotsRetriever:  # type: ignore[override]
        fields = {"api_key": self._emulator.gptbots_key, "base_url": self._emulator.gptbots_url, "user": "anna"}
        return GPTBotsRetriever(k=k, corner_citation=True, **fields)


class TestIndexRetriever(RetrieverConformance):
    waits = False

    def make_retriever(self) -> BaseRetriever:
        return self._of(2)

    def make_retriever_of(self, k: int) -> BaseRetriever:
        return self._of(k)

    def _of(self, k: int) -> BaseRetriever:
        nodes = [TextNode(id_=name, text=name) for name in ("sea", "sky")]
        index = VectorStoreIndex(nodes, embed_model=MockEmbedding(embed_dim=2))
        return index.as_retriever(similarity_top_k=k)


class _Silent(MockLLM):
    """An LLM with a fault of each kind, to see that the suite can fail."""

    def chat(self, messages: Any, **kwargs: Any) -> Any:
        answer = super().chat(messages, **kwargs)
        return answer.model_copy(update={"message": ChatMessage(role="assistant", content="")})


def test_the_suite_fails_where_a_promise_is_broken() -> None:
    class Suite(LLMConformance):
        def make_llm(self) -> MockLLM:
            return _Silent()

    with pytest.raises(AssertionError):
        Suite().test_chat_and_complete_answer()
    with pytest.raises(AssertionError, match="held up"):
        TestMockLLM.test_async_calls_leave_the_loop_free(type("Waiting", (TestMockLLM,), {"waits": True})())
