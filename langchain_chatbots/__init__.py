"""Remote chat bots (Dify apps, GPTBots agents) as native parts of LangChain and LangGraph."""

try:
    import langchain_core as _langchain_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "langchain_chatbots needs LangChain. Install it with: pip install 'remote-chatbots[langchain]'"
    ) from error

from typing import TYPE_CHECKING

from langchain_chatbots._blocks import register
from langchain_chatbots.sources import sources
from remote_chatbots import __version__
from remote_chatbots.lazy_names import lazy_names

if TYPE_CHECKING:
    from langchain_chatbots.chat_history import RemoteChatMessageHistory
    from langchain_chatbots.chat_models import ChatDify, ChatGPTBots
    from langchain_chatbots.display import ashow_live, show, show_live
    from langchain_chatbots.document_loaders import RemoteConversationLoader
    from langchain_chatbots.errors import retryable
    from langchain_chatbots.human_input import human_input_node
    from langchain_chatbots.knowledge_retrievers import (
        DifyKnowledgeRetriever,
        GPTBotsKnowledgeRetriever,
        RemoteKnowledgeRetriever,
    )
    from langchain_chatbots.remote_chat_model import RemoteChatModel
    from langchain_chatbots.retrievers import DifyRetriever, GPTBotsRetriever, RemoteRetriever
    from langchain_chatbots.settings import RemoteModelSettings
    from langchain_chatbots.speech import RemoteSpeechParser
    from langchain_chatbots.stores import StoredConversations
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "chat_history": "RemoteChatMessageHistory",
            "chat_models": "ChatDify ChatGPTBots",
            "display": "ashow_live show show_live",
            "document_loaders": "RemoteConversationLoader",
            "errors": "retryable",
            "human_input": "human_input_node",
            "knowledge_retrievers": "DifyKnowledgeRetriever GPTBotsKnowledgeRetriever RemoteKnowledgeRetriever",
            "remote_chat_model": "RemoteChatModel",
            "retrievers": "DifyRetriever GPTBotsRetriever RemoteRetriever",
            "settings": "RemoteModelSettings",
            "speech": "RemoteSpeechParser",
            "stores": "StoredConversations",
        },
    )

__all__ = [
    "ChatDify",
    "ChatGPTBots",
    "DifyKnowledgeRetriever",
    "DifyRetriever",
    "GPTBotsKnowledgeRetriever",
    "GPTBotsRetriever",
    "RemoteChatMessageHistory",
    "RemoteChatModel",
    "RemoteConversationLoader",
    "RemoteKnowledgeRetriever",
    "RemoteModelSettings",
    "RemoteRetriever",
    "RemoteSpeechParser",
    "StoredConversations",
    "__version__",
    "ashow_live",
    "human_input_node",
    "retryable",
    "show",
    "show_live",
    "sources",
]

# A stored answer is read as blocks in any program that has this package, whatever else of it is used.
for _platform in ("dify", "gptbots"):
    register(_platform)
