"""Remote chat bots (Dify apps, GPTBots agents) as Python objects, without a framework.

`langchain_chatbots` and `llama_index_chatbots` are the faces for the frameworks.
"""

import logging
from typing import TYPE_CHECKING

from remote_chatbots.lazy_names import lazy_names

if TYPE_CHECKING:
    from remote_chatbots.answer import Answer
    from remote_chatbots.attachments import Attachment
    from remote_chatbots.client import AsyncBotClient, BotClient
    from remote_chatbots.conversations import Conversations, InMemoryConversations, SQLiteConversations
    from remote_chatbots.described import AppInfo, AppMeta, AppParameters, AppSite, FileRules, InputField
    from remote_chatbots.errors import (
        BotAuthError,
        BotConnectError,
        BotError,
        BotFormatError,
        BotNotFoundError,
        BotProtocolError,
        BotQuotaError,
        BotRateLimitError,
        BotRejectedError,
        BotReplyError,
        BotServerError,
        BotTimeoutError,
        BotTransportError,
        BotTruncatedError,
        BotUsageError,
    )
    from remote_chatbots.events import (
        Event,
        Finished,
        InputRequired,
        MediaProduced,
        Reasoning,
        Source,
        SourcesFound,
        Started,
        Step,
        TextDelta,
        TextReplaced,
        Unrecognized,
        Usage,
        UsageReported,
    )
    from remote_chatbots.knowledge_client import AsyncKnowledgeClient, KnowledgeClient
    from remote_chatbots.platforms.dify import DifyApp, DifyKnowledge, DifyOptions, DifyRetrieval
    from remote_chatbots.platforms.gptbots import GPTBotsAgent, GPTBotsKnowledge, GPTBotsOptions, GPTBotsRetrieval
    from remote_chatbots.question import Question
    from remote_chatbots.resuming import FilledForm, LostAnswer
    from remote_chatbots.stored import StoredConversation, StoredMessage, StoredVariable
    from remote_chatbots.stored_knowledge import StoredDocument, StoredKnowledgeBase
    from remote_chatbots.timeouts import Settings, Timeouts
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "answer": "Answer",
            "client": "AsyncBotClient BotClient",
            "conversations": "Conversations InMemoryConversations SQLiteConversations",
            "described": "AppInfo AppMeta AppParameters AppSite FileRules InputField",
            "errors": "BotAuthError BotConnectError BotError BotFormatError BotNotFoundError BotProtocolError "
            "BotQuotaError BotRateLimitError BotRejectedError BotReplyError BotServerError BotTimeoutError "
            "BotTransportError BotTruncatedError BotUsageError",
            "events": "Event Finished InputRequired MediaProduced Reasoning Source SourcesFound Started Step TextDelta "
            "TextReplaced Unrecognized Usage UsageReported",
            "knowledge_client": "AsyncKnowledgeClient KnowledgeClient",
            "platforms.dify": "DifyApp DifyKnowledge DifyOptions DifyRetrieval",
            "platforms.gptbots": "GPTBotsAgent GPTBotsKnowledge GPTBotsOptions GPTBotsRetrieval",
            "attachments": "Attachment",
            "question": "Question",
            "resuming": "FilledForm LostAnswer",
            "stored": "StoredConversation StoredMessage StoredVariable",
            "stored_knowledge": "StoredDocument StoredKnowledgeBase",
            "timeouts": "Settings Timeouts",
        },
    )

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AppInfo",
    "AppMeta",
    "AppParameters",
    "AppSite",
    "AsyncBotClient",
    "AsyncKnowledgeClient",
    "Attachment",
    "BotAuthError",
    "BotClient",
    "BotConnectError",
    "BotError",
    "BotFormatError",
    "BotNotFoundError",
    "BotProtocolError",
    "BotQuotaError",
    "BotRateLimitError",
    "BotRejectedError",
    "BotReplyError",
    "BotServerError",
    "BotTimeoutError",
    "BotTransportError",
    "BotTruncatedError",
    "BotUsageError",
    "Conversations",
    "DifyApp",
    "DifyKnowledge",
    "DifyOptions",
    "DifyRetrieval",
    "Event",
    "FileRules",
    "FilledForm",
    "Finished",
    "GPTBotsAgent",
    "GPTBotsKnowledge",
    "GPTBotsOptions",
    "GPTBotsRetrieval",
    "InMemoryConversations",
    "InputField",
    "InputRequired",
    "KnowledgeClient",
    "LostAnswer",
    "MediaProduced",
    "Question",
    "Reasoning",
    "SQLiteConversations",
    "Settings",
    "Source",
    "SourcesFound",
    "Started",
    "Step",
    "StoredConversation",
    "StoredDocument",
    "StoredKnowledgeBase",
    "StoredMessage",
    "StoredVariable",
    "TextDelta",
    "TextReplaced",
    "Timeouts",
    "Unrecognized",
    "Usage",
    "UsageReported",
]

# A library says nothing unless it is asked to.
logging.getLogger("remote_chatbots").addHandler(logging.NullHandler())
