"""Remote chat bots (Dify apps, GPTBots agents) as native parts of LangChain and LangGraph."""

try:
    import langchain_core as _langchain_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "langchain_chatbots needs LangChain. Install it with: pip install 'remote-chatbots[langchain]'"
    ) from error

from langchain_chatbots.chat_models import ChatDify, ChatGPTBots
from langchain_chatbots.errors import retryable
from langchain_chatbots.remote_chat_model import RemoteChatModel
from langchain_chatbots.retrievers import DifyRetriever, GPTBotsRetriever, RemoteRetriever
from langchain_chatbots.settings import RemoteModelSettings
from langchain_chatbots.sources import sources
from remote_chatbots import __version__

__all__ = [
    "ChatDify",
    "ChatGPTBots",
    "DifyRetriever",
    "GPTBotsRetriever",
    "RemoteChatModel",
    "RemoteModelSettings",
    "RemoteRetriever",
    "__version__",
    "retryable",
    "sources",
]
