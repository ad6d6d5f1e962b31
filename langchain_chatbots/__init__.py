"""Remote chat bots (Dify apps, GPTBots agents) as native parts of LangChain and LangGraph."""

try:
    import langchain_core as _langchain_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "langchain_chatbots needs LangChain. Install it with: pip install 'remote-chatbots[langchain]'"
    ) from error

from typing import TYPE_CHECKING, Any

from langchain_chatbots.chat_history import RemoteChatMessageHistory
from langchain_chatbots.chat_models import ChatDify, ChatGPTBots
from langchain_chatbots.document_loaders import RemoteConversationLoader
from langchain_chatbots.errors import retryable
from langchain_chatbots.knowledge_retrievers import (
    DifyKnowledgeRetriever,
    GPTBotsKnowledgeRetriever,
    RemoteKnowledgeRetriever,
)
from langchain_chatbots.remote_chat_model import RemoteChatModel
from langchain_chatbots.retrievers import DifyRetriever, GPTBotsRetriever, RemoteRetriever
from langchain_chatbots.settings import RemoteModelSettings
from langchain_chatbots.sources import sources
from langchain_chatbots.speech import RemoteSpeechParser
from langchain_chatbots.stores import StoredConversations
from remote_chatbots import __version__

if TYPE_CHECKING:
    from langchain_chatbots.human_input import human_input_node

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
    "human_input_node",
    "retryable",
    "sources",
]


def __getattr__(name: str) -> Any:
    # It needs LangGraph, and importing that takes longer than all else here.
    if name == "human_input_node":
        from langchain_chatbots.human_input import human_input_node

        return human_input_node
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
