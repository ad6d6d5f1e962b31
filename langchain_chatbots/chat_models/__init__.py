"""The chat models that users meet, one for each platform."""

from typing import TYPE_CHECKING

from remote_chatbots.lazy_names import lazy_names

if TYPE_CHECKING:
    from langchain_chatbots.chat_models.constructors import ChatDifyArguments, ChatGPTBotsArguments
    from langchain_chatbots.chat_models.dify import ChatDify
    from langchain_chatbots.chat_models.gptbots import ChatGPTBots
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {"constructors": "ChatDifyArguments ChatGPTBotsArguments", "dify": "ChatDify", "gptbots": "ChatGPTBots"},
    )

__all__ = ["ChatDify", "ChatDifyArguments", "ChatGPTBots", "ChatGPTBotsArguments"]
