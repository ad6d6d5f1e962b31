"""The LLMs that users meet, one for each platform."""

from typing import TYPE_CHECKING

from remote_chatbots.lazy_names import lazy_names

if TYPE_CHECKING:
    from llama_index_chatbots.llms.constructors import DifyLLMArguments, GPTBotsLLMArguments
    from llama_index_chatbots.llms.dify import Dify
    from llama_index_chatbots.llms.gptbots import GPTBots
else:
    __getattr__, __dir__ = lazy_names(
        __name__, {"constructors": "DifyLLMArguments GPTBotsLLMArguments", "dify": "Dify", "gptbots": "GPTBots"}
    )

__all__ = ["Dify", "DifyLLMArguments", "GPTBots", "GPTBotsLLMArguments"]
