"""Suites to inherit: what an LLM, a chat engine and a retriever promise to those who use them.

LlamaIndex has no such suites. Each is a class whose methods named `test_…` any test runner finds in a subclass that
says how to make the thing under test:

    class TestMyLLM(LLMConformance):
        def make_llm(self):
            return MyLLM(...)

What does not hold for a class is said by its attributes, and not by leaving a test out.
"""

from llama_index_chatbots.conformance.chat_engine import ChatEngineConformance
from llama_index_chatbots.conformance.llm import LLMConformance
from llama_index_chatbots.conformance.retriever import RetrieverConformance

__all__ = ["ChatEngineConformance", "LLMConformance", "RetrieverConformance"]
