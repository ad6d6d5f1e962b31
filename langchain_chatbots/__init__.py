"""Remote chat bots (Dify apps, GPTBots agents) as native parts of LangChain and LangGraph."""

try:
    import langchain_core as _langchain_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "langchain_chatbots needs LangChain. Install it with: pip install 'remote-chatbots[langchain]'"
    ) from error

from importlib import import_module
from typing import TYPE_CHECKING, Any

from langchain_chatbots.chat_history import RemoteChatMessageHistory
from langchain_chatbots.chat_models import ChatDify, ChatGPTBots
from langchain_chatbots.document_loaders import RemoteConversationLoader
from langchain_chatbots.errors import retryable
from langchain_chatbots.remote_chat_model import RemoteChatModel
from langchain_chatbots.retrievers import DifyRetriever, GPTBotsRetriever, RemoteRetriever
from langchain_chatbots.settings import RemoteModelSettings
from langchain_chatbots.sources import sources
from langchain_chatbots.speech import RemoteSpeechParser
from langchain_chatbots.stores import StoredConversations
from remote_chatbots import __version__

if TYPE_CHECKING:
    from langchain_chatbots.human_input import human_input_node
    from langchain_chatbots.knowledge_retrievers import (
        DifyKnowledgeRetriever,
        GPTBotsKnowledgeRetriever,
        RemoteKnowledgeRetriever,
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
    "human_input_node",
    "retryable",
    "sources",
]


# What few programs use is imported when it is used; the first needs LangGraph, which takes longer than all else here.
_HOMES = {
    "human_input_node": "human_input",
    **dict.fromkeys(
        ("DifyKnowledgeRetriever", "GPTBotsKnowledgeRetriever", "RemoteKnowledgeRetriever"), "knowledge_retrievers"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
