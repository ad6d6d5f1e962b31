"""Dify: chatbot, agent, chatflow and new agent apps, by the service API that an app key opens."""

from typing import TYPE_CHECKING

from remote_chatbots.lazy_names import lazy_names

if TYPE_CHECKING:
    from remote_chatbots.platforms.dify.chat import DifyApp
    from remote_chatbots.platforms.dify.knowledge import DifyKnowledge
    from remote_chatbots.platforms.dify.options import DifyOptions
    from remote_chatbots.platforms.dify.retrieval import DifyRetrieval
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "chat": "DifyApp",
            "knowledge": "DifyKnowledge",
            "options": "DifyOptions",
            "retrieval": "DifyRetrieval",
        },
    )

CLOUD_URL = "https://api.dify.ai/v1"

__all__ = ["CLOUD_URL", "DifyApp", "DifyKnowledge", "DifyOptions", "DifyRetrieval"]
