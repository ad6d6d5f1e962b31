"""GPTBots: agents, by the developer API that an agent's key opens."""

from typing import TYPE_CHECKING

from remote_chatbots.lazy_names import lazy_names

if TYPE_CHECKING:
    from remote_chatbots.platforms.gptbots.chat import GPTBotsAgent
    from remote_chatbots.platforms.gptbots.knowledge import GPTBotsKnowledge
    from remote_chatbots.platforms.gptbots.options import GPTBotsOptions
    from remote_chatbots.platforms.gptbots.retrieval import GPTBotsRetrieval
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "chat": "GPTBotsAgent",
            "knowledge": "GPTBotsKnowledge",
            "options": "GPTBotsOptions",
            "retrieval": "GPTBotsRetrieval",
        },
    )

CLOUD_URL = "https://api-sg.gptbots.ai"

__all__ = ["CLOUD_URL", "GPTBotsAgent", "GPTBotsKnowledge", "GPTBotsOptions", "GPTBotsRetrieval"]
