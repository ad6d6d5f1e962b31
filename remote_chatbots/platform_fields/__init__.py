"""What a user sets on a model of one platform, in either face."""

from typing import TYPE_CHECKING

from remote_chatbots.lazy_names import lazy_names

if TYPE_CHECKING:
    from remote_chatbots.platform_fields.dify import DifyFields
    from remote_chatbots.platform_fields.gptbots import GPTBotsFields
else:
    __getattr__, __dir__ = lazy_names(__name__, {"dify": "DifyFields", "gptbots": "GPTBotsFields"})

__all__ = ["DifyFields", "GPTBotsFields"]
