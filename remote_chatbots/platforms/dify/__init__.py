"""Dify: chatbot, agent, chatflow and new agent apps, by the service API that an app key opens."""

from remote_chatbots.platforms.dify.chat import DifyApp
from remote_chatbots.platforms.dify.knowledge import DifyKnowledge
from remote_chatbots.platforms.dify.options import DifyOptions
from remote_chatbots.platforms.dify.retrieval import DifyRetrieval

__all__ = ["DifyApp", "DifyKnowledge", "DifyOptions", "DifyRetrieval"]
