"""Remote chat bots (Dify apps, GPTBots agents) as native parts of LlamaIndex."""

try:
    import llama_index.core as _llama_index_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "llama_index_chatbots needs LlamaIndex. Install it with: pip install 'remote-chatbots[llama-index]'"
    ) from error

from typing import TYPE_CHECKING

from remote_chatbots.lazy_names import lazy_names

if TYPE_CHECKING:
    from llama_index_chatbots.chat_engines import RemoteChatEngine
    from llama_index_chatbots.chat_stores import RemoteChatStore
    from llama_index_chatbots.display import ashow_live, show, show_live
    from llama_index_chatbots.human_input import FormFilledEvent, FormRequiredEvent, submit_form
    from llama_index_chatbots.knowledge_retrievers import (
        DifyKnowledgeRetriever,
        GPTBotsKnowledgeRetriever,
        RemoteKnowledgeRetriever,
    )
    from llama_index_chatbots.llms import Dify, GPTBots
    from llama_index_chatbots.memory import RemoteMemory
    from llama_index_chatbots.query_engines import RemoteQueryEngine
    from llama_index_chatbots.readers import RemoteConversationReader
    from llama_index_chatbots.remote_llm import RemoteLLM
    from llama_index_chatbots.retrievers import DifyRetriever, GPTBotsRetriever, RemoteRetriever
    from llama_index_chatbots.sources import source_nodes
    from llama_index_chatbots.speech import RemoteSpeechReader
    from llama_index_chatbots.step_events import RemoteStepEvent
    from llama_index_chatbots.stores import StoredConversations
    from llama_index_chatbots.streaming import RemoteStreamingResponse
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "chat_engines": "RemoteChatEngine",
            "chat_stores": "RemoteChatStore",
            "display": "ashow_live show show_live",
            "human_input": "FormFilledEvent FormRequiredEvent submit_form",
            "knowledge_retrievers": "DifyKnowledgeRetriever GPTBotsKnowledgeRetriever RemoteKnowledgeRetriever",
            "llms": "Dify GPTBots",
            "memory": "RemoteMemory",
            "query_engines": "RemoteQueryEngine",
            "readers": "RemoteConversationReader",
            "remote_llm": "RemoteLLM",
            "retrievers": "DifyRetriever GPTBotsRetriever RemoteRetriever",
            "sources": "source_nodes",
            "speech": "RemoteSpeechReader",
            "step_events": "RemoteStepEvent",
            "stores": "StoredConversations",
            "streaming": "RemoteStreamingResponse",
        },
    )

__all__ = [
    "Dify",
    "DifyKnowledgeRetriever",
    "DifyRetriever",
    "FormFilledEvent",
    "FormRequiredEvent",
    "GPTBots",
    "GPTBotsKnowledgeRetriever",
    "GPTBotsRetriever",
    "RemoteChatEngine",
    "RemoteChatStore",
    "RemoteConversationReader",
    "RemoteKnowledgeRetriever",
    "RemoteLLM",
    "RemoteMemory",
    "RemoteQueryEngine",
    "RemoteRetriever",
    "RemoteSpeechReader",
    "RemoteStepEvent",
    "RemoteStreamingResponse",
    "StoredConversations",
    "ashow_live",
    "show",
    "show_live",
    "source_nodes",
    "submit_form",
]
