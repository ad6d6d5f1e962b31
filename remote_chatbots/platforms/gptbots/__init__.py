"""GPTBots: agents, by the developer API that an agent's key opens."""

from remote_chatbots.platforms.gptbots.chat import GPTBotsAgent
from remote_chatbots.platforms.gptbots.options import GPTBotsOptions

__all__ = ["GPTBotsAgent", "GPTBotsOptions"]
