"""Dify: chatbot, agent, chatflow and new agent apps, by the service API that an app key opens."""

from remote_chatbots.platforms.dify.chat import DifyApp
from remote_chatbots.platforms.dify.options import DifyOptions

__all__ = ["DifyApp", "DifyOptions"]
