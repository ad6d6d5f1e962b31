"""GPTBots: agents, by the developer API that an agent's key opens."""

from remote_chatbots.platforms.gptbots.chat import GPTBotsAgent
from remote_chatbots.platforms.gptbots.knowledge import GPTBotsKnowledge
from remote_chatbots.platforms.gptbots.options import GPTBotsOptions
from remote_chatbots.platforms.gptbots.retrieval import GPTBotsRetrieval

__all__ = ["GPTBotsAgent", "GPTBotsKnowledge", "GPTBotsOptions", "GPTBotsRetrieval"]
